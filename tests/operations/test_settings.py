"""Whatever setting is wrong: one line that names it and says what it accepts, and the
process ends with code 2.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.errors import Misconfigured
from shared.logins import LOGINS
from shared.settings import PREFIX, Settings, accepts, settings, told
from winback.serve import Service

WRONG = {
    "plaintext": (
        "telnet",
        "some of kafka, postgres, smtp, http, each also with =HOST, comma-separated; or none",
    ),
    "kafka_security": ("TLS", "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"),
    "kafka_ca": ("/nowhere/ca.pem", "certificates (PEM); or nothing"),
    "kafka_sasl_mechanism": ("GSSAPI", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"),
    "kafka": ("kafka", "host:port, comma-separated"),
    "database_url": ("mysql://x/y", "postgresql://user:password@host:port/database"),
    **{
        login.setting: ("too-short", "16 characters or more, no blanks; or nothing")
        for login in LOGINS
    },
    "smtp_url": (
        "mail:25",
        "smtp://, smtp+starttls:// or smtps://, then [user:password@]host[:port]",
    ),
    "base_url": ("winback.example", "http(s)://host[:port], no query"),
    "secret": ("short", "32 random characters or more"),
    "allowed_hosts": ("a/b", "host names, comma-separated; or nothing"),
    "secret_before": ("short", "32 random characters or more"),
    "oidc_issuer": ("http://login.example", "an https address; or nothing"),
    "partitions": ("many", "a whole number of at least 1 and at most 512"),
    "replication_factor": ("0", "a whole number of at least 1 and at most 7"),
    "state_dir": ("/etc/passwd", "a folder; it is made where it is not there"),
    "detector_id": ("one two", "letters, digits, dots, hyphens; or nothing"),
    "detector_cache_accounts": ("99", "a whole number of at least 100"),
    "checkpoint_seconds": ("nan", "a number above 0 and at most 30"),
    "ingest_linger_ms": ("1.5", "a whole number of at least 0 and at most 1000"),
    "erp_tokens": ("{", "a JSON object of names and texts"),
    "erp_mappings": ("{", "a JSON object of names and texts"),
    "host": ("a b", "an address or a host name"),
    "watched_disks": ("[]", "a JSON object of names and texts"),
    "mail_from": ("nobody", "a mail address"),
    "dkim_selector": ("a b", "letters, digits, dots, hyphens; or nothing"),
    "replies_domain": ("a b", "letters, digits, dots, hyphens; or nothing"),
    "door_host": ("a/b", "an address or a host name"),
    "resolver": ("http://ns", "host or host:port; or nothing"),
    "development_cadences": ("perhaps", "true or false"),
    "clock_offset_seconds": ("inf", "a number"),
    "otlp_endpoint": ("collector:4318", "http(s)://host[:port]; or nothing"),
    "log_level": ("loud", "debug, info, warning or error"),
    "log_format": ("xml", "json or console"),
}
ANY_TEXT = {"kafka_username", "kafka_password", "oidc_client_secret", "oidc_name"}
BESIDE_ANOTHER = {"oidc_client_id"}  # tests/console tries it beside the issuer


def numbers() -> dict[str, str]:
    """Whatever else is a number, out of its bounds."""
    return {
        name: "-1"
        for name, field in Settings.model_fields.items()
        if field.annotation in (int, float) and name not in WRONG
    }


def refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> str:
    monkeypatch.setenv(PREFIX + name.upper(), value)
    settings.cache_clear()
    try:
        with pytest.raises(Misconfigured) as caught:
            settings()
    finally:
        monkeypatch.undo()
        settings.cache_clear()
    return str(caught.value)


def test_every_setting_is_tried() -> None:
    assert (
        WRONG.keys() | numbers().keys() | ANY_TEXT | BESIDE_ANOTHER == Settings.model_fields.keys()
    )


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_setting_is_named_with_what_it_accepts(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    value, words = WRONG[name]
    said = refused(monkeypatch, name, value)
    assert (
        said.startswith(f"{PREFIX}{name.upper()}: ")
        and said.endswith(f"; it accepts {words}")
        and "\n" not in said
    )


@pytest.mark.parametrize("name", numbers())
def test_a_number_out_of_its_bounds_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    said = refused(monkeypatch, name, numbers()[name])
    assert said.startswith(f"{PREFIX}{name.upper()}: ")
    assert (
        said.endswith(f"; it accepts {accepts(Settings.model_fields[name])}") and "number" in said
    )


@pytest.mark.parametrize("name", sorted(ANY_TEXT))
def test_what_takes_any_text_says_so(name: str) -> None:
    assert accepts(Settings.model_fields[name]) == "any text"


def test_a_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "hunter2" not in refused(monkeypatch, "smtp_url", "mail://ana:hunter2@host")
    assert "hunter2" not in refused(monkeypatch, "secret", "hunter2")
    assert "hunter2" not in refused(monkeypatch, "erp_tokens", "hunter2")


@pytest.mark.slow
@pytest.mark.parametrize("service", Service)
def test_every_process_ends_with_that_line(service: Service) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    command = [sys.executable, "-P", "-m", "winback", "serve", service]
    wrong = {"WINBACK_KAFKA": "kafka", "WINBACK_HOME": "/nowhere"}
    done = subprocess.run(command, env=env | wrong, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (
        2,
        "winback: WINBACK_KAFKA: cannot be right; it accepts host:port, comma-separated\n",
    )


@pytest.fixture
def smtp_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that names a mail server; no setting of it is told yet."""
    file = tmp_path / "smtp-url"
    file.write_text("smtps://mail.example.com\n")
    monkeypatch.delenv("WINBACK_SMTP_URL", raising=False)
    monkeypatch.setenv("WINBACK_SMTP_URL_FILE", str(file))
    settings.cache_clear()
    yield file
    settings.cache_clear()


def test_a_setting_and_its_file_together_are_refused(
    smtp_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever were taken, mails could go where nobody reads them."""
    monkeypatch.setenv("WINBACK_SMTP_URL", "smtp://sink:1025")
    with pytest.raises(Misconfigured, match="WINBACK_SMTP_URL and WINBACK_SMTP_URL_FILE are both"):
        settings()


def test_threads_that_ask_at_once_read_a_file_once(
    smtp_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As migrations and topics do, side by side."""
    together = threading.Barrier(8)

    def asked(_: int) -> str:
        together.wait(30)
        return settings().smtp_url

    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            monkeypatch.delenv("WINBACK_SMTP_URL", raising=False)
            monkeypatch.setenv("WINBACK_SMTP_URL_FILE", str(smtp_file))
            settings.cache_clear()
            assert set(pool.map(asked, range(8))) == {"smtps://mail.example.com"}


def test_a_setting_that_is_empty_beside_its_file_is_not_set(
    smtp_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WINBACK_SMTP_URL", "")
    assert settings().smtp_url == "smtps://mail.example.com"
    settings.cache_clear()
    assert settings().smtp_url == "smtps://mail.example.com"  # it is told once, not twice


def test_what_a_process_is_told_displaces_the_other_form_of_it() -> None:
    here = {"WINBACK_SECRET": "of the user", "WINBACK_SMTP_URL_FILE": "/x", "PATH": "/bin"}
    assert told(here, {"WINBACK_SECRET_FILE": "/secret", "WINBACK_SMTP_URL": "smtp://y"}) == {
        "PATH": "/bin",
        "WINBACK_SECRET_FILE": "/secret",
        "WINBACK_SMTP_URL": "smtp://y",
    }
