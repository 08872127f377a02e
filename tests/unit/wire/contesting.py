"""A person contests a prefilled line: from the program to the holder."""

from dataclasses import replace
from typing import Any

from tests.federation import ANNE, DENIS, FIRST, Program, Someone, run

from cloison.v1 import contestation_pb2
from cloison.wire import questions
from cloison.wire.gateway import Contest

SAYS = "Je n'ai pas travaillé là en février"


def contest_of(prefill: Program, who: Someone = ANNE, **changes: Any) -> Contest:
    """The prefilled line of February, contested by its person."""
    case = prefill.open_case("C2" if who is DENIS else "C1", "prefill")
    member = next(one for one in case.members if one.nir == who.nir)
    asked = prefill.question(case, member, purpose="prefill", fields=("mns", "nature", "payer"))
    item = prefill.item(asked)
    (answer,) = prefill.put(item)
    reply = replace(prefill.open(item, answer), salts=(item.persons[0].salt,))
    assert reply.release is not None
    plain = Contest(asked, reply, 0, FIRST, f"dsn-{FIRST}", 1, SAYS, 120_000)
    return replace(plain, **changes)


def item_of(prefill: Program, contest: Contest) -> contestation_pb2.ContestItem:
    return questions.build_contest(prefill.keys, contest, prefill.federation.clock())


def send(prefill: Program, item: contestation_pb2.ContestItem) -> Any:
    return run(prefill.federation.sender(prefill.body).send(prefill.activity, item))
