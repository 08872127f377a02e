"""How often one person is served: never without end, and never kept waiting past the hour."""

from datetime import timedelta

import pytest
from tests.federation import ANNE, CNAV, DENIS, NOW, Federation
from tests.unit.wire.persons import Reader, ask

from cloison.errors import PeerError
from cloison.exchange import limits
from cloison.wire.person_pace import Pace

MOST = 3
HOUR = limits.PERSON_WINDOW
SOMEONE, ANOTHER = b"s" * 16, b"a" * 16


@pytest.fixture
def pace() -> Pace:
    return Pace("consultations de vos traces", MOST)


def served(pace: Pace, after: timedelta, person: bytes = SOMEONE) -> bool:
    try:
        pace.take(person, NOW + after)
    except PeerError as error:
        return error.reason != "TOO_OFTEN"
    return True


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def test_take_serves_so_many_in_the_hour_and_each_person_apart(pace: Pace) -> None:
    assert [served(pace, minutes(n)) for n in range(4)] == [True, True, True, False]
    assert served(pace, minutes(4), ANOTHER)


def test_take_refused_says_in_french_from_when_and_then_serves(pace: Pace) -> None:
    for number in range(MOST):
        pace.take(SOMEONE, NOW + minutes(number))
    with pytest.raises(PeerError, match="3 en une heure, c'est le plus") as caught:
        pace.take(SOMEONE, NOW + minutes(50))
    again = NOW + HOUR + minutes(1)
    assert f"à partir de {again:%H h %M} UTC" in caught.value.hint
    assert served(pace, HOUR + minutes(1))


def test_take_refused_does_not_count_so_who_goes_on_asking_waits_no_longer(pace: Pace) -> None:
    for _ in range(MOST):
        pace.take(SOMEONE, NOW)
    assert not any(served(pace, minutes(n / 2)) for n in range(119))
    assert served(pace, HOUR)


@pytest.mark.parametrize("back", [timedelta(days=400), timedelta(seconds=1)])
def test_take_after_a_clock_was_set_back_leaves_nothing_to_wait_for(
    pace: Pace, back: timedelta
) -> None:
    for _ in range(MOST):
        pace.take(SOMEONE, NOW)
    assert served(pace, -back)


def test_take_remembers_nobody_past_the_hour(pace: Pace) -> None:
    for number in range(1000):
        pace.take(number.to_bytes(16, "big"), NOW)
    pace.take(SOMEONE, NOW + HOUR)
    assert list(pace._served) == [SOMEONE]


def test_take_keeps_who_was_served_again_and_drops_who_was_not(pace: Pace) -> None:
    for person, after in ((SOMEONE, 0), (ANOTHER, 1), (SOMEONE, 30)):
        pace.take(person, NOW + minutes(after))
    pace.take(SOMEONE, NOW + minutes(62))
    assert list(pace._served) == [SOMEONE]
    assert len(pace._served[SOMEONE]) == 2


def test_accesses_too_often_enters_and_gives_nothing_to_that_person_alone(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PERSON_READS", 2)
    ask(federation, ANNE)
    reader = Reader(federation, ANNE)
    for _ in range(2):
        assert "decided" in reader.kinds()
    with pytest.raises(PeerError, match="en une heure"):
        reader.parts()
    assert len(federation.entries(CNAV, "person_read")) == 2
    other = Reader(federation, DENIS)
    other.desk = reader.desk
    assert other.kinds() == ["person_read"]
    federation.clock.now += HOUR
    assert "decided" in reader.kinds()


def test_contest_of_its_own_contestations_has_an_end(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PERSON_CONTESTS", 2)
    ask(federation, ANNE)
    reader = Reader(federation, ANNE)
    first = next(iter(reader.read().own)).index
    reader.contest(first)
    reader.contest(max(one.index for one in reader.read().own))
    with pytest.raises(PeerError, match="contestations : 2 en une heure"):
        reader.contest(max(one.index for one in reader.read().own))
    assert reader.contest(first)  # the same again is no other
    assert len(federation.entries(CNAV, "access_contested")) == 2
