"""What a setting's text may be: a pattern, and the same in words for whoever got it wrong."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le
from pydantic import StringConstraints


@dataclass(frozen=True)
class Accepts:
    """In words, what a text may be; numbers, choices and folders say it by their type."""

    words: str


_PLACE = r"(\[[0-9A-Fa-f:.]+\]|[^\s,:/\[\]]+):\d{1,5}"
Servers = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=rf"^{_PLACE}(\s*,\s*{_PLACE})*$"),
    Accepts("host:port, comma-separated"),
]
DatabaseUrl = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=r"^postgres(ql)?://\S+$"),
    Accepts("postgresql://user:password@host:port/database"),
]
MailUrl = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=r"^(smtp|smtp\+starttls|smtps)://[^\s/]+/?$"),
    Accepts("smtp://, smtp+starttls:// or smtps://, then [user:password@]host[:port]"),
]
WebUrl = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$"),
    Accepts("http(s)://host[:port], no query"),
]
CollectorUrl = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=r"^(|https?://[^\s/?#]+(/[^\s?#]*)?)$"),
    Accepts("http(s)://host[:port]; or nothing"),
]
Secret = Annotated[
    str, StringConstraints(pattern=r"^(|[^\n]{32,})$"), Accepts("32 random characters or more")
]
Password = Annotated[
    str,
    StringConstraints(pattern=r"^(|[^\s]{16,})$"),
    Accepts("16 characters or more, no blanks; or nothing"),
]
Host = Annotated[str, StringConstraints(pattern=r"^[^\s/]+$"), Accepts("an address or a host name")]
Plaintext = Annotated[
    str,
    StringConstraints(pattern=r"^(\s*((kafka|postgres|smtp|http)(=[^\s,=]+)?)?\s*(,|$))*$"),
    Accepts("some of kafka, postgres, smtp, http, each also with =HOST, comma-separated; or none"),
]
Hosts = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9.:_, -]*$"),
    Accepts("host names, comma-separated; or nothing"),
]
Address = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=r"^[^@\s]+@[^@\s]+$"),
    Accepts("a mail address"),
]
Name = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9._-]{0,200}$"),
    Accepts("letters, digits, dots, hyphens; or nothing"),
]
NameServer = Annotated[
    str, StringConstraints(pattern=r"^[^\s/]*$"), Accepts("host or host:port; or nothing")
]
Port = Annotated[int, Ge(1), Le(65_535)]
