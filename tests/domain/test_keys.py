"""Keys by purpose, and a secret that is changed while what the one before signed still works."""

from collections.abc import Callable, Iterator

import pytest

from shared import keys, mail
from shared.settings import settings

OLD, NEW = "o" * 32, "n" * 32


@pytest.fixture
def secrets_are(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """secrets_are(now, before)."""

    def be(now: str, before: str) -> None:
        monkeypatch.setenv("WINBACK_SECRET", now)
        monkeypatch.setenv("WINBACK_SECRET_BEFORE", before)
        settings.cache_clear()

    yield be
    settings.cache_clear()


def test_each_purpose_has_a_key_of_its_own(secrets_are: Callable[[str, str], None]) -> None:
    secrets_are(NEW, "")
    made = {keys.key("unsubscribe"), keys.key("oidc"), keys.key("flash")}
    assert len(made) == 3 and {len(key) for key in made} == {32} and NEW.encode() not in made


def test_a_key_is_what_rfc_5869_says(secrets_are: Callable[[str, str], None]) -> None:
    """Against the other implementation at hand."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    secrets_are(NEW, "")
    derive = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"winback oidc").derive
    assert keys.key("oidc") == derive(NEW.encode())


def test_links_of_the_secret_before_work_while_it_is_said(
    secrets_are: Callable[[str, str], None],
) -> None:
    secrets_are(OLD, "")
    token = mail.unsubscribe_token("acme", "ana@example.com")
    secrets_are(NEW, OLD)
    assert mail.read_unsubscribe_token(token) == ("acme", "ana@example.com")
    newer = mail.unsubscribe_token("acme", "ana@example.com")
    secrets_are(NEW, "")
    assert mail.read_unsubscribe_token(token) is None
    assert mail.read_unsubscribe_token(newer) == ("acme", "ana@example.com")  # by the new one


def test_links_of_the_version_before_work(secrets_are: Callable[[str, str], None]) -> None:
    """It signed by the secret itself."""
    from itsdangerous import URLSafeSerializer

    secrets_are(NEW, OLD)
    for secret in (OLD, NEW):
        token = URLSafeSerializer(secret, salt="unsubscribe").dumps(["acme", "ana@example.com"])
        assert mail.read_unsubscribe_token(str(token)) == ("acme", "ana@example.com")
