"""Logging in to the stack's PostgreSQL as a process does."""

from urllib.parse import urlsplit, urlunsplit

from shared.logins import LOGINS, Login
from shared.settings import settings


def login_of(process: str) -> Login:
    return next(login for login in LOGINS if login.process == process)


def url_of(login: Login) -> str:
    """The stack's PostgreSQL, as that login."""
    owner = urlsplit(settings().database_url)
    place = f"{login.name}:{login.password}@{owner.hostname}:{owner.port}"
    return urlunsplit(owner._replace(netloc=place))
