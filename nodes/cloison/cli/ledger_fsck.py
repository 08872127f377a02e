"""`cloison ledger fsck`: a ledger's folder checked in every part, and what to do where it fails."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cloison.audit.fsck import FolderCheck, check_folder
from cloison.cli.console import out
from cloison.cli.vkeys import load_vkey
from cloison.errors import InputError, IntegrityError
from cloison.exchange.index_terms import index_terms
from cloison.french import french_count
from cloison.ledger.index_check import rebuild_index
from cloison.ledger.note import NoteVerifier, parse_note

FAILED = 1
_INDEXED = "traces"


@dataclass(frozen=True, slots=True)
class _Ledger:
    """A folder to check, the key it is held to, and the index it must have or may have."""

    folder: Path
    verifier: NoteVerifier

    @property
    def index(self) -> Path | None:
        """An index stands beside the ledger of questions; a copy may come without."""
        path = self.folder.with_name(f"{self.folder.name}.index.sqlite")
        return path if path.exists() else None


def fsck(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FOLDER]...", help="Ledger folders; by default all under --var."),
    ] = None,
    *,
    keys: Annotated[Path, typer.Option(help="Folder of the keys.")] = Path("var/keys"),
    var: Annotated[Path, typer.Option(help="Folder of the nodes' state.")] = Path("var"),
    vkey: Annotated[
        Path | None, typer.Option(help="The key of the one FOLDER, where --keys has it not.")
    ] = None,
    rebuild: Annotated[
        bool,
        typer.Option("--rebuild-index", help="Make the index again first; its node must be down."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check every file of ledgers: entries, tiles, heads, times, index, heads that witnesses keep.

    Writes nothing without `--rebuild-index`. Exit 1 if something is wrong, 3 if nothing could be
    checked.

    Example: cloison ledger fsck
    """
    ledgers = _ledgers(folders or _default_folders(var), keys, vkey)
    if rebuild:
        for one in ledgers:
            if one.folder.name == _INDEXED:
                path = one.folder.with_name(f"{_INDEXED}.index.sqlite")
                size = rebuild_index(path, one.folder, index_terms)
                typer.echo(f"{path}: made again, {french_count(size)} entries", err=True)
    found = [_check(one, var) for one in ledgers]
    if as_json:
        sound = all(one.sound for one in found)
        listed = [_record(one) for one in found]
        typer.echo(json.dumps({"sound": sound, "ledgers": listed}, ensure_ascii=False, indent=2))
    else:
        for checked in found:
            _show(checked)
    if not all(one.sound for one in found):
        raise typer.Exit(FAILED)


def _default_folders(var: Path) -> list[Path]:
    found = sorted(path.parent for path in var.glob("*/ledger/*/checkpoint"))
    found += [
        path
        for name in ("traces", "register")
        for path in sorted(var.glob(f"*/ledger/{name}"))
        if path not in found
    ]
    if not found:
        raise InputError("NO_LEDGER", f"folder `{var}`: no ledger under it", "name one, or --var")
    return sorted(found)


def _ledgers(folders: list[Path], keys: Path, vkey: Path | None) -> list[_Ledger]:
    if vkey is not None and len(folders) != 1:
        raise InputError("BAD_OPTION", "`--vkey`: is the key of one FOLDER; name one")
    for folder in folders:
        if not folder.is_dir():
            raise InputError("NO_LEDGER", f"folder `{folder}`: not there", "name a ledger's folder")
    return [
        _Ledger(one, load_vkey(vkey) if vkey is not None else _known_key(one, keys))
        for one in folders
    ]


def _known_key(folder: Path, keys: Path) -> NoteVerifier:
    """The key a folder is held to: by its place (`BODY/ledger/LOG`), else by what it says it is.

    By its place first: a ledger laid in another body's place must not pass as its own.
    """
    public = keys / "public" / "ledgers"
    whole = folder.resolve()
    if whole.parent.name == "ledger":
        placed = public / f"{whole.parent.parent.name}.{whole.name}.vkey"
        if placed.exists():
            return load_vkey(placed)
    known = {one.name: one for one in map(load_vkey, sorted(public.glob("*.vkey")))}
    try:
        origin = parse_note((folder / "checkpoint").read_bytes()).text.partition("\n")[0]
    except (OSError, IntegrityError):
        origin = ""
    if origin not in known:
        raise InputError(
            "UNKNOWN_LEDGER",
            f"folder `{folder}`: whose ledger this is, `{keys}` does not say",
            "name its key with `--vkey FILE`, or the folder of the keys with `--keys`",
        )
    return known[origin]


def _check(ledger: _Ledger, var: Path) -> FolderCheck:
    name = sha256(ledger.verifier.name.encode()).hexdigest()
    return check_folder(
        ledger.folder,
        ledger.verifier,
        ledger.index,
        sorted(var.glob(f"*/witness/{name}")),
        sorted(var.glob(f"*/witness/forks/{name}/*")),
        datetime.now(UTC),
    )


def _record(found: FolderCheck) -> dict[str, object]:
    return {
        "folder": str(found.folder),
        "origin": found.origin,
        "entries": found.entries,
        "sound": found.sound,
        "problems": [{**asdict(one), "harmless": one.harmless} for one in found.problems],
        "more_problems": found.more,
    }


def _show(found: FolderCheck) -> None:
    state = Text("sound", "bold green") if found.sound else Text("not sound", "bold red")
    size = "unreadable" if found.entries is None else f"{french_count(found.entries)} entries"
    out().print(Text(f"{found.folder}: {size}: ") + state)
    for problem in found.problems:
        style = "yellow" if problem.harmless else "red"
        out().print(Text("  ") + Text(problem.code, style) + Text(f"  {_plain(problem.what)}"))
        out().print(Text(f"      {problem.todo}"))
    if found.more:
        out().print(Text(f"  and {french_count(found.more)} more"))


def _plain(text: str) -> str:
    """A damaged ledger may hold anything: none of it commands the terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
