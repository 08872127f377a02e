"""`cloison ledger`: what a ledger says, and whether it is whole; offline, no node needed.

Privacy: a line holds the kind, the purpose and the outcome of an entry, never a digest, a trace key
or a pseudonym.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.message import DecodeError
from rich.text import Text

from cloison.cli.console import out, table
from cloison.cli.ledger_fsck import fsck
from cloison.cli.ledger_search import Index, index_command, read_query, search
from cloison.cli.vkeys import load_vkey
from cloison.errors import InputError, IntegrityError
from cloison.exchange.entry_words import entry_words
from cloison.french import french_count
from cloison.ledger.base64_text import print_base64
from cloison.ledger.export import Snapshot
from cloison.ledger.proof_file import parse_proof_file, verify_proof_file
from cloison.ledger.reader import EntryReader, LedgerReader, Verified
from cloison.ledger.search import Query
from cloison.ledger.tree import leaf_hash
from cloison.v1.entry_pb2 import Entry

app = typer.Typer(help="Show and verify ledgers, offline.", no_args_is_help=True)
app.command()(fsck)
app.command("index")(index_command)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN = 50
_STYLES = {"permit": "green", "permit with obligations": "yellow", "deny": "red"}


@dataclass(frozen=True, slots=True)
class EntryLine:
    """One entry as shown; what its kind does not have is empty."""

    index: int
    time: str
    kind: str
    activity: str
    purpose: str
    outcome: str
    reason: str


Directory = Annotated[
    Path, typer.Argument(metavar="DIR", help="A ledger directory, as var/caf/ledger/traces.")
]


@app.command()
def show(
    directory: Directory,
    *,
    first: Annotated[
        int | None, typer.Option(min=0, help="First entry; by default the last ones are shown.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Entries at most.")] = _SHOWN,
    activity: Annotated[str, typer.Option(help="Only of this activity.")] = "",
    purpose: Annotated[str, typer.Option(help="Only for this purpose.")] = "",
    outcome: Annotated[str, typer.Option(help="Only: `permit`, `permit-with-obligations`, …")] = "",
    since: Annotated[str, typer.Option(help="Only from this time on.")] = "",
    until: Annotated[str, typer.Option(help="Only before this time.")] = "",
    trace_key: Annotated[str, typer.Option(help="Only of this person and day, hexadecimal.")] = "",
    index: Index = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one entry a line.")] = False,
) -> None:
    """Show entries: index, time (UTC), kind, activity, purpose, outcome. Verifies nothing.

    What is looked for is found by an index, made from the ledger at the first such question.

    Example: cloison ledger show var/caf/ledger/traces --activity caf-dmde --outcome deny
    """
    query = read_query(activity, purpose, outcome, (since, until), trace_key)
    reader = EntryReader(directory)
    if query != Query():
        if first is not None:
            raise InputError("BAD_QUERY", "--first: a place; with it nothing else is looked for")
        total, found = search(directory, reader, query, count, index)
        lines = (entry_line(one.index, one.entry, *one.shape[1:3]) for one in found)
        shown = len(found)
    else:
        total, start = reader.size, max(0, reader.size - count) if first is None else first
        lines = (entry_line(index, entry) for index, entry in reader.entries(start, count))
        shown = min(count, max(0, reader.size - start))
    if as_json:
        for line in lines:
            typer.echo(json.dumps(asdict(line), ensure_ascii=False))
        return
    _show_table(lines)
    typer.echo(f"{french_count(shown)} of {french_count(total)} entries", err=True)


@app.command()
def verify(
    directory: Directory,
    *,
    vkey: Annotated[Path, typer.Option(help="The ledger's public key, a C2SP verifier key.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check every signature, entry and tile of a ledger against its public key.

    Example: cloison ledger verify var/caf/ledger/traces --vkey caf.traces.vkey
    """
    verified = LedgerReader(directory, load_vkey(vkey)).verify()
    if as_json:
        typer.echo(json.dumps(_summary(verified), ensure_ascii=False))
    else:
        _show_verified(verified)


@app.command()
def export(
    directory: Directory,
    out_folder: Annotated[Path, typer.Option("--out", help="A new folder.")],
    *,
    vkey: Annotated[Path, typer.Option(help="The ledger's public key, a C2SP verifier key.")],
    entries: Annotated[
        bool, typer.Option("--entries", help="Entries too: about people, for who may read them.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Lay a ledger out as a static C2SP folder: head, tiles, and where wanted entries.

    Example: cloison ledger export var/caf/ledger/traces --out caf --vkey caf.traces.vkey
    """
    snapshot = Snapshot(directory, load_vkey(vkey))
    files = snapshot.write(out_folder, entries=entries)
    if as_json:
        typer.echo(json.dumps({"entries": snapshot.head.size, "files": files}))
    else:
        size = french_count(snapshot.head.size)
        typer.echo(f"{out_folder}: {french_count(files)} files of a ledger of {size} entries")


@app.command()
def prove(
    directory: Directory,
    index: Annotated[int, typer.Argument(min=0, metavar="INDEX", help="Which entry, from 0.")],
    *,
    vkey: Annotated[Path, typer.Option(help="The ledger's public key, a C2SP verifier key.")],
    out_file: Annotated[Path, typer.Option("--out", help="The file, a .tlog-proof.")],
    with_entry: Annotated[
        bool, typer.Option("--with-entry", help="The entry itself beside its proof.")
    ] = False,
) -> None:
    """Write the proof that one entry stands in a ledger, under its newest witnessed head.

    Example: cloison ledger prove var/caf/ledger/traces 20 --vkey caf.vkey --out 20.tlog-proof
    """
    proof = Snapshot(directory, load_vkey(vkey)).prove(index, with_entry=with_entry)
    out_file.write_bytes(proof.encode())
    out_file.chmod(0o600)
    typer.echo(f"{out_file}: entry {french_count(index)}, {len(proof.path)} hashes")


@app.command()
def prune(
    body: Annotated[str, typer.Argument(help="A body whose node is stopped.")],
    *,
    before: Annotated[str, typer.Option(help="No entry of an earlier day is kept, YYYY-MM-DD.")],
    keys: Annotated[Path, typer.Option(help="Folder of the keys.")] = Path("var/keys"),
    var: Annotated[Path, typer.Option(help="Folder of the nodes' state.")] = Path("var"),
    root: Annotated[Path | None, typer.Option(help="Folder of policy/ and nodes/.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Remove the oldest traces, which the law no longer has kept; certified in `register`.

    A running node does this once a day. The tree, its heads and the proofs of the rest stay.

    Example: cloison ledger prune caf --before 2023-11-01
    """
    # Imported here: to read a ledger nobody waits for what runs a node.
    from cloison.cli.pruning import prune_traces  # noqa: PLC0415 - see above

    pruned = prune_traces(body, before, keys, var, root)
    removed, first = (0, 0) if pruned is None else (pruned.removed, pruned.first_index)
    if as_json:
        typer.echo(json.dumps({"removed": removed, "first_kept": first}))
    elif pruned is None:
        typer.echo(f"{body}: nothing to remove: no whole bundle of 256 entries is as old")
    else:
        typer.echo(f"{body}: {french_count(removed)} entries removed; the first kept is {first}")


@app.command()
def check(
    proof_file: Annotated[
        Path, typer.Argument(metavar="FILE", help="As `ledger prove` writes it.")
    ],
    *,
    vkey: Annotated[Path, typer.Option(help="The ledger's public key, a C2SP verifier key.")],
    entry: Annotated[
        Path | None, typer.Option(help="The entry's bytes, where the file does not hold them.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check one entry's proof with nothing but the ledger's public key.

    Example: cloison ledger check 20.tlog-proof --vkey caf.traces.vkey
    """
    try:
        proof = parse_proof_file(proof_file.read_bytes())
        data = proof.extra if entry is None else entry.read_bytes()
    except OSError as error:
        raise InputError("NO_FILE", f"file `{error.filename}`: {error.strerror}") from error
    if not data:
        raise InputError("NO_ENTRY", f"file `{proof_file}`: holds no entry", "name it with --entry")
    head = verify_proof_file(proof, leaf_hash(data), load_vkey(vkey))
    if as_json:
        found = {"index": proof.index, "origin": head.origin, "entries": head.size}
        typer.echo(json.dumps({**found, "entry": asdict(entry_line(proof.index, data))}))
        return
    _show_table(iter([entry_line(proof.index, data)]))
    typer.echo(f"stands in `{head.origin}` of {french_count(head.size)} entries", err=True)


def entry_line(index: int, data: bytes, activity: str = "", purpose: str = "") -> EntryLine:
    """What may be shown of an entry; activity and purpose are for one that does not say them.

    Raises:
        IntegrityError: `BAD_ENTRY`: not an entry.
    """
    try:
        entry = Entry.FromString(data)
        words = entry_words(entry)
        time = _EPOCH + timedelta(milliseconds=entry.entry_time_ms)
    except (DecodeError, OverflowError) as error:
        raise IntegrityError("BAD_ENTRY", f"entry {index}: not an entry of this format") from error
    stamp = time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return EntryLine(
        index,
        stamp,
        words.kind,
        words.activity or activity,
        words.purpose or purpose,
        words.outcome,
        words.reason,
    )


def _show_table(lines: Iterator[EntryLine]) -> None:
    names = ("index", "time", "kind", "activity", "purpose", "outcome", "reason")
    rows = table(*names, right=("index",))
    rows.columns[1].no_wrap = True
    for line in lines:
        time = line.time[: len("YYYY-MM-DDTHH:MM:SS")].replace("T", " ")
        said = (line.kind, line.activity, line.purpose, line.outcome, line.reason)
        rows.add_row(*map(_plain, (str(line.index), time, *said)), style=_STYLES.get(line.outcome))
    out().print(rows)


def _plain(text: str) -> Text:
    """Text from a peer, which can neither style the table nor command the terminal."""
    return Text("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))


def _summary(verified: Verified) -> dict[str, str | int]:
    head = verified.checkpoint
    return {
        "origin": head.origin,
        "entries": head.size,
        "first_kept": verified.minimum,
        "root": print_base64(head.root),
        "tiles": verified.tiles,
        "bundles": verified.bundles,
        "heads": verified.heads,
        "torn_bytes": verified.torn_bytes,
    }


def _show_verified(verified: Verified) -> None:
    rows = table("", "", title="[bold green]verified[/]")
    rows.show_header = False
    for name, value in _summary(verified).items():
        rows.add_row(
            name.replace("_", " "), french_count(value) if isinstance(value, int) else value
        )
    out().print(rows)
