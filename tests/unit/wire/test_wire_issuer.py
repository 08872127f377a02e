"""The local issuer keeps to the code flow with PKCE: every way round it is refused."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from tests.federation import ANNE, DENIS, NOW, UnsafeClock, run

from cloison.errors import InputError
from cloison.identity.sign_in import Issuer, new_signing_key, public_issuer
from cloison.wire.issuer import IssuerDesk, challenge_of, read_accounts

VERIFIER, REDIRECT = "v" * 64, "http://127.0.0.1/signed-in"
QUERY = {
    "response_type": "code",
    "scope": "openid",
    "client_id": "cloison://caf",
    "redirect_uri": REDIRECT,
    "state": "s",
    "nonce": "n",
    "code_challenge": challenge_of(VERIFIER),
    "code_challenge_method": "S256",
}
FORM = {"nir": ANNE.nir, "birth_date": ANNE.birth_date.isoformat()}
Client: TypeAlias = TestClient[web.Request, web.Application]
_Found = TypeVar("_Found")


class Flow:
    """One issuer, and the two calls of a sign-in."""

    def __init__(self) -> None:
        private = new_signing_key()
        self.issuer = Issuer.parse(public_issuer(private))
        self.clock = UnsafeClock(NOW)
        accounts = {str(ANNE.nir): ANNE.birth_date.isoformat()}
        self.desk = IssuerDesk(private, self.issuer, accounts, self.clock)

    def run(self, work: Callable[[Client], Awaitable[_Found]]) -> _Found:
        async def main() -> _Found:
            async with TestClient(TestServer(self.desk.app())) as client:
                return await work(client)

        return run(main())

    async def code(self, client: Client, form: Mapping[str, str] = FORM) -> str:
        url = f"/authorize?{urlencode(QUERY)}"
        response = await client.post(url, data=form, allow_redirects=False)
        return parse_qs(urlsplit(response.headers["Location"]).query)["code"][0]

    async def token(
        self, client: Client, code: str, changes: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": QUERY["client_id"],
            "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER,
        }
        response = await client.post("/token", data=form | dict(changes or {}))
        return response.status, (await response.json()).get("id_token", "")


def test_token_of_a_whole_flow_names_the_person_to_its_audience_alone() -> None:
    flow = Flow()

    async def work(client: Client) -> Any:
        return await flow.token(client, await flow.code(client))

    status, token = flow.run(work)
    assert status == 200
    assert flow.issuer.verify(token, "cloison://caf", "n", NOW) == ANNE.nir


@pytest.mark.parametrize(
    "change",
    [
        {"code_verifier": "w" * 64},
        {"client_id": "cloison://cnav"},
        {"redirect_uri": "http://127.0.0.1/other"},
        {"grant_type": "password"},
        {"code": "0" * 64},
    ],
)
def test_token_of_another_flow_is_refused_and_the_code_is_gone(change: dict[str, str]) -> None:
    flow = Flow()

    async def work(client: Client) -> Any:
        code = await flow.code(client)
        refused = await flow.token(client, code, change)
        again = await flow.token(client, code)
        return refused, again

    (status, token), (again, _) = flow.run(work)
    assert (status, token) == (400, "")
    assert again == (200 if "code" in change else 400)


def test_token_of_a_code_used_before_or_too_old_is_refused() -> None:
    flow = Flow()

    async def work(client: Client) -> Any:
        code = await flow.code(client)
        first, second = await flow.token(client, code), await flow.token(client, code)
        late = await flow.code(client)
        flow.clock.advance(seconds=61)
        return first[0], second[0], (await flow.token(client, late))[0]

    assert flow.run(work) == (200, 400, 400)


@pytest.mark.parametrize(
    ("query", "form", "status"),
    [
        ({"code_challenge_method": "plain"}, {}, 400),
        ({"response_type": "token"}, {}, 400),
        ({"redirect_uri": "https://elsewhere.example/"}, {}, 400),
        ({"redirect_uri": "http://127.0.0.1.elsewhere.example/"}, {}, 400),
        ({"nonce": ""}, {}, 400),
        ({}, {"birth_date": "1900-01-01"}, 403),
        ({}, {"nir": "0"}, 403),
    ],
)
def test_authorize_of_a_bad_request_or_person_is_refused(
    query: dict[str, str], form: dict[str, str], status: int
) -> None:
    flow = Flow()

    async def work(client: Client) -> Any:
        url = f"/authorize?{urlencode(QUERY | query)}"
        return (await client.post(url, data=FORM | form, allow_redirects=False)).status

    assert flow.run(work) == status


def test_who_signs_in_again_and_again_takes_nobodys_code() -> None:
    flow = Flow()
    other = FORM | {"nir": DENIS.nir, "birth_date": DENIS.birth_date.isoformat()}
    flow.desk = IssuerDesk(
        new_signing_key(),
        flow.issuer,
        {one["nir"]: one["birth_date"] for one in (FORM, other)},
        flow.clock,
    )

    async def work(client: Client) -> tuple[int, int, int]:
        first, of_other = await flow.code(client), await flow.code(client, other)
        for _ in range(8):
            await flow.code(client)
        kept = len(flow.desk._grants)
        return kept, (await flow.token(client, first))[0], (await flow.token(client, of_other))[0]

    assert flow.run(work) == (9, 400, 200)  # eight of the one, and that of the other


def test_read_accounts_of_a_folder_without_people_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_accounts([tmp_path])
    assert caught.value.reason == "NO_ACCOUNTS"


@pytest.mark.parametrize("data", [b"", b"{}", b'{"issuer": "x", "keys": []}', b'{"issuer": "x"}'])
def test_parse_issuer_of_no_keys_is_refused(data: bytes) -> None:
    with pytest.raises(InputError) as caught:
        Issuer.parse(data)
    assert caught.value.reason == "BAD_ISSUER"


def test_verify_token_signed_by_another_key_is_refused() -> None:
    flow, other = Flow(), Flow()

    async def work(client: Client) -> Any:
        return await other.token(client, await other.code(client))

    _, token = other.run(work)
    with pytest.raises(Exception, match="token"):
        flow.issuer.verify(token, "cloison://caf", "n", datetime.now(UTC))
