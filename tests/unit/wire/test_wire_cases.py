"""Cases of all claims: one that can be none does not hold up the others."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.federation import CAF, MONTH, Federation, Program

from cloison.errors import InputError
from cloison.exchange import limits
from cloison.store import Claim, Store


@pytest.fixture(params=["nobody", "a crowd"])
def odd(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The file of claim C2 names nobody, or more persons than a case may have."""
    whole = Store.claims

    def claims(store: Store, *given: Any) -> Iterator[Claim]:
        for one in whole(store, *given):
            crowd = one.members * (limits.PERSONS_PER_CASE + 1)
            members = () if request.param == "nobody" else crowd
            yield replace(one, members=members) if one.reference == "C2" else one

    monkeypatch.setattr(Store, "claims", claims)
    return "C2"


def test_open_all_tells_the_claim_that_can_be_no_case_and_opens_the_others(
    federation: Federation, ppa: Program, odd: str
) -> None:
    opened = ppa.opened("claim")
    without = [one.reference for one in opened if not one.case_leaf_hash]
    assert without == [odd]
    assert len(opened) == 6
    assert len(federation.entries(CAF, "case_opened")) == 5


def test_open_that_claim_by_name_is_refused(ppa: Program, odd: str) -> None:
    with pytest.raises(InputError, match="persons of a case"):
        list(ppa.cases.open("caf-ppa", "claim", MONTH, [odd]))
