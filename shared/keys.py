"""Keys out of WINBACK_SECRET, one for each purpose (HKDF, RFC 5869): what is signed for one purpose
is worth nothing for another, and none tells the secret.

While a secret is changed, the one before stays in WINBACK_SECRET_BEFORE: what it signed is still
read, and everything new is signed by the new one.
"""

import hashlib
import hmac
from functools import lru_cache
from typing import Literal

from shared.settings import settings

Purpose = Literal[
    "unsubscribe", "oidc", "flash", "kept-forms", "names-in-logs", "mail-counts", "letters"
]  # fmt: skip
KEY_BYTES = 32


def key(purpose: Purpose) -> bytes:
    """What is signed now is signed by this."""
    return derived(settings().secret, purpose)


def keys(purpose: Purpose) -> list[bytes]:
    """What is read may be signed by any of these; the last one signs, as itsdangerous has it."""
    both = (settings().secret_before, settings().secret)
    return [derived(secret, purpose) for secret in both if secret]


@lru_cache(maxsize=64)
def derived(secret: str, purpose: str) -> bytes:
    """HKDF-SHA256 without a salt: the secret is random already. One block is all that is needed."""
    extracted = hmac.new(bytes(hashlib.sha256().digest_size), secret.encode(), hashlib.sha256)
    info = f"winback {purpose}".encode()
    return hmac.new(extracted.digest(), info + b"\x01", hashlib.sha256).digest()[:KEY_BYTES]


def named(purpose: Purpose, text: str) -> str:
    """The same for one text always, and told to nobody who has not the secret."""
    return hmac.new(key(purpose), text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
