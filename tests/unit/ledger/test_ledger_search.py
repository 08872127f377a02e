"""Entries found by what they say; and an index that does not say what the log does is found."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from cloison.cli.app import run
from cloison.errors import CloisonError, IntegrityError, StorageError
from cloison.exchange.entry_words import said_of
from cloison.ledger import Log, NoteSigner
from cloison.ledger.reader import EntryReader
from cloison.ledger.search import Query, SearchIndex
from cloison.v1 import entry_pb2, statement_pb2
from cloison.v1.decision_pb2 import OUTCOME_DENY, OUTCOME_PERMIT, Decision, Outcome

DAY_MS = 86_400_000
START = 20_000 * DAY_MS
ANNE, BRUNO = (sha256(name).digest() for name in (b"anne", b"bruno"))
TWIN = ANNE[:8] + bytes(24)
"""Another key that begins as Anne's."""


def entry(time_ms: int, **kind: object) -> bytes:
    made = entry_pb2.Entry(version=1, entry_time_ms=time_ms, **kind)  # type: ignore[arg-type]
    return made.SerializeToString(deterministic=True)


def question(
    number: int,
    activity: str,
    purpose: str,
    outcome: Outcome.ValueType,
    *persons: bytes,
) -> list[bytes]:
    """A question as its requester wrote it down, and as its holder decided it, day `number`."""
    statement = statement_pb2.Statement(
        activity=activity, purpose=purpose, nonce=number.to_bytes(16, "big")
    ).SerializeToString()
    signed = statement_pb2.SignedStatement(statement=statement)
    time = START + number * DAY_MS
    return [
        entry(time, asked=entry_pb2.Asked(signed=signed, trace_keys=persons)),
        entry(
            time + 5,
            decided=entry_pb2.Decided(
                signed=signed, decision=Decision(outcome=outcome), trace_keys=persons
            ),
        ),
        entry(
            time + 9,
            received=entry_pb2.Received(
                statement_hash=sha256(statement).digest(), outcome=outcome, trace_keys=persons
            ),
        ),
    ]


def everything() -> list[bytes]:
    return [
        *question(0, "caf-ppa", "calculation", OUTCOME_PERMIT, ANNE),
        *question(1, "caf-dmde", "control-targeting", OUTCOME_DENY, ANNE, BRUNO),
        *question(2, "caf-ppa", "eligibility", OUTCOME_DENY, BRUNO),
        *question(3, "caf-rsa", "calculation", OUTCOME_PERMIT, TWIN),
        entry(START + 4 * DAY_MS, deposited=entry_pb2.Deposited(activity="caf-ppa")),
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "traces.search.sqlite"


@pytest.fixture
def written(log: Log, directory: Path) -> Path:
    log.append_many(everything())
    return directory


@pytest.fixture
def index(path: Path, written: Path) -> Iterator[SearchIndex]:
    made = SearchIndex(path, EntryReader(written), said_of)
    yield made
    made.close()


def places(index: SearchIndex, query: Query, count: int = 50) -> list[int]:
    total, hits = index.find(query, count)
    assert total == len(hits) or len(hits) == count
    return [one.index for one in hits]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (Query(activity="caf-ppa"), [0, 1, 2, 6, 7, 8, 12]),
        (Query(purpose="calculation"), [0, 1, 2, 9, 10, 11]),
        (Query(outcome="deny"), [4, 5, 7, 8]),
        (Query(activity="caf-ppa", outcome="deny"), [7, 8]),
        (Query(since_ms=START + 3 * DAY_MS), [9, 10, 11, 12]),
        (Query(until_ms=START + 5), [0]),
        (Query(since_ms=START + DAY_MS + 5, until_ms=START + 2 * DAY_MS + 9), [4, 5, 6, 7]),
        (Query(since_ms=START + 6, until_ms=START + 8), []),
        (Query(since_ms=START + 8, until_ms=START + 2), []),
        (Query(trace_key=ANNE), [0, 1, 2, 3, 4, 5]),
        (Query(trace_key=ANNE, outcome="permit"), [1, 2]),
        (Query(trace_key=TWIN), [9, 10, 11]),
        (Query(activity="caf-dmd"), []),
        (Query("caf-dmde", "control-targeting", "deny", START, START + 2 * DAY_MS, BRUNO), [4, 5]),
    ],
)
def test_find_gives_the_entries_that_say_so(
    index: SearchIndex, query: Query, found: list[int]
) -> None:
    """Of an answer, activity and purpose are those of the question it answers."""
    assert places(index, query) == found
    assert index.find(query, 50)[0] == len(found)


def test_find_gives_the_newest_and_counts_all(index: SearchIndex) -> None:
    total, hits = index.find(Query(activity="caf-ppa"), 2)
    assert (total, [one.index for one in hits]) == (7, [8, 12])


@pytest.mark.parametrize("time", [-(1 << 63), -1, 0, DAY_MS - 1, (1 << 63) - 1])
def test_entry_of_any_time_is_found(
    time: int, index: SearchIndex, log: Log, path: Path, written: Path
) -> None:
    """A clock may say anything; an entry is not out of reach for it."""
    index.close()
    log.append_many([entry(time, deposited=entry_pb2.Deposited(activity="late"))])
    again = SearchIndex(path, EntryReader(written), said_of)
    assert again.find(Query(activity="late"), 5)[0] == 1
    assert places(again, Query(activity="late")) == [13]
    again.close()


def test_find_agrees_with_reading_everything(index: SearchIndex) -> None:
    said = [said_of(data) for data in everything()]
    for since in range(0, 5 * DAY_MS, DAY_MS // 2):
        query = Query(since_ms=START + since, until_ms=START + since + DAY_MS)
        expected = [place for place, one in enumerate(said) if query.wants(one.shape, one.time_ms)]
        assert places(index, query) == expected


def test_index_grows_with_the_log(index: SearchIndex, log: Log, path: Path, written: Path) -> None:
    index.close()
    log.append_many(question(5, "caf-ppa", "calculation", OUTCOME_DENY, ANNE))
    again = SearchIndex(path, EntryReader(written), said_of)
    assert places(again, Query(activity="caf-ppa", outcome="deny")) == [7, 8, 14, 15]
    again.check()
    again.close()


def test_index_of_many_entries_is_what_the_log_leads_to(
    log: Log, directory: Path, path: Path
) -> None:
    for number in range(3_000):
        log.append_many(question(number % 40, f"a{number % 7}", "p", OUTCOME_DENY, ANNE))
    made = SearchIndex(path, EntryReader(directory), said_of)
    made.check()
    assert made.find(Query(activity="a3"), 1)[0] == 3 * len(range(3, 3_000, 7))
    made.close()


def test_index_lets_go_of_entries_no_longer_kept(log: Log, directory: Path, path: Path) -> None:
    for number in range(200):
        if number == 150:
            log.settle()
            log.begin_file()
        log.append_many(question(number, f"a{number % 2}", "p", OUTCOME_DENY, ANNE))
    SearchIndex(path, EntryReader(directory), said_of).close()
    log.settle()
    log.prune(256)
    again = SearchIndex(path, EntryReader(directory), said_of)
    again.check()
    assert places(again, Query(trace_key=ANNE), 500) == list(range(256, 600))
    assert again.find(Query(outcome="deny"), 1)[0] == sum(n % 3 > 0 for n in range(256, 600))
    again.close()


CHANGES: dict[str, str] = {
    "an entry left out": "DELETE FROM entry WHERE leaf = 7",
    "an entry too many": "INSERT INTO entry VALUES (1, 5, 9)",
    "another time": "UPDATE entry SET time = time + 1 WHERE leaf = 7",
    "a person left out": "DELETE FROM trace WHERE leaf = 4",
    "a count": "UPDATE day SET entries = entries + 1",
    "another activity": "UPDATE shape SET activity = 'caf-al' WHERE activity = 'caf-dmde'",
    "another question": "DELETE FROM named",
}


@pytest.mark.parametrize("name", CHANGES)
def test_index_that_disagrees_with_the_log_is_found(
    name: str, index: SearchIndex, path: Path, written: Path
) -> None:
    index.close()
    change(path, CHANGES[name])
    with refused_as("INDEX_DISAGREES"):
        SearchIndex(path, EntryReader(written), said_of).check()


def test_entry_that_does_not_say_what_it_was_found_by_is_never_shown(
    index: SearchIndex, path: Path, written: Path
) -> None:
    index.close()
    change(path, "UPDATE shape SET activity = 'caf-al' WHERE activity = 'caf-dmde'")
    with refused_as("INDEX_DISAGREES"):
        SearchIndex(path, EntryReader(written), said_of).find(Query(activity="caf-al"), 50)


def change(path: Path, statement: str) -> None:
    base = sqlite3.connect(path)
    assert base.execute(statement).rowcount != 0
    base.commit()
    base.close()


class refused_as:  # noqa: N801 - reads as a word
    """The block is refused for that reason."""

    def __init__(self, reason: str) -> None:
        self._raises = pytest.raises(CloisonError)
        self._reason = reason

    def __enter__(self) -> None:
        self._info = self._raises.__enter__()

    def __exit__(self, *raised: object) -> bool:
        done = self._raises.__exit__(*raised)  # type: ignore[arg-type]
        assert self._info.value.reason == self._reason
        return done


@pytest.mark.parametrize("damage", [b"", b"not a database" * 100, None])
def test_damaged_index_is_made_again(
    damage: bytes | None, index: SearchIndex, path: Path, written: Path
) -> None:
    index.close()
    path.write_bytes(path.read_bytes()[:5_000] if damage is None else damage)
    again = SearchIndex(path, EntryReader(written), said_of)
    again.check()
    assert places(again, Query(outcome="deny")) == [4, 5, 7, 8]
    again.close()


def test_index_of_another_log_is_made_again(
    index: SearchIndex, path: Path, tmp_path: Path, signer: NoteSigner
) -> None:
    index.close()
    with Log.create(tmp_path / "other", signer) as other:
        other.append_many(question(0, "msa-ppa", "calculation", OUTCOME_DENY))
    again = SearchIndex(path, EntryReader(tmp_path / "other"), said_of)
    assert places(again, Query(outcome="deny")) == [1, 2]
    assert places(again, Query(activity="caf-ppa")) == []
    again.close()


def test_index_is_for_its_owner_alone(index: SearchIndex, path: Path) -> None:
    assert index.size == 13
    assert path.stat().st_mode & 0o777 == 0o600


def test_index_that_cannot_be_made_is_refused(written: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError) as raised:
        SearchIndex(tmp_path / "missing" / "one.sqlite", EntryReader(written), said_of)
    assert raised.value.reason == "LEDGER_INDEX"


def test_entry_of_another_format_is_refused(log: Log, directory: Path, path: Path) -> None:
    log.append_many([b"\xff\xff"])
    with pytest.raises(IntegrityError) as raised:
        SearchIndex(path, EntryReader(directory), said_of)
    assert raised.value.reason == "BAD_ENTRY"


Shown = Callable[..., tuple[int, Sequence[dict[str, object]]]]


@pytest.fixture
def show(written: Path, capsys: pytest.CaptureFixture[str]) -> Shown:
    def shown(*options: str) -> tuple[int, Sequence[dict[str, object]]]:
        code = run(["ledger", "show", str(written), *options, "--json"])
        return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return shown


def test_show_finds_by_what_entries_say(show: Shown, path: Path) -> None:
    code, lines = show("--activity", "caf-ppa", "--outcome", "deny")
    assert (code, [(one["kind"], one["purpose"]) for one in lines]) == (
        0,
        [("decided", "eligibility"), ("received", "eligibility")],
    )
    assert path.exists()


def test_show_finds_a_person_and_a_period(show: Shown, tmp_path: Path) -> None:
    named = (
        "--trace-key",
        BRUNO.hex(),
        "--since",
        "2024-10-06",
        "--until",
        "2024-10-06T00:00:00.006",
    )
    code, lines = show(*named, "--index", str(tmp_path / "elsewhere"))
    assert (code, [one["index"] for one in lines]) == (0, [6, 7])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--since", "yesterday"], "BAD_TIME"),
        (["--trace-key", "00"], "BAD_TRACE_KEY"),
        (["--trace-key", "zz" * 32], "BAD_TRACE_KEY"),
        (["--first", "1", "--activity", "a"], "BAD_QUERY"),
    ],
)
def test_show_refuses_what_it_cannot_look_for(
    options: list[str], reason: str, written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ledger", "show", str(written), *options]) == 3
    assert f"[{reason}]" in capsys.readouterr().err


def test_index_command_checks_every_row(
    written: Path, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ledger", "index", str(written), "--check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["entries"] == 13
    change(path, CHANGES["an entry left out"])
    assert run(["ledger", "index", str(written), "--check"]) == 1
    assert "[INDEX_DISAGREES]" in capsys.readouterr().err
