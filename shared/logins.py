"""Who logs in to PostgreSQL: a role for each process, which may take on the role of its work and
nothing else (0026_logins.sql). `winback migrate`, as the owner, gives them their passwords.

An installation that gives no passwords goes on as before: its processes come as the owner, and the
doctor says so.
"""

from dataclasses import dataclass

import psycopg
from psycopg import sql

from shared import db
from shared.settings import settings

CONNECT_SECONDS = 5
SET_PASSWORD = "ALTER ROLE {login} PASSWORD {verifier}"  # noqa: S105 # SQL


@dataclass(frozen=True, kw_only=True)
class Login:
    """`process`: as `winback serve` names it. `takes`: the roles that it may SET."""

    process: str
    name: str
    takes: tuple[db.Role, ...]

    @property
    def setting(self) -> str:
        """Of its password: a field of `Settings`."""
        return f"{self.name.removeprefix('winback_')}_database_password"

    @property
    def password(self) -> str:
        """As this process was told; empty where it was not."""
        value: str = getattr(settings(), self.setting)
        return value


LOGINS = (
    Login(process="ingest", name="winback_ingest", takes=("winback_app", "winback_worker")),
    Login(process="signals", name="winback_persist", takes=("winback_worker",)),
    Login(process="clock", name="winback_clock", takes=("winback_worker",)),
    Login(process="console", name="winback_console", takes=("winback_app",)),
    Login(process="digest", name="winback_digest", takes=("winback_worker",)),
    Login(process="sequences", name="winback_sequences", takes=("winback_worker",)),
    Login(process="mail", name="winback_mail", takes=("winback_worker",)),
)  # the detector reaches no PostgreSQL


def can_log_in(login: Login) -> bool:
    """With the password that this process was told, where the owner's address leads."""
    try:
        psycopg.connect(
            settings().database_url,
            user=login.name,
            password=login.password,
            connect_timeout=CONNECT_SECONDS,
        ).close()
    except psycopg.OperationalError:
        return False
    return True


def set_passwords() -> list[str]:
    """Give each login the password of this process's settings, as the owner. Returns whose was set:
    one that can log in with it, or that the settings do not name, keeps what it has.

    The password itself is never sent: PostgreSQL is told its SCRAM verifier, made here.
    """
    known = [login for login in LOGINS if login.password and not can_log_in(login)]
    if not known:
        return []
    with db.connect_as_owner() as connection:
        for login in known:
            verifier = connection.pgconn.encrypt_password(
                login.password.encode(), login.name.encode(), b"scram-sha-256"
            )
            connection.execute(
                sql.SQL(SET_PASSWORD).format(
                    login=sql.Identifier(login.name), verifier=sql.Literal(verifier.decode())
                )
            )
    return [login.name for login in known]
