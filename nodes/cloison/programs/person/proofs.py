"""The files a person keeps: of each entry a `.tlog-proof`, and the days' maps that count them.

Anyone checks them with the ledgers' public keys alone: `cloison ledger check`, or any program that
reads C2SP proofs. They hold entries about the person: private files, in a private folder.
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

from cloison.bodies import BodyId
from cloison.errors import StorageError
from cloison.identity.secrets import write_new
from cloison.ledger.day_map import RowsProof
from cloison.ledger.proof_file import ProofFile
from cloison.programs.person.verify import Access, Day, Traces

_PRIVATE = 0o600


def write_proofs(folder: Path, read: Mapping[BodyId, Traces]) -> int:
    """Writes them into a new folder; how many files.

    `BODY-INDEX.tlog-proof`: one entry each. `BODY-days.json`: for each closed day the proof of its
    `day_closed` entry, and the map's rows at and around the person's key: their count, or that
    there is none.

    Raises:
        StorageError: `OUT_EXISTS`: the folder holds something; `SECRET_WRITE`.
    """
    if folder.exists() and any(folder.iterdir()):
        raise StorageError("OUT_EXISTS", f"folder `{folder}`: not empty", "name a new one")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    count = 0
    for body, traces in read.items():
        for access in traces.accesses:
            write_new(
                folder / f"{body}-{access.index}.tlog-proof", proof_of(access).encode(), _PRIVATE
            )
            count += 1
        days = [_day(traces, day) for day in traces.days]
        write_new(folder / f"{body}-days.json", json.dumps(days, indent=1).encode(), _PRIVATE)
        count += 1
    return count


def proof_of(access: Access) -> ProofFile:
    """An entry's proof; the entry itself beside it."""
    return ProofFile(access.index, access.path, access.checkpoint, access.data)


def _day(traces: Traces, day: Day) -> dict[str, object]:
    return {
        "day": day.day.isoformat(),
        "key": traces.key_of(day.day).hex(),
        "entries": day.count,
        "closed": _text(proof_of(day.closed).encode()),
        "rows": _rows(day.person),
        "entries_about_everyone": day.count_all,
        "rows_about_everyone": _rows(day.everyone),
    }


def _rows(proof: RowsProof) -> dict[str, object]:
    return {
        "first": proof.first,
        "rows": [
            {"row": one.row.encode().hex(), "path": [_text(item) for item in one.path]}
            for one in proof.rows
        ],
    }


def _text(data: bytes) -> str:
    return b64encode(data).decode("ascii")
