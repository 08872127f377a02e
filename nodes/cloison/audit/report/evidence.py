"""The evidence pack: each entry a finding names, its proof, and what it takes to check them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from cloison.audit.findings import Finding
from cloison.audit.report.report import PROVED_FINDINGS, proof_stem
from cloison.errors import InputError
from cloison.ledger.export import Snapshot

_PACK = "pack"


@dataclass(frozen=True, slots=True)
class Provable:
    """A ledger whose entries can be proved.

    Attributes:
        snapshot: Under its newest head.
        witnessed: The newest head that enough witnesses saw; None where there is none.
        vkey: Its key, as text.
    """

    snapshot: Snapshot
    witnessed: bytes | None
    vkey: str


def evidence_files(
    findings: Sequence[Finding], ledgers: Mapping[str, Provable], trust_policy: str
) -> Iterator[tuple[str, bytes]]:
    """Path under the pack and bytes of each file, each path once.

    An entry is proved under the newest witnessed head where that covers it, else under the newest
    signed one.

    Args:
        findings: Those of the report; of the first `PROVED_FINDINGS` every entry named is proved.
        ledgers: By origin.
        trust_policy: The C2SP policy file.

    Raises:
        InputError: `UNKNOWN_LEDGER`: a finding names one that was not read.
        IntegrityError: `BAD_ROOT`: the witnessed head is not of these entries.
    """
    folder = files("cloison.audit.report").joinpath(_PACK)
    yield "VERIFIER.md", folder.joinpath("VERIFIER.md").read_bytes()
    yield "check.go", folder.joinpath("check.go.txt").read_bytes()
    yield "trust-policy.txt", trust_policy.encode()
    wanted: dict[str, dict[int, str]] = {origin: {} for origin in ledgers}
    for finding in findings[:PROVED_FINDINGS]:
        for one in finding.evidence:
            if one.note:  # it proves itself, of a ledger that does not hold together too
                yield f"{proof_stem(one)}.heads", one.note.encode()
            elif one.ledger not in wanted:
                raise InputError("UNKNOWN_LEDGER", f"evidence: ledger `{one.ledger}` was not read")
            else:
                wanted[one.ledger][one.index] = proof_stem(one)
    for origin, places in wanted.items():
        yield from _of_ledger(origin, ledgers[origin], places)


def _of_ledger(
    origin: str, ledger: Provable, places: Mapping[int, str]
) -> Iterator[tuple[str, bytes]]:
    snapshot = ledger.snapshot
    folder = f"{origin.partition('.')[0]}.{origin.partition('/')[2]}"
    yield f"{folder}/vkey", f"{ledger.vkey}\n".encode()
    yield f"{folder}/checkpoint", ledger.witnessed or snapshot.note
    for index in sorted(places):
        proof = snapshot.prove(index, with_entry=False, under=ledger.witnessed)
        yield f"{places[index]}.entry", snapshot.entry(index)
        yield f"{places[index]}.tlog-proof", proof.encode()
