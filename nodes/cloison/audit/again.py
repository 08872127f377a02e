"""Replay: the ledgers read into tables, and every decision of the period made again.

Two readings that need nothing of each other: of long ledgers, each in a process of its own.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256

from cloison.audit.beside import Beside
from cloison.audit.contested import ContestWatch
from cloison.audit.day_maps import DayWatch
from cloison.audit.findings import Finding, Severity
from cloison.audit.gathering import ACCOUNTABILITY, Gathering, Kind
from cloison.audit.lines import LedgerFolder, Ledgers, Line
from cloison.audit.period import Period
from cloison.audit.reading import take
from cloison.audit.tables import Tables
from cloison.errors import InputError
from cloison.exchange.replay import Replayer, decisions_of
from cloison.law import PolicySet
from cloison.v1 import entry_pb2, statement_pb2

_NO_SET = "NO_POLICY_SET"
_DIFFERS = Kind(
    "REPLAY_DIFFERS",
    Severity.HIGH,
    ACCOUNTABILITY,
    "{holder} a inscrit {n} décision(s) que ses textes, ses faits et son heure ne donnent pas :"
    " {differs}.",
    "Les textes de l'empreinte que porte l'entrée; s'ils sont les bons, le nœud n'a pas décidé"
    " selon eux.",
)
_SET_LOST = Kind(
    "POLICY_SET_LOST",
    Severity.MEDIUM,
    ACCOUNTABILITY,
    "{n} décision(s) de {holder} ne peuvent être refaites : les textes {set} ne sont gardés nulle"
    " part où l'audit a cherché.",
    "Les textes de cette empreinte, qu'un autre nœud ou l'autorité peut avoir gardés"
    " (`--policy DOSSIER`).",
)
_SHORT = 12
_LONG = 50_000


@dataclass(slots=True)
class Again:
    """What came of making decisions again: how many, and where one differs or has lost its law."""

    decisions: int = 0
    differing: int = 0
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Place:
    """A decision that is not made again alike: its finding, and where it stands."""

    kind: Kind
    activity: str
    ledger: str
    at: int
    words: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Watched:
    """What one reading of the traces found that needs no table."""

    decisions: int = 0
    differing: int = 0
    places: list[_Place] = field(default_factory=list)
    rights: list[Finding] = field(default_factory=list)


def read_traces(ledgers: Ledgers) -> Tables:
    """The traces read into tables; nothing is decided again. Raises as `read_again`."""
    tables = Tables(frozenset(ledgers.traces))
    for lines in ledgers.traces.values():
        for line in lines:
            take(tables, line)
    return tables


def read_again(
    ledgers: Ledgers, set_of: Callable[[bytes], PolicySet], period: Period
) -> tuple[Tables, Again]:
    """Every ledger read into tables, every decision of the period made again beside it.

    Raises:
        StorageError, IntegrityError: as `LedgerFolder`; as `Beside`.
    """
    with Beside(partial(_watch, ledgers, set_of, period), apart=long_ledgers(ledgers)) as watching:
        tables = read_traces(ledgers)
        for lines in ledgers.register.values():
            for line in lines:
                tables.place(line)
                tables.kinds[line.entry.WhichOneof("kind") or ""] += 1
                tables.register.append(line)
        watched = watching.result()
    gathering = Gathering(tables)
    for one in watched.places:
        gathering.add(one.kind, one.activity, one, **dict(one.words))
    findings = [*gathering.findings(), *watched.rights]
    return tables, Again(watched.decisions, watched.differing, findings)


def long_ledgers(ledgers: Ledgers) -> bool:
    """So long that a second process saves more than it costs."""
    sizes = (one.size for one in ledgers.traces.values() if isinstance(one, LedgerFolder))
    return sum(sizes) >= _LONG


def _watch(ledgers: Ledgers, set_of: Callable[[bytes], PolicySet], period: Period) -> _Watched:
    watched = _Watched()
    for body, lines in ledgers.traces.items():
        watches = ContestWatch(body), DayWatch(body)
        _Pass(watched, Replayer(set_of), period, watches).read(lines)
        for watch in watches:
            watched.rights += watch.findings(period)
    for lines in ledgers.register.values():
        _Pass(watched, Replayer(set_of), period, ()).read_register(lines)
    return watched


@dataclass(frozen=True, slots=True)
class _Pass:
    """One ledger's reading."""

    watched: _Watched
    replayer: Replayer
    period: Period
    watches: tuple[ContestWatch | DayWatch, ...]

    def read(self, lines: Iterable[Line]) -> None:
        told = []
        contests, days = self.watches
        for line in lines:
            kind = line.entry.WhichOneof("kind")
            contests.see(line, kind)
            days.see(line, kind)
            if kind == "decided" and self.period.holds(line.entry.entry_time_ms):
                self._hold(line, partial(self.replayer.decided, line.entry))
            elif kind == "change_told" and self.period.holds(line.entry.entry_time_ms):
                told.append(line)
        if told:  # rare: their questions are looked for a second time, not kept for all
            self._read_told(lines, told)

    def read_register(self, lines: Iterable[Line]) -> None:
        for line in lines:
            if self.period.holds(line.entry.entry_time_ms):
                for decided in decisions_of(line.entry):
                    one = replace(line, entry=decided)
                    self._hold(one, partial(self.replayer.decided, decided))

    def _read_told(self, lines: Iterable[Line], told: list[Line]) -> None:
        wanted = {line.entry.change_told.statement_hash for line in told}
        found: dict[bytes, entry_pb2.Entry] = {}
        for line in lines:
            if line.entry.WhichOneof("kind") == "decided":
                digest = sha256(line.entry.decided.signed.statement).digest()
                if digest in wanted:
                    found[digest] = line.entry
        for line in told:
            decided = found.get(line.entry.change_told.statement_hash)
            self._hold(line, partial(self.replayer.told, line.entry, decided))

    def _hold(self, line: Line, replay: Callable[[], str]) -> None:
        self.watched.decisions += 1
        try:
            differs = replay()
        except InputError as error:
            if error.reason != _NO_SET:
                raise
            said = getattr(line.entry, line.entry.WhichOneof("kind") or "")
            self._found(_SET_LOST, "", line, set=said.policy_set.hex()[:_SHORT])
            return
        if differs:
            self.watched.differing += 1
            self._found(_DIFFERS, _activity(line), line, differs=differs)

    def _found(self, kind: Kind, activity: str, line: Line, **words: str) -> None:
        said = (("holder", str(line.body)), *words.items())
        self.watched.places.append(_Place(kind, activity, line.ledger, line.index, said))


def _activity(line: Line) -> str:
    raw = line.entry.decided.signed.statement
    return statement_pb2.Statement.FromString(raw).activity if raw else ""
