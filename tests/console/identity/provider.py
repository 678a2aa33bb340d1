"""A small OpenID Connect provider, a process of its own: discovery, keys, a page to sign in, codes
that work once, PKCE, id tokens.

    python -m tests.console.identity.provider PORT CLIENT_ID CLIENT_SECRET REDIRECT_URI

It is strict with its client, and lies in its id tokens where the form of its page says so (`lie`),
as no honest one would.
"""

import base64
import json
import secrets
import sys
import time
from typing import Any
from urllib.parse import parse_qsl, urlencode

import uvicorn
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

PORT, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI = [*sys.argv[1:], "", "", "", ""][:4]
ISSUER = f"http://127.0.0.1:{PORT}"


class Provider:
    """Keys and codes."""

    def __init__(self) -> None:
        self.keys: list[RSAKey] = []
        self.codes: dict[str, dict[str, str]] = {}
        self.rotate()

    def rotate(self) -> None:
        self.keys = [
            RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig"}),
            *self.keys,
        ][:2]

    def id_token(self, asked: dict[str, str]) -> str:
        now, lie = int(time.time()), asked["lie"]
        claims: dict[str, Any] = {
            "iss": ISSUER if lie != "issuer" else "http://127.0.0.1:1",
            "sub": asked["email"],
            "aud": CLIENT_ID if lie != "audience" else "another-client",
            "iat": now,
            "exp": now + 300 if lie != "expired" else now - 300,
            "nonce": asked["nonce"] if lie != "nonce" else "another",
            "email": asked["email"],
            "email_verified": lie != "unverified",
        }
        if lie == "another person":
            claims["sub"] = f"not {asked['email']}"
        if lie == "no subject":
            claims["sub"] = {"of": asked["email"]}
        if lie == "kelvin":
            claims["email"] = asked["email"].replace("k", "\u212a")
        if lie == "party":
            claims |= {"aud": [CLIENT_ID, "another-client"], "azp": "another-client"}
        if lie == "no nonce":
            del claims["nonce"]
        kid = str(self.keys[0].kid)
        if lie == "unsigned":
            return f"{encoded({'alg': 'none'})}.{encoded(claims)}."
        if lie == "shared secret":
            secret = OctKey.import_key(CLIENT_SECRET)
            return jwt.encode({"alg": "HS256", "kid": kid}, claims, secret, algorithms=["HS256"])
        key = self.keys[0] if lie != "another key" else RSAKey.generate_key(2048)
        return jwt.encode({"alg": "RS256", "kid": kid}, claims, key)


def encoded(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


provider = Provider()
app = FastAPI()


@app.get("/.well-known/openid-configuration")
def discovery() -> dict[str, Any]:
    return {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/authorize",
        "token_endpoint": f"{ISSUER}/token",
        "jwks_uri": f"{ISSUER}/keys",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
    }


@app.get("/keys")
def keys() -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False) for key in provider.keys]}


@app.get("/authorize")
def authorize(request: Request) -> Response:
    """A page to sign in at; the form brings back what was asked."""
    asked = dict(request.query_params)
    wrong = {
        name: asked.get(name)
        for name, right in (
            ("client_id", CLIENT_ID), ("redirect_uri", REDIRECT_URI), ("response_type", "code"),
            ("scope", "openid email"), ("code_challenge_method", "S256"),
        )
        if asked.get(name) != right
    }  # fmt: skip
    if wrong or not all(asked.get(name) for name in ("state", "nonce", "code_challenge")):
        return JSONResponse({"error": "invalid_request", "wrong": wrong}, status_code=400)
    return HTMLResponse(
        "<h1>Sign in</h1><form method=post><input name=email><input name=lie></form>"
    )


@app.post("/authorize")
async def signed_in(request: Request) -> Response:
    """Back to the client with a code; `deny` as the mail address is a person
    who thought better of it.
    """
    asked = (
        dict(request.query_params) | {"lie": ""} | dict(parse_qsl((await request.body()).decode()))
    )
    answer = {"state": asked["state"], "iss": ISSUER}
    if asked["email"] == "deny":
        answer["error"] = "access_denied"
    else:
        answer["code"] = secrets.token_urlsafe(16)
        provider.codes[answer["code"]] = asked
    return RedirectResponse(f"{REDIRECT_URI}?{urlencode(answer)}", status_code=303)


@app.post("/token")
async def token(request: Request) -> Response:
    """A code is good once, for the client that asked, with the verifier behind its challenge."""
    form = dict(parse_qsl((await request.body()).decode()))
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    who = base64.b64decode(given).decode().split(":") if scheme == "Basic" else []
    asked = provider.codes.pop(form.get("code", ""), None)
    if who != [CLIENT_ID, CLIENT_SECRET]:
        return JSONResponse({"error": "invalid_client"}, status_code=401)
    if (
        asked is None
        or form.get("grant_type") != "authorization_code"
        or form.get("redirect_uri") != REDIRECT_URI
        or create_s256_code_challenge(form.get("code_verifier", "")) != asked["code_challenge"]
    ):
        return JSONResponse({"error": "invalid_grant"}, status_code=400)
    return JSONResponse(
        {
            "access_token": secrets.token_urlsafe(16),
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": provider.id_token(asked),
        }
    )


@app.post("/rotate")
def rotate() -> Response:
    """A new key signs from now on."""
    provider.rotate()
    return Response(status_code=204)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(PORT), log_level="warning", ws="none")
