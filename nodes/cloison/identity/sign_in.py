"""A person who signed in: the token an OpenID Connect issuer signed for one node, and its checks.

The number of the person is in the claim `nir`: what the local issuer puts there. A national
identity provider gives what it gives; a body then finds the number of its own file by it.

Source: OpenID Connect Core 1.0, 3.1.3.7; RFC 7519. The library is joserfc.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from cloison.bodies import BodyId
from cloison.errors import InputError, PeerError
from cloison.identity.identifiers import Nir, parse_nir
from cloison.identity.names import Peer

TOKEN_LIFE = timedelta(minutes=5)
ISSUER_NAME = "https://issuer.cloison.local"
ALGORITHM = "ES256"
_CURVE = "P-256"
_SKEW_SECONDS = 60
_TOKEN_BYTES = 4096
_MOST_KEYS = 10


def audience_of(body: BodyId) -> str:
    """Whom a token for a body's node is for, and nobody else."""
    return Peer(body).uri


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs persons in, as a node knows it: its name and its public keys."""

    name: str
    keys: KeySet

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """`public/issuer.json`: its name, and its keys as RFC 7517 has them.

        Raises:
            InputError: `BAD_ISSUER`.
        """
        try:
            content = json.loads(data)
            name, keys = str(content["issuer"]), content["keys"]
            known = KeySet.import_key_set({"keys": keys[:_MOST_KEYS]})
        except (ValueError, KeyError, TypeError, JoseError) as error:
            raise InputError("BAD_ISSUER", "issuer: not a name and a set of public keys") from error
        if not name or not known.keys:
            raise InputError("BAD_ISSUER", "issuer: no name, or no key")
        return cls(name, known)

    def verify(self, token: str, audience: str, nonce: str, now: datetime) -> Nir:
        """Who signed in, for this audience, with this nonce, a moment ago.

        Raises:
            PeerError: `BAD_TOKEN`; it does not say which check failed, nor quotes the token.
        """
        registry = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=_SKEW_SECONDS,
            iss={"essential": True, "value": self.name},
            aud={"essential": True, "value": audience},
            nonce={"essential": True, "value": nonce},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
        )
        try:
            claims = jwt.decode(token[:_TOKEN_BYTES], self.keys, algorithms=[ALGORITHM]).claims
            registry.validate(claims)
            alone = claims["aud"] == audience  # one of several could be presented elsewhere
            short = claims["exp"] - claims["iat"] <= TOKEN_LIFE.total_seconds()
            nir = parse_nir(str(claims["nir"]))
        except (JoseError, ValueError, KeyError, TypeError, InputError) as error:
            raise _bad_token() from error
        if not (alone and short):
            raise _bad_token()
        return nir


def _bad_token() -> PeerError:
    return PeerError(
        "BAD_TOKEN", "token: not one this node's issuer signed for it", "sign in again"
    )


def new_signing_key() -> bytes:
    """The private key of a new issuer, a JWK; a secret."""
    return json.dumps(ECKey.generate_key(_CURVE, auto_kid=True).as_dict(private=True)).encode()


def public_issuer(private: bytes) -> bytes:
    """What nodes know of the issuer with this key: `public/issuer.json`."""
    key = _load(private).as_dict(private=False)
    return (json.dumps({"issuer": ISSUER_NAME, "keys": [key]}, indent=2) + "\n").encode()


def sign_token(private: bytes, claims: Mapping[str, str | int]) -> str:
    """The claims as a token."""
    key = _load(private)
    header = {"alg": ALGORITHM, "kid": key.kid}
    return jwt.encode(header, dict(claims), key, algorithms=[ALGORITHM])


def _load(private: bytes) -> ECKey:
    try:
        return ECKey.import_key(json.loads(private))
    except (ValueError, JoseError) as error:
        raise InputError("BAD_ISSUER", "issuer: not a private key") from error
