"""Replay: the ledgers read once into tables, every decision of the period made again on the way."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256

from cloison.audit.contested import ContestWatch
from cloison.audit.day_maps import DayWatch
from cloison.audit.findings import Finding, Severity
from cloison.audit.gathering import ACCOUNTABILITY, Gathering, Kind
from cloison.audit.lines import Ledgers, Line
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


@dataclass(slots=True)
class Again:
    """What came of making decisions again: how many, and where one differs or has lost its law."""

    decisions: int = 0
    differing: int = 0
    findings: list[Finding] = field(default_factory=list)


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
    """Every ledger read into tables, every decision of the period made again on the way.

    Raises:
        StorageError, IntegrityError: as `LedgerFolder`.
    """
    tables, again = Tables(frozenset(ledgers.traces)), Again()
    gathering = Gathering(tables)
    rights: list[Finding] = []
    for body, lines in ledgers.traces.items():
        watches = ContestWatch(body), DayWatch(body)
        _Pass(tables, again, gathering, Replayer(set_of), period, watches).read(lines)
        for watch in watches:
            rights += watch.findings(period)
    for lines in ledgers.register.values():
        _Pass(tables, again, gathering, Replayer(set_of), period, ()).read_register(lines)
    again.findings = [*gathering.findings(), *rights]
    return tables, again


@dataclass(frozen=True, slots=True)
class _Pass:
    """One ledger's reading."""

    tables: Tables
    again: Again
    gathering: Gathering
    replayer: Replayer
    period: Period
    watches: tuple[ContestWatch | DayWatch, ...]

    def read(self, lines: Iterable[Line]) -> None:
        told = []
        for line in lines:
            take(self.tables, line)
            for watch in self.watches:
                watch.see(line)
            if self.period.holds(line.entry.entry_time_ms):
                kind = line.entry.WhichOneof("kind")
                if kind == "decided":
                    self._hold(line, partial(self.replayer.decided, line.entry))
                elif kind == "change_told":
                    told.append(line)
        if told:  # rare: their questions are looked for a second time, not kept for all
            self._read_told(lines, told)

    def read_register(self, lines: Iterable[Line]) -> None:
        for line in lines:
            self.tables.place(line)
            self.tables.kinds[line.entry.WhichOneof("kind") or ""] += 1
            self.tables.register.append(line)
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
        self.again.decisions += 1
        try:
            differs = replay()
        except InputError as error:
            if error.reason != _NO_SET:
                raise
            said = getattr(line.entry, line.entry.WhichOneof("kind") or "")
            name = said.policy_set.hex()[:_SHORT]
            self.gathering.add(_SET_LOST, "", line, holder=line.body, set=name)
            return
        if differs:
            self.again.differing += 1
            words = {"holder": line.body, "differs": differs}
            self.gathering.add(_DIFFERS, _activity(line), line, **words)


def _activity(line: Line) -> str:
    raw = line.entry.decided.signed.statement
    return statement_pb2.Statement.FromString(raw).activity if raw else ""
