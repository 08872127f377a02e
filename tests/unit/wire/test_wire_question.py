"""The way of a question, end to end: what each side writes, and in which order."""

from tests.federation import CANARY_CENTS, Program

from cloison.v1 import release_pb2


def values(release: release_pb2.Release | None) -> list[list[int | str]]:
    assert release is not None
    return [
        [value.integer or value.text for value in record.values]
        for person in release.persons
        for period in person.periods
        for record in period.records
    ]


def test_ask_lawful_question_gives_the_permitted_fields_of_the_permitted_months(
    ppa: Program,
) -> None:
    (reply,) = ppa.ask(ppa.question(ppa.open_case()))
    assert reply.failure is None
    assert reply.decision is not None
    assert reply.decision.permitted, reply.decision
    assert values(reply.release) == [[CANARY_CENTS, "salary"]] * 3
