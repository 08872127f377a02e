"""`cloison audit verify`: a folder of proofs, checked again by whoever was handed it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cloison.audit.proof_folder import FolderChecked, ProofFolder
from cloison.cli.vkeys import load_vkey
from cloison.errors import InputError
from cloison.french import french_count
from cloison.ledger.note import NoteVerifier
from cloison.ledger.trust_policy import TrustPolicy
from cloison.wire.trust import load_trust_policy

FAILED = 1


def verify(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="An evidence folder, or a person's proofs.")
    ],
    *,
    vkey: Annotated[
        list[Path] | None, typer.Option(help="A ledger's public key; repeatable (default: --keys).")
    ] = None,
    keys: Annotated[Path, typer.Option(help="Folder of the keys.")] = Path("var/keys"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check every proof, head, day's map and sum in a folder, with keys you hold; no ledger needed.

    Keys in the folder itself are only held to yours. Exit 1 where anything does not hold.

    Example: cloison audit verify report/evidence
    """
    given, trust = _keys(vkey or [], keys)
    found = ProofFolder(folder, given, trust).check()
    if as_json:
        wrong = [{"file": name, "why": why} for name, why in found.wrong]
        said = {**asdict(found), "ledgers": sorted(found.ledgers), "wrong": wrong}
        typer.echo(json.dumps(said, ensure_ascii=False))
    else:
        _show(folder, found)
    if found.wrong:
        raise typer.Exit(FAILED)


def _keys(vkeys: list[Path], folder: Path) -> tuple[dict[str, NoteVerifier], TrustPolicy | None]:
    """Those named, without witnesses; or all of a federation, with those that count."""
    paths = vkeys or sorted((folder / "public/ledgers").glob("*.vkey"))
    if not paths:
        raise InputError(
            "NO_KEYS", f"keys `{folder}`: no ledger's public key", "name them: --vkey, or --keys"
        )
    read = [load_vkey(path) for path in paths]
    trust = None if vkeys else load_trust_policy(folder, {})
    return {one.name: one for one in read}, trust


def _show(folder: Path, found: FolderChecked) -> None:
    for name, why in found.wrong:
        typer.echo(f"{name}: {why}", err=True)
    sealed = f" ({french_count(found.sealed)} sealed)" if found.sealed else ""
    checked = (
        f"{french_count(found.proofs)} entries{sealed}",
        f"{french_count(found.heads)} heads, {french_count(found.witnessed)} of them witnessed",
        f"{french_count(found.days)} days' maps",
        f"{french_count(found.sums)} sums",
        f"{len(found.ledgers)} ledgers",
    )
    verdict = f"{len(found.wrong)} do not hold" if found.wrong else "all hold"
    typer.echo(f"{folder}: {' · '.join(checked)}; {verdict}")
