"""Every setting of every process, in one class, from the environment (or from files, for secrets).

`WINBACK_SECRET_FILE=/run/secrets/x` reads `WINBACK_SECRET` from that file; the same holds for every
setting. A setting that cannot be right stops the process at start with one line that names it
(`Misconfigured`). `winback settings-reference` prints this list, `.env.example` repeats it, and a
test holds the three together.
"""

import os
import re
import ssl
import threading
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

from annotated_types import Ge, Gt, Le
from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from shared.errors import Misconfigured
from shared.in_the_clear import TLS_WAYS, in_the_clear, is_said
from shared.setting_kinds import (
    Accepts,
    Address,
    CollectorUrl,
    DatabaseUrl,
    Host,
    Hosts,
    MailUrl,
    Name,
    NameServer,
    Password,
    Plaintext,
    Port,
    Secret,
    Servers,
    WebUrl,
)

PREFIX = "WINBACK_"
FILE = "_FILE"
_READING = threading.Lock()


class Settings(BaseSettings):
    """What a process is told from outside. Field descriptions are the reference."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", allow_inf_nan=False
    )

    plaintext: Plaintext = Field(
        "",
        description="What may travel in the clear beyond this machine, said by name: kafka, "
        "postgres, smtp, http, or such as smtp=HOST for one host alone; comma-separated.",
    )
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How clients come to Kafka."
    )
    kafka_ca: Annotated[str, Accepts("certificates (PEM); or nothing")] = Field(
        "",
        description="Certificates (PEM) that Kafka's is held against, best by "
        "WINBACK_KAFKA_CA_FILE. Empty: the machine's own.",
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How name and password are shown to Kafka, with SASL."
    )
    kafka_username: str = Field("", validate_default=True, description="Name at Kafka, with SASL.")
    kafka_password: str = Field(
        "", validate_default=True, description="Password at Kafka, with SASL."
    )
    kafka: Servers = Field(
        "127.0.0.1:9092", description="Kafka bootstrap servers, host:port, comma-separated."
    )
    database_url: DatabaseUrl = Field(
        "postgresql://winback@127.0.0.1:5432/winback",
        description="PostgreSQL, a libpq URL: of the process's own login; for `winback migrate` "
        "and other verbs, of the owner.",
    )
    ingest_database_password: Password = Field(
        "",
        description="`winback migrate` gives this password to winback_ingest, the login of ingest "
        "at PostgreSQL. Empty: what it has stays.",
    )
    persist_database_password: Password = Field(
        "", description="The same for winback_persist, the login of the signals consumer."
    )
    clock_database_password: Password = Field(
        "", description="The same for winback_clock, the login of the clock."
    )
    console_database_password: Password = Field(
        "", description="The same for winback_console, the login of the console."
    )
    digest_database_password: Password = Field(
        "", description="The same for winback_digest, the login of digest."
    )
    sequences_database_password: Password = Field(
        "", description="The same for winback_sequences, the login of sequences."
    )
    mail_database_password: Password = Field(
        "", description="The same for winback_mail, the login of the door of answers."
    )
    smtp_url: MailUrl = Field(
        "smtp://127.0.0.1:1025",
        description="Mail server: smtp://, smtp+starttls:// or smtps://, "
        "with user:password@ when needed.",
    )
    base_url: WebUrl = Field(
        "http://127.0.0.1:8080",
        description="Where people reach the console; links in mails start with it.",
    )
    allowed_hosts: Hosts = Field(
        "",
        description="Further names that the console is asked by, and all that ingest is, "
        "comma-separated. Empty: BASE_URL's for the console, any for ingest.",
    )
    secret: Secret = Field(
        "",
        description="Signs unsubscribe links and what browsers keep; 32 random characters or more. "
        "Empty only for `winback dev`, which makes one.",
    )
    secret_before: Secret = Field(
        "",
        description="The secret before, while it is changed: what it signed is still read, "
        "nothing new is signed by it.",
    )

    oidc_issuer: Annotated[str, Accepts("an https address; or nothing")] = Field(
        "",
        description="Single sign-on: the issuer (https) of an OpenID Connect provider. "
        "Empty: by mailed links alone.",
    )
    oidc_client_id: Annotated[str, Accepts("the client's id at the provider")] = Field(
        "",
        validate_default=True,
        description="The client that the console is there; "
        "its redirect address is BASE_URL/sign-in/oidc/callback.",
    )
    oidc_client_secret: str = Field(
        "", description="The client's secret. Empty for a public client: PKCE is used either way."
    )
    oidc_name: str = Field(
        "single sign-on", description="What the button at the sign-in page calls the provider."
    )

    partitions: int = Field(
        4,
        ge=1,
        le=512,
        description="Partitions of orders and signals. Never changes once topics exist.",
    )
    replication_factor: int = Field(
        1,
        ge=1,
        le=7,
        description="Replicas of each topic. 3 on a real cluster, with min.insync.replicas 2.",
    )
    state_dir: Path = Field(
        Path(".winback/detector"),
        description="The detector's local disk; can be wiped, it is rebuilt from the changelog.",
    )
    detector_id: Name = Field(
        "",
        description="Group instance id of this detector process (static membership). "
        "Empty: dynamic.",
    )
    detector_cache_accounts: int = Field(
        100_000,
        ge=100,
        description="Accounts a detector keeps decoded in memory, over all its partitions.",
    )
    checkpoint_seconds: float = Field(
        1.0,
        gt=0,
        le=30,
        description="Time between two checkpoints while orders come without a pause; "
        "up to 5 s where one takes long.",
    )

    ingest_linger_ms: int = Field(
        10,
        ge=0,
        le=1000,
        description="How long ingest gathers orders at most, "
        "while a block of their partition is under way.",
    )
    ingest_max_body_bytes: int = Field(
        16_000_000, ge=1000, description="Largest HTTP body, after decompression."
    )
    ingest_max_lines: int = Field(5_000, ge=1, le=5_000, description="Most lines of one order.")
    ingest_max_items: int = Field(
        1_000, ge=1, le=1_000, description="Most items of one HTTP batch, or of one raw record."
    )
    ingest_max_depth: int = Field(500, ge=8, le=500, description="Deepest nesting of a JSON body.")
    ingest_max_requests: int = Field(
        128,
        ge=1,
        le=100_000,
        description="Requests that ingest works on at a time; further ones are told 429 at once.",
    )
    ingest_max_requests_of_one: int = Field(
        64,
        ge=1,
        le=100_000,
        description="Of these, how many of one organization; "
        "so many bodies of it may be arriving, too.",
    )
    http_head_seconds: float = Field(
        20.0, gt=0, description="How long the head of a request may take to arrive."
    )
    http_body_seconds: float = Field(
        120.0, gt=0, description="How long the body of a request may take to arrive."
    )
    http_body_least_rate: int = Field(
        1_000,
        ge=0,
        description="Bytes a second that a body brings at least, after its first 5 seconds. "
        "0: any.",
    )
    http_write_seconds: float = Field(
        30.0,
        gt=0,
        description="How long a client may take nothing of its answer; then it is cut.",
    )
    import_max_bytes: int = Field(
        100_000_000_000, ge=1000, description="Largest imported file, after decompression."
    )
    import_max_rows: int = Field(
        1_000_000_000, ge=1, description="Most rows of an imported Parquet file."
    )
    import_memory_rows: int = Field(
        1_000_000,
        ge=100,
        description="Rows of an import that are gathered in memory; "
        "more of them go through the disk.",
    )
    erp_tokens: dict[str, str] = Field(
        default_factory=dict,
        description='Raw topics and the token each is read with, JSON: {"erp-orders": "wb_…"}.',
    )
    erp_mappings: dict[str, str] = Field(
        default_factory=dict,
        description="Raw topics whose records a connector writes, and the file with the mapping "
        'of each, JSON: {"shop.orders": "/etc/winback/shop.json"}.',
    )

    host: Host = Field("127.0.0.1", description="Address that every HTTP server binds to.")
    ingest_port: Port = Field(
        8081, description="Port of ingest: /v1, /docs, /metrics, /healthz, /readyz."
    )
    console_port: Port = Field(
        8080, description="Port of the console: pages, /v1/signals, /metrics, /healthz, /readyz."
    )
    detector_port: Port = Field(
        8082, description="Port of the detector's /metrics, /healthz, /readyz."
    )
    signals_port: Port = Field(8083, description="The same for the signals consumer.")
    clock_port: Port = Field(8084, description="The same for the clock.")
    digest_port: Port = Field(8085, description="The same for digest.")
    sequences_port: Port = Field(8086, description="The same for sequences.")
    mail_port: Port = Field(8087, description="The same for mail, the door of answers to letters.")

    replies_domain: Name = Field(
        "",
        description="Domain whose mail comes to the door, such as replies.example.com: its MX, or "
        "a rule of the mail server, leads there. Empty: no answers come here.",
    )
    door_host: Host = Field("127.0.0.1", description="Address that the door listens at.")
    door_smtp_port: Port = Field(2525, description="Port of the door for SMTP.")
    door_lmtp_port: int = Field(
        0, ge=0, le=65_535, description="Port of the door for LMTP (RFC 2033); 0: none."
    )

    dry_run_memory_mb: int = Field(
        512,
        ge=16,
        description="Memory for the orders that dry runs of settings keep, "
        "over all organizations; the least used go.",
    )

    watched_disks: dict[str, Path] = Field(
        default_factory=dict,
        description="Disks that the clock measures, by name, JSON: "
        '{"postgres": "/var/lib/postgresql"}.',
    )
    audit_kept_days: int = Field(
        2_557,
        ge=30,
        description="Days that `winback purge` keeps rows of the audit log: seven years.",
    )
    security_events_kept_days: int = Field(
        400, ge=30, description="Days that `winback purge` keeps security events."
    )
    mail_from: Address = Field("winback@localhost", description="Sender address of digests.")
    dkim_selector: Name = Field(
        "",
        description="Selector of the key that the mail server signs with; "
        "`winback doctor` looks for its record.",
    )
    resolver: NameServer = Field(
        "",
        description="Name server that `winback doctor` asks, host or host:port. "
        "Empty: this machine's.",
    )
    stale_feed_hours: float = Field(
        36.0, gt=0, description="A newest order older than this makes the digest shout."
    )
    development_cadences: bool = Field(
        False, description="Offer digests every 5, 10, 30 minutes and hourly."
    )
    clock_offset_seconds: float = Field(
        0.0, description="Added to the machine's clock: for tests and fault runs only."
    )
    otlp_endpoint: CollectorUrl = Field(
        "",
        description="Collector that traces are sent to over OTLP/HTTP, "
        "such as http://localhost:4318. Empty: no traces.",
    )
    trace_share: float = Field(
        1.0, ge=0, le=1, description="Share of the traces that begin here and are sent."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level that is logged."
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="json for machines, console for eyes."
    )

    @field_validator("kafka", "database_url", "smtp_url", "base_url")
    @classmethod
    def _travels_in_the_clear(cls, value: str, info: ValidationInfo) -> str:
        """Only within this machine, or where it is said by name."""
        way, hosts = in_the_clear(str(info.field_name), value, info.data)
        if not is_said(way, hosts, info.data.get("plaintext", "")):
            raise ValueError(
                f"leaves this machine in the clear; {TLS_WAYS[way]}, "
                f"or say {way} in WINBACK_PLAINTEXT"
            )
        return value

    @field_validator("kafka_ca")
    @classmethod
    def _are_certificates(cls, value: str) -> str:
        try:
            if value:
                ssl.create_default_context(cadata=value)
        except (ssl.SSLError, ValueError):
            raise ValueError("holds no certificate") from None
        return value

    @field_validator("kafka_username", "kafka_password")
    @classmethod
    def _goes_with_sasl(cls, value: str, info: ValidationInfo) -> str:
        """Else a client would try without an end."""
        if not value and str(info.data.get("kafka_security", "")).startswith("SASL"):
            raise ValueError("is needed where WINBACK_KAFKA_SECURITY says SASL")
        return value

    @field_validator("oidc_issuer")
    @classmethod
    def _is_issuer(cls, value: str) -> str:
        parts = urlsplit(value.strip())
        loopback = parts.hostname in ("127.0.0.1", "localhost")
        if value.strip() and (
            parts.query
            or parts.fragment
            or not (parts.scheme == "https" or (parts.scheme == "http" and loopback))
        ):
            raise ValueError(
                "must be an https address without a query (http on this machine alone)"
            )
        return value.strip()

    @field_validator("oidc_client_id")
    @classmethod
    def _goes_with_issuer(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("oidc_issuer") and not value.strip():
            raise ValueError("is needed beside WINBACK_OIDC_ISSUER")
        if info.data.get("oidc_issuer") and not info.data.get("secret"):
            raise ValueError("single sign-on needs WINBACK_SECRET, too")
        return value.strip()

    @field_validator("state_dir")
    @classmethod
    def _can_be_a_folder(cls, value: Path) -> Path:
        if value == Path() or (value.exists() and not value.is_dir()):
            raise ValueError("is no folder")
        return value


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The process's settings, read once. Raises Misconfigured with one line, naming the setting."""
    try:
        with _READING:  # two threads may ask at once, and files are read once
            read_secret_files()
            return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name, problem = str(first["loc"][0]), first["msg"].removeprefix("Value error, ")
        if first["type"] == "string_pattern_mismatch":
            problem = "cannot be right"
    except SettingsError as error:
        found = re.search(r'field "(\w+)"', str(error))
        name, problem = found[1] if found else "", "is no JSON"
    # the value itself is not repeated: it may be a secret
    raise Misconfigured(
        f"{PREFIX}{name.upper()}: {problem}; it accepts {accepts(Settings.model_fields[name])}"
    )


def accepts(field: FieldInfo) -> str:
    """In words, what a setting may be."""
    kind = field.annotation
    said = next((one.words for one in field.metadata if isinstance(one, Accepts)), None)
    if said is not None:
        return said
    if kind is bool:
        return "true or false"
    if kind is Path:
        return "a folder; it is made where it is not there"
    if get_origin(kind) is Literal:
        *others, last = map(str, get_args(kind))
        return f"{', '.join(others)} or {last}"
    if get_origin(kind) is dict:
        return "a JSON object of names and texts"
    return (
        f"a{' whole' if kind is int else ''} number{_bounds(field.metadata)}"
        if kind in (int, float)
        else "any text"
    )


def _bounds(metadata: list[Any]) -> str:
    least = [f" of at least {one.ge}" for one in metadata if isinstance(one, Ge)] + [
        f" above {one.gt}" for one in metadata if isinstance(one, Gt)
    ]
    most = [f"at most {one.le}" for one in metadata if isinstance(one, Le)]
    return " and ".join(least + most)


def read_secret_files() -> None:
    """NAME_FILE=/path sets NAME to the file's content, for every setting. One that is empty is not
    set. Raises Misconfigured where both are: which of the two was meant is not guessed.
    """
    for name in list(os.environ):
        if name.startswith(PREFIX) and name.endswith(FILE) and os.environ[name]:
            plain = other_form(name)
            if os.environ.get(plain):
                raise Misconfigured(f"{plain} and {name} are both set: take one of them away")
            try:
                os.environ[plain] = Path(os.environ[name]).read_text().strip()
            except OSError as error:
                raise Misconfigured(f"{name}: cannot be read: {error.strerror}") from None
            del os.environ[name]  # it was read: processes that this one starts are told once


def other_form(name: str) -> str:
    """NAME_FILE of NAME, and NAME of NAME_FILE."""
    return name.removesuffix(FILE) if name.endswith(FILE) else name + FILE


def told(environment: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """`environment` with `settings` in it, which displace their other form."""
    displaced = {other_form(name) for name in settings}
    return {name: value for name, value in environment.items() if name not in displaced} | dict(
        settings
    )
