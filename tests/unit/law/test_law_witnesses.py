"""`witnesses.toml`: every purpose has a limit, and each limit its reason."""

import pytest
from tests.federation import ROOT

from cloison.cli.root import read_policy
from cloison.errors import InputError
from cloison.law import PolicySet

WHOLE = read_policy(ROOT)["witnesses.toml"].decode()


def parsed(text: str) -> PolicySet:
    return PolicySet.parse({**read_policy(ROOT), "witnesses.toml": text.encode()})


BAD = {
    "a family without a limit": (
        WHOLE.replace('purpose = "rights"', 'purpose = "eligibility"'),
        "purpose `rights`: has no limit",
    ),
    "an unknown purpose": (WHOLE.replace('"recovery"', '"revenge"'), "`revenge`: unknown"),
    "a purpose twice": (WHOLE.replace('"oversight"', '"control"'), "`control`: given twice"),
    "no reason": (WHOLE.replace('why = "A table can be drawn tomorrow."\n', ""), "why"),
    "no time at all": (WHOLE.replace("minutes = 60", "minutes = 0"), "minutes"),
    "for ever": (WHOLE.replace("hours = 24", "hours = 24_000"), "hours"),
}


@pytest.mark.parametrize("name", BAD)
def test_witness_limits_that_leave_something_open_are_refused(name: str) -> None:
    text, says = BAD[name]
    assert text != WHOLE
    with pytest.raises(InputError, match=says) as caught:
        parsed(text)
    assert caught.value.reason == "BAD_POLICY_FILE"


def test_nearest_limit_above_a_purpose_counts() -> None:
    limits = parsed(WHOLE).witnesses
    assert limits is not None
    assert limits.answering_seconds["prefill"] == limits.answering_seconds["rights"]
    assert limits.answering_seconds["calculation"] > limits.answering_seconds["rights"]
