"""Nonces of sign-ins: each serves once and for five minutes, and a flood of them takes nothing."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.federation import ANNE, CNAV, NOW, Federation
from tests.unit.wire.persons import Reader

from cloison.errors import PeerError
from cloison.wire.nonces import Nonces


def refused(nonces: Nonces, nonce: str, after: timedelta = timedelta(0)) -> str:
    with pytest.raises(PeerError) as caught:
        nonces.check(nonce, NOW + after)
    return caught.value.reason


def test_nonce_serves_once() -> None:
    nonces = Nonces()
    nonce = nonces.new(NOW)
    nonces.check(nonce, NOW)
    nonces.use(nonce, NOW)
    assert refused(nonces, nonce) == "BAD_TOKEN"


def test_nonce_serves_five_minutes_and_no_longer() -> None:
    nonces = Nonces()
    nonce = nonces.new(NOW)
    nonces.check(nonce, NOW + timedelta(minutes=5))
    assert refused(nonces, nonce, timedelta(minutes=5, milliseconds=1)) == "BAD_TOKEN"


ALTERED: dict[str, Callable[[str], str]] = {
    "empty": lambda _: "",
    "no digits": lambda nonce: nonce[:-1] + "g",
    "upper case": str.upper,
    "spaces": lambda nonce: f" {nonce}",
    "shorter": lambda nonce: nonce[2:],
    "longer": lambda nonce: nonce + "00",
    "later": lambda nonce: nonce[:16] + "00ffffffffffffff" + nonce[32:],
    "another tag": lambda nonce: nonce[:-2] + f"{int(nonce[-2:], 16) ^ 1:02x}",
    "of another process": lambda _: Nonces().new(NOW),
}


@pytest.mark.parametrize("change", ALTERED.values(), ids=ALTERED)
def test_nonce_that_is_none_of_these_is_refused(change: Callable[[str], str]) -> None:
    nonces = Nonces()
    nonce = next(one for one in iter(lambda: nonces.new(NOW), "") if one != one.upper())
    assert refused(nonces, change(nonce)) == "BAD_TOKEN"


def test_nonces_that_served_are_forgotten_once_they_are_over() -> None:
    nonces = Nonces()
    for minute in range(60):
        now = NOW + timedelta(minutes=minute)
        nonces.use(nonces.new(now), now)
    assert len(nonces._used) <= 7


def test_flood_of_sign_ins_takes_no_persons_nonce_and_no_memory(federation: Federation) -> None:
    reader = Reader(federation, ANNE)
    nonce = reader.desk.begin()
    for _ in range(20_000):
        reader.desk.begin()
    assert reader.desk._nonces._used == {}
    assert list(reader.desk.accesses(nonce, reader.token(nonce)))


def test_bad_token_ends_no_persons_nonce(federation: Federation) -> None:
    reader = Reader(federation, ANNE)
    nonce = reader.desk.begin()
    with pytest.raises(PeerError):
        list(reader.desk.accesses(nonce, reader.token(nonce, {"aud": "cloison://caf"})))
    assert not federation.entries(CNAV, "person_read")
    assert list(reader.desk.accesses(nonce, reader.token(nonce)))
