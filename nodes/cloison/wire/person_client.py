"""A person's client: signs in at the issuer, one token a node, and asks that node.

Each node has a token of its own, for its own nonce: what one node is shown opens no other.
"""

import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import grpc

from cloison.bodies import BodyId
from cloison.errors import PeerError, StorageError
from cloison.identity import Nir, Peer, load_certificate
from cloison.v1 import persons_service_pb2, persons_service_pb2_grpc
from cloison.wire.issuer import challenge_of
from cloison.wire.program import CALL_SECONDS
from cloison.wire.refusal import told
from cloison.wire.server import CHANNEL_OPTIONS

_ISSUER_HOST = Peer(BodyId("issuer")).host
_REDIRECT = "http://127.0.0.1/signed-in"
_SIGN_IN_SECONDS = 20.0
_SEE_OTHER, _OK, _FORBIDDEN = 303, 200, 403
_VERIFIER_BYTES = 48
_MOST_SECONDS = 10 * CALL_SECONDS


@dataclass(frozen=True, slots=True)
class Identity:
    """What a person shows the local issuer."""

    nir: Nir
    birth_date: str

    def __repr__(self) -> str:
        return "Identity(…)"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A token for one node, and the nonce it is for."""

    nonce: str
    token: str


class PersonClient:
    """One node's door for persons. `close` when done.

    Args:
        body: Whose node it is: its certificate must say so.
        address: `host:port`.
        ca: The authority of the federation.
    """

    def __init__(self, body: BodyId, address: str, ca: bytes) -> None:
        options = (*CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", Peer(body).host))
        credentials = grpc.ssl_channel_credentials(ca)
        self.body = body
        self._channel = grpc.secure_channel(address, credentials, options=options)
        self._stub = persons_service_pb2_grpc.PersonServiceStub(self._channel)

    def begin(self) -> persons_service_pb2.BeginSignInResponse:
        """A nonce. Raises `PeerError` (`PEER_UNAVAILABLE`, or as the node says)."""
        with told():
            return self._stub.BeginSignIn(
                persons_service_pb2.BeginSignInRequest(), timeout=CALL_SECONDS
            )

    def accesses(self, signed_in: SignedIn) -> Iterator[persons_service_pb2.ListAccessesResponse]:
        """What the node gives, nothing of it verified."""
        request = persons_service_pb2.ListAccessesRequest(
            nonce=signed_in.nonce, id_token=signed_in.token
        )
        with told():
            yield from self._stub.ListAccesses(request, timeout=_MOST_SECONDS)

    def contest(
        self, signed_in: SignedIn, index: int, leaf: bytes, says: str
    ) -> persons_service_pb2.ContestAccessResponse:
        """Contests an entry; its receipt is not verified yet."""
        request = persons_service_pb2.ContestAccessRequest(
            nonce=signed_in.nonce,
            id_token=signed_in.token,
            leaf_index=index,
            leaf_hash=leaf,
            says=says,
        )
        with told():
            return self._stub.ContestAccess(request, timeout=CALL_SECONDS)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()


async def sign_in(issuer: str, ca_file: Path, who: Identity, audience: str, nonce: str) -> SignedIn:
    """A token for one audience: authorization code with PKCE, over TLS.

    Args:
        issuer: `host:port` of the local issuer.
        ca_file: The authority its certificate must be of.
        who: What its form asks.
        audience: Whom the token is for.
        nonce: As that node gave it.

    Raises:
        PeerError: `SIGN_IN_REFUSED`: nobody of this number and date; `BAD_TOKEN`: not the flow.
        StorageError: `NO_ISSUER`: nobody answers there.
    """
    load_certificate(ca_file)
    context = ssl.create_default_context(cafile=str(ca_file))
    timeout = aiohttp.ClientTimeout(total=_SIGN_IN_SECONDS)
    connector = aiohttp.TCPConnector(ssl=context)
    try:
        async with aiohttp.ClientSession(
            f"https://{issuer}", timeout=timeout, connector=connector, trust_env=False
        ) as session:
            verifier = os.urandom(_VERIFIER_BYTES).hex()
            code = await _authorized(session, who, audience, nonce, verifier)
            token = await _exchanged(session, audience, code, verifier)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise StorageError(
            "NO_ISSUER",
            f"issuer `{issuer}`: does not answer",
            "start it: cloison person issuer --people DIR",
        ) from error
    return SignedIn(nonce, token)


async def _authorized(
    session: aiohttp.ClientSession, who: Identity, audience: str, nonce: str, verifier: str
) -> str:
    """The code that the issuer sends the person back with."""
    state = os.urandom(16).hex()
    query = {
        "response_type": "code",
        "scope": "openid",
        "client_id": audience,
        "redirect_uri": _REDIRECT,
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
    }
    async with session.post(
        f"/authorize?{urlencode(query)}",
        data={"nir": who.nir, "birth_date": who.birth_date},
        server_hostname=_ISSUER_HOST,
        allow_redirects=False,
    ) as response:
        if response.status == _FORBIDDEN:
            raise PeerError("SIGN_IN_REFUSED", "sign-in: nobody has this number and date of birth")
        back = response.headers.get("Location", "")
        if response.status != _SEE_OTHER or not back.startswith(f"{_REDIRECT}?"):
            raise PeerError("BAD_TOKEN", "issuer: does not send the person back")
    answer = parse_qs(urlsplit(back).query)
    if answer.get("state") != [state]:
        raise PeerError("BAD_TOKEN", "issuer: answers another sign-in")
    return answer.get("code", [""])[0]


async def _exchanged(
    session: aiohttp.ClientSession, audience: str, code: str, verifier: str
) -> str:
    """The token for a code."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": audience,
        "redirect_uri": _REDIRECT,
        "code_verifier": verifier,
    }
    async with session.post("/token", data=form, server_hostname=_ISSUER_HOST) as response:
        body = await response.json() if response.status == _OK else {}
    token = body.get("id_token")
    if not isinstance(token, str):
        raise PeerError("BAD_TOKEN", "issuer: gave no token")
    return token
