"""A folder of proofs checked again, with nothing but public keys one holds already.

Of an evidence pack, and of what a person took home: every `.tlog-proof` with its entry, every head,
every day's map held to the entries that are there, every sum. What the folder says of keys is held
to those given, never believed.
"""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import file_digest
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from cloison.audit.gathering import printable
from cloison.errors import InputError, IntegrityError
from cloison.exchange.entries import parse_entry
from cloison.exchange.traced import traced_keys
from cloison.ledger.checkpoint import Checkpoint, parse_checkpoint_text, verify_checkpoint
from cloison.ledger.day_map import ProvedRow, RowsProof, hash_indexes, parse_row, verify_key
from cloison.ledger.files import guard_reads
from cloison.ledger.note import NoteVerifier, parse_note
from cloison.ledger.proof_file import ProofFile, parse_proof_file, verify_proof_file
from cloison.ledger.tree import leaf_hash
from cloison.ledger.trust_policy import TrustPolicy
from cloison.v1 import entry_pb2
from cloison.wire.trust import AUDITED

_SUMS = "SHA256SUMS"
_HEADS = ("checkpoint", "*.heads")


@dataclass(slots=True)
class FolderChecked:
    """What was checked of a folder.

    Attributes:
        proofs: Entries proved to stand in their ledger; `sealed` of them without their content.
        heads: Signed heads; `witnessed`: those that the trust policy counts as audited.
        days: Maps that hold exactly the entries that are there.
        sums: Files whose sum is the one listed.
        ledgers: Origins.
        wrong: File, and what is wrong with it.
    """

    proofs: int = 0
    sealed: int = 0
    heads: int = 0
    witnessed: int = 0
    days: int = 0
    sums: int = 0
    ledgers: set[str] = field(default_factory=set)
    wrong: list[tuple[str, str]] = field(default_factory=list)


class ProofFolder:
    """Checks a folder.

    Args:
        folder: As `audit report` writes its evidence, or `person accesses` its proofs.
        keys: Of each ledger, by origin.
        trust: Which witnesses count; None: none is asked about.
    """

    def __init__(
        self, folder: Path, keys: Mapping[str, NoteVerifier], trust: TrustPolicy | None
    ) -> None:
        self._folder = folder
        self._keys = keys
        self._trust = trust
        self._found = FolderChecked()
        self._proved: dict[tuple[str, int], entry_pb2.Entry] = {}
        self._bare: list[tuple[Path, ProofFile]] = []
        self._seen: set[bytes] = set()

    def check(self) -> FolderChecked:
        """Everything in it; what does not hold is listed, and the rest checked all the same.

        Raises:
            InputError: `NO_PROOFS`: there is none.
            StorageError: `LEDGER_READ`.
        """
        proofs = sorted(self._folder.rglob("*.tlog-proof"))
        heads = sorted(path for name in _HEADS for path in self._folder.rglob(name))
        days = sorted(self._folder.rglob("*-days.json"))
        if not [*proofs, *heads, *days]:
            raise InputError(
                "NO_PROOFS", f"folder `{self._folder}`: no proof in it", "name an evidence folder"
            )
        for path in sorted(self._folder.rglob("vkey")):
            self._guarded(path, self._key)
        for path in proofs:
            self._guarded(path, self._proof)
        for path, proof in self._bare:
            self._guarded(path, partial(self._sealed, proof))
        for path in heads:
            self._guarded(path, self._head_file)
        for path in days:
            self._guarded(path, self._day_file)
        sums = self._folder / _SUMS
        if sums.exists():
            self._guarded(sums, self._sum_file)
        return self._found

    def _guarded(self, path: Path, check: Callable[[Path, bytes], None]) -> None:
        with guard_reads(f"`{path}`"):
            data = path.read_bytes()
        try:
            check(path, data)
        except (InputError, IntegrityError) as error:
            self._wrong(str(path.relative_to(self._folder)), f"{error.message} [{error.reason}]")

    def _wrong(self, name: str, why: str) -> None:
        """What a folder calls its files is another's word."""
        self._found.wrong.append((printable(name), printable(why)))

    def _key(self, _path: Path, data: bytes) -> None:
        """A key beside its proofs is not believed: it must be the one that was given."""
        told = NoteVerifier.parse(data.decode("utf-8", "replace").strip())
        if self._known(told.name).vkey != told.vkey:
            raise IntegrityError(
                "BAD_VKEY", f"ledger `{told.name}`: another key than the one given"
            )

    def _known(self, origin: str) -> NoteVerifier:
        if origin not in self._keys:
            raise InputError("UNKNOWN_LEDGER", f"ledger `{origin}`: its key was not given")
        return self._keys[origin]

    def _head_file(self, _path: Path, data: bytes) -> None:
        self._head(data)

    def _head(self, note: bytes) -> Checkpoint:
        origin = parse_checkpoint_text(parse_note(note).text).origin
        head = verify_checkpoint(note, self._known(origin))
        if note not in self._seen:
            self._seen.add(note)
            self._found.heads += 1
            self._found.ledgers.add(origin)
            self._found.witnessed += self._audited(note)
        return head

    def _audited(self, note: bytes) -> bool:
        if self._trust is None or AUDITED not in self._trust.groups:
            return False
        parsed, witnesses = parse_note(note), self._trust.witnesses
        return self._trust.met(
            lambda name: witnesses[name].verifier.seen(parsed) is not None, AUDITED
        )

    def _proof(self, path: Path, data: bytes) -> None:
        proof = parse_proof_file(data)
        beside = path.with_suffix(".entry")
        with guard_reads(f"`{beside}`"):
            raw = beside.read_bytes() if beside.exists() else proof.extra
        if not raw:
            self._bare.append((path, proof))
            return
        self._hold(path, proof, raw)

    def _hold(self, path: Path, proof: ProofFile, raw: bytes) -> None:
        head = self._head(proof.checkpoint)
        verify_proof_file(proof, leaf_hash(raw), self._known(head.origin))
        entry = parse_entry(raw)
        named = path.stem.rpartition("-")[2]
        if named.isdecimal() and int(named) != proof.index:
            raise IntegrityError("BAD_PROOF", f"proof: of entry {proof.index}, as its file is not")
        self._found.proofs += 1
        self._proved[head.origin, proof.index] = entry

    def _sealed(self, proof: ProofFile, _path: Path, _data: bytes) -> None:
        """An entry that is not there: the entry that seals it says its hash."""
        head = self._head(proof.checkpoint)
        for (origin, _), one in list(self._proved.items()):
            sealed = one.entry_sealed.leaf_hash
            if sealed and origin == head.origin:
                try:
                    verify_proof_file(proof, sealed, self._known(origin))
                except IntegrityError:
                    continue
                self._found.proofs += 1
                self._found.sealed += 1
                self._proved[origin, proof.index] = entry_pb2.Entry()
                return
        raise InputError("NO_ENTRY", f"entry {proof.index}: neither it nor what seals it is here")

    def _day_file(self, _path: Path, data: bytes) -> None:
        try:
            days: list[dict[str, Any]] = json.loads(data)
            for day in days:
                self._day(day)
        except (KeyError, RecursionError, TypeError, ValueError, DecodeError) as error:
            raise IntegrityError("BAD_DAY_MAP", "days: not as they are written") from error

    def _day(self, day: Mapping[str, Any]) -> None:
        proof = parse_proof_file(b64decode(day["closed"], validate=True))
        head = self._head(proof.checkpoint)
        verify_proof_file(proof, leaf_hash(proof.extra), self._known(head.origin))
        closed = parse_entry(proof.extra).day_closed
        key, counted = bytes.fromhex(day["key"]), day["entries"]
        row = verify_key(_rows(day["rows"]), key, closed.map_rows, closed.map_root)
        shown = [
            index
            for (origin, index), one in sorted(self._proved.items())
            if origin == head.origin
            and closed.first_index <= index < closed.end_index
            and (not one.version or key in traced_keys(one))
        ]
        same = hash_indexes(shown) == row.indexes_hash if row else not shown
        if closed.day != day["day"] or counted != len(shown) or not same:
            raise IntegrityError(
                "BAD_DAY_MAP",
                f"day {closed.day}: {len(shown)} entries here where {row.count if row else 0}"
                " are counted",
            )
        self._found.days += 1

    def _sum_file(self, _path: Path, data: bytes) -> None:
        for line in data.decode("utf-8", "replace").splitlines():
            digest, _, name = line.partition("  ")
            if self._sum(name) != digest:
                self._wrong(name, "not the file whose sum is listed [BAD_SUM]")
            else:
                self._found.sums += 1

    def _sum(self, name: str) -> str:
        """Of a file of the report, and of no other of this machine; empty where it is none."""
        whole = self._folder.resolve().parent
        path = (whole / name).resolve()
        if not path.is_relative_to(whole) or not path.is_file():
            return ""
        with guard_reads(f"`{path}`"), path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()


def _rows(said: Mapping[str, Any]) -> RowsProof:
    def proved() -> Iterator[ProvedRow]:
        for one in said["rows"]:
            path = tuple(b64decode(item, validate=True) for item in one["path"])
            yield ProvedRow(parse_row(bytes.fromhex(one["row"])), path)

    return RowsProof(said["first"], tuple(proved()))
