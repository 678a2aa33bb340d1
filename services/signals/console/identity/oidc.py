"""Single sign-on: OpenID Connect, authorization code with PKCE, against the one
provider that the settings name.

begin    where to send the browser, and what has to be remembered of it (state,
         nonce, the PKCE verifier)
finish   the code that came back, exchanged for an id token, the token checked: the verified mail
         address of who signed in, and the name that the provider never gives to somebody else

The provider says who somebody is, never what they may see: that follows from memberships here.
Endpoints and keys come from the provider's discovery document and are kept for an hour; a key that
is not known yet is looked for once more.
"""

import re
import secrets
import threading
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from services.signals.actions.members import checked_email
from shared import clock
from shared.errors import Rejected, Retryable
from shared.mail import checked_address
from shared.settings import settings

# Signatures that need the provider's private key. "none" and those by a shared
# secret prove nothing to us.
ALGORITHMS = [
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
]
SUBJECT = re.compile(r"[\x01-\x7f]{1,255}")
SCOPE = "openid email"
CALLBACK = "/sign-in/oidc/callback"
TIMEOUT_SECONDS = 5.0  # of each request to the provider: a person waits
KEPT_SECONDS = 3600.0
LEEWAY_SECONDS = 60  # between the provider's clock and ours


class NotIdentified(Exception):
    """The provider's answer is none that we may believe; says why, for the person and the log."""


class Identified(NamedTuple):
    """Who signed in: the address as memberships have it; `subject` stays where addresses go from
    one person to another.
    """

    email: str
    subject: str


class Begun(NamedTuple):
    """A sign-in under way: `url` is the provider's page, the rest is for `finish`."""

    url: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, kw_only=True)
class Provider:
    """The discovery document (OpenID Connect Discovery 1.0, 3), and the keys behind it."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_method: str
    keys: KeySet


def configured() -> bool:
    """Whether the settings name a provider."""
    return bool(settings().oidc_issuer)


def begin() -> Begun:
    """Raises Retryable while the provider does not answer, NotIdentified where
    it is not what the settings say.
    """
    provider = _known.get()
    begun = Begun(
        "", secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    )
    with _client(provider) as client:
        url, _ = client.create_authorization_url(
            provider.authorization_endpoint,
            state=begun.state,
            nonce=begun.nonce,
            code_verifier=begun.verifier,
        )
    return begun._replace(url=str(url))


def finish(code: str, *, nonce: str, verifier: str) -> Identified:
    """Who the provider says that signed in. Raises Retryable, NotIdentified."""
    provider = _known.get()
    try:
        with _client(provider) as client:
            token = client.fetch_token(
                provider.token_endpoint,
                grant_type="authorization_code",
                code=code,
                code_verifier=verifier,
                redirect_uri=_callback(),
                allow_redirects=False,
            )
    except AuthlibBaseError as error:
        raise NotIdentified(f"the provider refused the code ({error.error})") from None
    except requests.RequestException as error:
        raise Retryable(f"the provider does not answer: {type(error).__name__}") from None
    except ValueError:
        raise NotIdentified("the provider's answer is no token") from None
    claims = _claims(provider, token, nonce)
    return Identified(email=_address(claims), subject=_subject(claims))


def _claims(provider: Provider, token: dict[str, Any], nonce: str) -> CodeIDToken:
    id_token = token.get("id_token")
    if not isinstance(id_token, str):
        raise NotIdentified("the provider sent no id token")
    try:
        try:
            read = jwt.decode(id_token, provider.keys, algorithms=ALGORITHMS)
        except InvalidKeyIdError:  # signed with a key that is newer than what we know
            read = jwt.decode(id_token, _known.get(anew=True).keys, algorithms=ALGORITHMS)
        claims = CodeIDToken(
            read.claims,
            read.header,
            options={
                "iss": {"essential": True, "value": provider.issuer},
                "aud": {"essential": True, "value": settings().oidc_client_id},
            },
            params={
                "nonce": nonce,
                "client_id": settings().oidc_client_id,
                "access_token": token.get("access_token"),
            },
        )
        claims.validate(now=int(clock.now().timestamp()), leeway=LEEWAY_SECONDS)
    except (JoseError, ValueError, TypeError) as error:
        raise NotIdentified(f"the provider's id token cannot be believed ({error})") from None
    return claims


def _address(claims: CodeIDToken) -> str:
    if claims.get("email_verified") is not True:
        raise NotIdentified("the provider has not verified your mail address")
    try:
        return checked_address(checked_email(str(claims.get("email") or "")))
    except Rejected:
        raise NotIdentified("the provider named no mail address") from None


def _subject(claims: CodeIDToken) -> str:
    """As OpenID Connect Core 1.0, 2, bounds it; compared to the letter."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not SUBJECT.fullmatch(subject):
        raise NotIdentified("the provider named no subject")
    return subject


def _callback() -> str:
    return settings().base_url.rstrip("/") + CALLBACK


def _client(provider: Provider) -> Any:
    """Of one sign-in: authlib's client keeps state."""
    return OAuth2Session(
        settings().oidc_client_id,
        settings().oidc_client_secret or None,
        scope=SCOPE,
        redirect_uri=_callback(),
        code_challenge_method="S256",
        token_endpoint_auth_method=provider.token_endpoint_auth_method
        if settings().oidc_client_secret
        else "none",
        default_timeout=TIMEOUT_SECONDS,
    )


# -- discovery -------------------------------------------------------------------------------------


def discover(issuer: str) -> Provider:
    """Asks the provider. Raises Retryable, NotIdentified."""
    found = _json(issuer.rstrip("/") + "/.well-known/openid-configuration")
    if found.get("issuer") != issuer:
        raise NotIdentified("WINBACK_OIDC_ISSUER is not what the provider calls itself")
    try:
        endpoints = {
            name: str(found[name])
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
        }
        keys = KeySet.import_key_set(_json(endpoints["jwks_uri"]))  # type: ignore[arg-type]  # it checks what it is given
    except (KeyError, JoseError, ValueError, TypeError) as error:
        raise NotIdentified(f"the provider's discovery document lacks something: {error}") from None
    if issuer.startswith("https:") and not all(
        url.startswith("https:") for url in endpoints.values()
    ):
        raise NotIdentified("the provider's endpoints are not all https")
    methods = found.get("token_endpoint_auth_methods_supported") or [
        "client_secret_basic"
    ]  # the default that the standard names
    basic = "client_secret_basic" in methods
    return Provider(
        issuer=issuer,
        keys=keys,
        token_endpoint_auth_method="client_secret_basic" if basic else "client_secret_post",
        **endpoints,
    )


def _json(url: str) -> dict[str, Any]:
    try:
        answer = requests.get(url, timeout=TIMEOUT_SECONDS, allow_redirects=False)
        answer.raise_for_status()
        found = answer.json()
    except requests.JSONDecodeError:
        raise NotIdentified("the provider's discovery document is no JSON") from None
    except requests.RequestException as error:
        raise Retryable(f"the provider does not answer: {type(error).__name__}") from None
    if not isinstance(found, dict):
        raise NotIdentified("the provider's discovery document is no object")
    return found


class _Known:
    """The provider as it was last asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._provider: Provider | None = None
        self._at = 0.0

    def get(self, *, anew: bool = False) -> Provider:
        issuer = settings().oidc_issuer
        with self._lock:
            fresh = (
                self._provider is not None
                and self._provider.issuer == issuer
                and time.monotonic() - self._at < KEPT_SECONDS
            )
            if fresh and not anew and self._provider is not None:
                return self._provider
        found = discover(issuer)
        with self._lock:
            self._provider, self._at = found, time.monotonic()
        return found


_known = _Known()
