"""A local OpenID Connect issuer, in the shape of a national one: code flow with PKCE, over TLS.

For a federation on one machine. Its accounts are synthetic people; a person signs in with their
number and their date of birth, which no real provider would take for proof. It keeps nothing on
disk and logs nothing.

Source: RFC 6749, 4.1; RFC 7636 (S256 alone); OpenID Connect Core 1.0, 3.1.
"""

import base64
import csv
import hmac
import os
import re
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlencode

from aiohttp import web

from cloison.errors import InputError, StorageError
from cloison.identity.secrets import load_private_file
from cloison.identity.sign_in import ISSUER_NAME, TOKEN_LIFE, Issuer, sign_token

_CODE_BYTES = 32
_MOST_CODES, _MOST_CODES_EACH = 10_000, 8
_CODE_SECONDS = 60
_SCOPE = "openid"
_LOOPBACK = re.compile(r"http://127\.0\.0\.1(?::[0-9]{1,5})?/[a-z-]{0,40}", re.ASCII)
_IDENTITIES = "identities.csv"

Accounts = Mapping[str, str]
"""Date of birth (YYYY-MM-DD) by number."""


@dataclass(frozen=True, slots=True)
class _Grant:
    nir: str
    client: str
    redirect: str
    nonce: str
    challenge: str
    until: float


class IssuerDesk:
    """Signs persons in.

    Args:
        private: The signing key, a JWK.
        issuer: Its public half, as nodes know it.
        accounts: Who can sign in.
        clock: The time.
    """

    def __init__(
        self, private: bytes, issuer: Issuer, accounts: Accounts, clock: Callable[[], datetime]
    ) -> None:
        self._private = private
        self._issuer = issuer
        self._accounts = accounts
        self._clock = clock
        self._grants: dict[str, _Grant] = {}
        # A number says who a person is everywhere; the subject says it here alone.
        self._subject_key = sha256(b"cloison/v1 issuer subject\n" + private).digest()

    def app(self) -> web.Application:
        """What it serves."""
        app = web.Application(client_max_size=16_384)
        app.router.add_get("/.well-known/openid-configuration", self.configuration)
        app.router.add_get("/jwks", self.jwks)
        app.router.add_get("/authorize", self.form)
        app.router.add_post("/authorize", self.authorize)
        app.router.add_post("/token", self.token)
        return app

    async def configuration(self, _: web.Request) -> web.Response:
        """Discovery."""
        return web.json_response(
            {
                "issuer": self._issuer.name,
                "authorization_endpoint": f"{self._issuer.name}/authorize",
                "token_endpoint": f"{self._issuer.name}/token",
                "jwks_uri": f"{self._issuer.name}/jwks",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
                "code_challenge_methods_supported": ["S256"],
                "scopes_supported": [_SCOPE],
            }
        )

    async def jwks(self, _: web.Request) -> web.Response:
        """Public keys."""
        return web.json_response(self._issuer.keys.as_dict(private=False))

    async def form(self, request: web.Request) -> web.Response:
        """Asks who the person is."""
        _checked(request.query)
        return web.Response(text=_FORM, content_type="text/html", headers=_NO_STORE)

    async def authorize(self, request: web.Request) -> web.StreamResponse:
        """Sends the person back with a code, good for a minute and once."""
        query, form = _checked(request.query), await request.post()
        nir, born = str(form.get("nir", "")), str(form.get("birth_date", ""))
        known = self._accounts.get(nir, "")
        if not known or not hmac.compare_digest(known.encode(), born.encode()):
            raise web.HTTPForbidden(text="nobody signs in with this number and date of birth\n")
        self._make_room(nir)
        code = os.urandom(_CODE_BYTES).hex()
        self._grants[code] = _Grant(
            nir,
            query["client_id"],
            query["redirect_uri"],
            query["nonce"],
            query["code_challenge"],
            self._clock().timestamp() + _CODE_SECONDS,
        )
        back = urlencode({"code": code, "state": query["state"]})
        raise web.HTTPSeeOther(f"{query['redirect_uri']}?{back}", headers=_NO_STORE)

    def _make_room(self, nir: str) -> None:
        """INVARIANT: nobody's codes go for those of another. Each person has a few at most."""
        now = self._clock().timestamp()
        own = [code for code, one in self._grants.items() if one.nir == nir]
        over = [code for code, one in self._grants.items() if one.until < now]
        for code in {*over, *own[: max(0, len(own) + 1 - _MOST_CODES_EACH)]}:
            del self._grants[code]
        if len(self._grants) >= _MOST_CODES:
            raise web.HTTPServiceUnavailable(text="too many sign in now; try in a minute\n")

    async def token(self, request: web.Request) -> web.Response:
        """The token of a code, for who began the sign-in: PKCE."""
        form = await request.post()
        grant = self._grants.pop(str(form.get("code", "")), None)
        now = self._clock().timestamp()
        verifier = str(form.get("code_verifier", ""))
        good = (
            grant is not None
            and form.get("grant_type") == "authorization_code"
            and now <= grant.until
            and form.get("client_id") == grant.client
            and form.get("redirect_uri") == grant.redirect
            and hmac.compare_digest(challenge_of(verifier), grant.challenge)
        )
        if grant is None or not good:
            return web.json_response({"error": "invalid_grant"}, status=400, headers=_NO_STORE)
        token = sign_token(
            self._private,
            {
                "iss": self._issuer.name,
                "aud": grant.client,
                "nonce": grant.nonce,
                "sub": hmac.digest(self._subject_key, grant.nir.encode(), "sha256").hex()[:32],
                "iat": int(now),
                "exp": int(now + TOKEN_LIFE.total_seconds()),
                "nir": grant.nir,
            },
        )
        body = {"token_type": "Bearer", "access_token": "none", "id_token": token}
        return web.json_response(body, headers=_NO_STORE)


def challenge_of(verifier: str) -> str:
    """RFC 7636, `S256`."""
    digest = sha256(verifier.encode("utf-8")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def read_accounts(folders: Iterable[Path]) -> dict[str, str]:
    """The people of files as bodies load them (`identities.csv`).

    Raises:
        InputError: `NO_ACCOUNTS`: no such file, or nobody in it.
    """
    found: dict[str, str] = {}
    for folder in folders:
        path = folder / _IDENTITIES
        if path.is_file():
            rows = [line for line in path.read_text("utf-8").splitlines() if line[:1] != "#"]
            for row in csv.DictReader(rows, delimiter=";"):
                found[row["nir"]] = row["birth_date"]
    if not found:
        raise InputError(
            "NO_ACCOUNTS", f"people: no `{_IDENTITIES}` with anybody in it", "name their folder"
        )
    return found


def load_desk(keys: Path, accounts: Accounts, clock: Callable[[], datetime]) -> IssuerDesk:
    """With the keys of a federation. Raises `StorageError` (`NO_ISSUER`), `InputError`."""
    private = load_private_file(keys / "issuer" / "signing.jwk")
    try:
        public = (keys / "public" / "issuer.json").read_bytes()
    except OSError as error:
        raise StorageError("NO_ISSUER", f"issuer of `{keys}`: {error.strerror}") from error
    return IssuerDesk(private, Issuer.parse(public), accounts, clock)


def server_tls(keys: Path) -> ssl.SSLContext:
    """TLS with the issuer's certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(keys / "issuer" / "tls.crt", keys / "issuer" / "tls.key")
    return context


def _checked(query: Mapping[str, str]) -> Mapping[str, str]:
    wanted = ("client_id", "redirect_uri", "nonce", "state", "code_challenge")
    whole = (
        query.get("response_type") == "code"
        and query.get("code_challenge_method") == "S256"
        and _SCOPE in query.get("scope", "").split()
        and all(query.get(name) for name in wanted)
        and _LOOPBACK.fullmatch(query.get("redirect_uri", "")) is not None
    )
    if not whole:
        raise web.HTTPBadRequest(text="not a request of the code flow with PKCE\n")
    return query


_NO_STORE = {"Cache-Control": "no-store"}
_FORM = """<!doctype html><html lang="fr"><meta charset="utf-8"><title>Connexion</title>
<h1>Connexion (émetteur local, personnes fictives)</h1>
<form method="post"><p><label>Numéro de sécurité sociale <input name="nir" required></label></p>
<p><label>Date de naissance (AAAA-MM-JJ) <input name="birth_date" required></label></p>
<p><button>Continuer</button></p></form></html>
"""
__all__ = ["ISSUER_NAME", "IssuerDesk", "challenge_of", "load_desk", "read_accounts", "server_tls"]
