"""The targeting program: asks honestly, counts refusals, scores only what is permitted."""

from datetime import date
from pathlib import Path

import pytest
from tests.unit.programs.fake_gateway import FakeGateway, FakePerson, nir_of

from cloison.bodies import BodyId
from cloison.errors import InputError, StorageError
from cloison.law import PolicySet
from cloison.law.question import Decision, Outcome
from cloison.months import Month
from cloison.programs.persons_file import read_members, read_persons
from cloison.programs.targeting import Wish, _incomes, ask_from_afar, ask_locally
from cloison.programs.targeting_model import Model, load_model
from cloison.v1 import release_pb2
from cloison.wire.gateway import AskFor, Received

MAY = Month.of(2026, 5)
DENY = Decision(Outcome.DENY, "FORBIDDEN")
RECEIVED = Received(BodyId("cnav"), "calculation", "caf-ppa")


def quiet(_done: int) -> None:
    """No progress shown."""


@pytest.fixture
def wish(policy: PolicySet) -> Wish:
    """Control scoring for May 2026."""
    return Wish(policy.activities["caf-dmde"], MAY, MAY, load_model())


@pytest.fixture
def world(gateway: FakeGateway) -> FakeGateway:
    """Seventy files: the first of 2 000 €, the second of 100 €, the others without income."""
    gateway.add("C0", FakePerson(income={("salary", MAY): 200_000}))
    gateway.add("C1", FakePerson(income={("salary", MAY): 10_000}), FakePerson("partner"))
    for number in range(2, 70):
        gateway.add(f"C{number}", FakePerson())
    return gateway


def refuse(_question: AskFor) -> Decision:
    return DENY


def test_ask_from_afar_asks_the_cohort_then_every_file(world: FakeGateway, wish: Wish) -> None:
    world.decide = refuse
    files = [case.members for case in world.cases]
    *cohorts, one_by_one = ask_from_afar(world, wish, files, quiet)

    assert [size for _, size in world.cohorts] == [71] * 3
    assert [(one.way, one.asked, one.refused) for one in cohorts] == [
        ("cohort, cnav monthly_resources", 1, 1),
        ("cohort, msa monthly_resources", 1, 1),
        ("cohort, dgfip tax_notices", 1, 1),
    ]
    assert (one_by_one.asked, one_by_one.permitted, one_by_one.refused) == (70, 0, 70)
    assert world.calls == [64, 6]


def test_ask_from_afar_states_its_purpose(world: FakeGateway, wish: Wish) -> None:
    world.decide = refuse
    ask_from_afar(world, wish, [world.cases[0].members], quiet)

    assert {question.purpose for question in world.asked} == {"control-targeting"}
    assert {question.case for question in world.asked} == {None}
    assert {question.holder for question in world.asked} == {"cnav", "msa", "dgfip"}


def test_ask_refused_keeps_each_distinct_reason_once(world: FakeGateway, wish: Wish) -> None:
    other = Decision(Outcome.DENY, "NO_TEXT")
    first = world.cases[0].members
    world.decide = lambda question: other if question.persons == first else DENY
    *_, attempt = ask_from_afar(world, wish, [case.members for case in world.cases], quiet)

    assert [(one.decision, one.count) for one in attempt.refusals] == [(DENY, 69), (other, 1)]


def test_ask_refused_scores_nobody(world: FakeGateway, wish: Wish) -> None:
    world.decide = refuse
    attempts = ask_from_afar(world, wish, [case.members for case in world.cases], quiet)

    assert [(one.scored, one.picked) for one in attempts] == [(0, 0)] * 4


def test_ask_permitted_scores_by_income(world: FakeGateway, policy: PolicySet) -> None:
    model = load_model().model_copy(update={"intercept": 0.5})
    wish = Wish(policy.activities["caf-dmde"], MAY, MAY, model)
    attempts = ask_from_afar(world, wish, [case.members for case in world.cases], quiet)

    assert [(one.permitted, one.scored, one.picked) for one in attempts] == [
        (1, 71, 70),
        (1, 0, 0),
        (1, 0, 0),
        (70, 70, 69),
    ]


UNANSWERED = (
    release_pb2.PERIOD_STATUS_NOT_YET_DUE,
    release_pb2.PERIOD_STATUS_UNDER_CORRECTION,
    release_pb2.PERIOD_STATUS_UNSPECIFIED,
)


@pytest.mark.parametrize("status", UNANSWERED)
def test_ask_person_without_an_answered_month_gets_no_score(
    status: "release_pb2.PeriodStatus.ValueType", gateway: FakeGateway, wish: Wish
) -> None:
    release = gateway._release(wish.question(), gateway.add("C0", FakePerson(), FakePerson()))
    release.persons[0].periods[0].status = status

    assert list(_incomes(release.fields, release.persons)) == [None, 0]


def test_ask_file_with_an_unanswered_person_gets_no_score(world: FakeGateway, wish: Wish) -> None:
    files = [case.members for case in world.cases]
    partner = files[1][1].nir
    world.status["cnav", partner, MAY.number] = release_pb2.PERIOD_STATUS_NOT_YET_DUE
    cohort, *_, one_by_one = ask_from_afar(world, wish, files, quiet)

    assert (cohort.persons, cohort.scored) == (71, 70)
    assert (one_by_one.permitted, one_by_one.scored) == (70, 69)


def test_ask_mean_is_of_the_answered_months_alone(gateway: FakeGateway, policy: PolicySet) -> None:
    income = {("salary", MAY): 200_000, ("salary", MAY - 1): 100_000}
    (member,) = gateway.add("C0", FakePerson(income=income))
    gateway.status["cnav", member.nir, (MAY - 1).number] = (
        release_pb2.PERIOD_STATUS_UNDER_CORRECTION
    )
    question = Wish(policy.activities["caf-dmde"], MAY - 2, MAY, load_model()).question()

    release = gateway._release(question, (member,))
    assert list(_incomes(release.fields, release.persons)) == [100_000]


def test_ask_record_without_its_amount_is_no_zero(gateway: FakeGateway, wish: Wish) -> None:
    (member,) = gateway.add("C0", FakePerson())
    gateway.held["cnav", "monthly_resources", member.nir].append((MAY.number, {"nature": "salary"}))

    release = gateway._release(wish.question(), (member,))
    assert list(_incomes(release.fields, release.persons)) == [None]


def test_ask_no_decision_is_counted_apart(world: FakeGateway, wish: Wish) -> None:
    world.decide = lambda _question: None
    attempts = ask_from_afar(world, wish, [world.cases[0].members], quiet)

    assert [one.failed for one in attempts] == [{"PEER_UNAVAILABLE": 1}] * 4
    assert [one.refused for one in attempts] == [0] * 4


def test_ask_locally_asks_own_node_for_what_it_received(world: FakeGateway, wish: Wish) -> None:
    world.decide = refuse
    received, *own = ask_locally(world, wish, RECEIVED, [world.cases[0].members], quiet)

    assert (world.asked[0].holder, world.asked[0].received) == ("caf", RECEIVED)
    assert (received.way, received.refused) == ("received", 1)
    assert [(one.way, one.refused) for one in own] == [
        (f"cohort, caf {dataset}", 1)
        for dataset in ("members", "households", "payments", "file_events")
    ]


def test_ask_locally_permitted_scores_what_was_received(world: FakeGateway, wish: Wish) -> None:
    (member,) = world.cases[0].members
    income = world.held["cnav", "monthly_resources", member.nir]
    world.held["caf", "monthly_resources", member.nir] = income
    attempt, *_ = ask_locally(world, wish, RECEIVED, [(member,)], quiet)

    assert (attempt.permitted, attempt.scored, attempt.picked) == (1, 1, 0)


def test_ask_tells_its_progress(world: FakeGateway, wish: Wish) -> None:
    told: list[int] = []
    ask_locally(world, wish, RECEIVED, [case.members for case in world.cases], told.append)

    assert told == [64, 6]


def test_wish_of_a_record_without_incomes_is_refused(policy: PolicySet) -> None:
    record = policy.activities["caf-dmde"].model_copy(update={"reads": ()})

    with pytest.raises(InputError) as refused:
        Wish(record, MAY, MAY, load_model()).question()
    assert refused.value.reason == "RECORD_INCOMPLETE"


# --- the model


def test_load_model_says_its_coefficients_are_invented() -> None:
    assert load_model().coefficients == "invented"


def test_model_without_the_word_invented_is_refused() -> None:
    content = load_model().model_dump() | {"coefficients": "real"}

    with pytest.raises(ValueError, match="invented"):
        Model.model_validate(content)


def test_score_falls_as_income_rises() -> None:
    model = load_model()

    assert model.score(0) > model.score(100_000) > model.score(300_000)


# --- whom it asks about


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


HEAD = "household;nir;role;birth_name;birth_date;since;until;schemes"


def test_read_members_gives_the_adults_of_each_household(tmp_path: Path) -> None:
    path = write(
        tmp_path / "members.csv",
        "# cloison members 1",
        HEAD,
        f"H1;{nir_of(1)};applicant;A;1990-01-01;2020-01-01;;general",
        f"H1;{nir_of(2)};partner;B;1991-01-01;2020-01-01;;general",
        f"H1;{nir_of(3)};child;B;2019-01-01;2020-01-01;;",
        f"H2;{nir_of(4)};applicant;C;1992-02-03;2020-01-01;;general",
        f"H2;{nir_of(5)};partner;D;1992-02-03;2020-01-01;2024-01-01;general",
        "# end 5",
    )
    files = read_members(path)

    assert [[member.birth_name for member in file] for file in files] == [["A", "B"], ["C"]]
    assert files[1][0].birth_date == date(1992, 2, 3)


def test_read_persons_gives_a_file_each(tmp_path: Path) -> None:
    path = write(tmp_path / "persons.csv", "nir;birth_name;birth_date", f"{nir_of(1)};A;1990-01-01")

    assert [len(file) for file in read_persons(path)] == [1]


BAD_FILES = {
    "no column": (["nir;birth_date"], ":1`: no column `birth_name`"),
    "empty": ([], ":1`: no column `nir`"),
    "not a NIR": (["nir;birth_name;birth_date", "12;A;1990-01-01"], ":2`: not a NIR"),
    "not a date": (["nir;birth_name;birth_date", f"{nir_of(1)};A;1990"], ":2`: not a NIR"),
    "short row": (["nir;birth_name;birth_date", "12;A"], ":2`: 2 columns, not 3"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_read_persons_bad_file_names_the_line(tmp_path: Path, name: str) -> None:
    lines, message = BAD_FILES[name]

    with pytest.raises(InputError, match=message):
        read_persons(write(tmp_path / "persons.csv", *lines))


def test_read_persons_never_quotes_the_row(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", "nir;birth_name;birth_date", f"{nir_of(1)};SECRET;1990")

    with pytest.raises(InputError) as refused:
        read_persons(path)
    assert "SECRET" not in str(refused.value)
    assert nir_of(1) not in str(refused.value)


def test_read_persons_missing_file_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be read"):
        read_persons(tmp_path / "none.csv")
