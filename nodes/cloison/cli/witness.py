"""`cloison witness`: cosign the ledgers of others, and see who saw which head."""

import asyncio
import json
import logging
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from typing import Annotated

import typer

from cloison.bodies import BodyId, parse_body
from cloison.cli.console import out, table
from cloison.cli.places import Place, read_published, read_quorum
from cloison.cli.root import find_root
from cloison.cli.witnessed import fetch
from cloison.errors import CloisonError, InputError
from cloison.french import french_count
from cloison.ledger.checkpoint import Checkpoint, verify_checkpoint
from cloison.ledger.note import NoteVerifier, parse_note
from cloison.ledger.trust_policy import TrustPolicy, Witness
from cloison.wire.node import Clock, system_clock
from cloison.wire.publishing import publish
from cloison.wire.settings import open_witness
from cloison.wire.trust import AUDITED, PEERS, load_trust_policy, print_trust_policy

app = typer.Typer(
    no_args_is_help=True, help="Cosign the ledgers of others, and see who saw which head."
)

FAILED = 1
ITSELF = "it shows"
"""In a witness's place: what the ledger itself publishes."""
_FOLLOWS_SECONDS = 2.0

Keys = Annotated[Path, typer.Option(help="Folder of the keys.")]
Var = Annotated[Path, typer.Option(help="Folder of the nodes' state.")]
Root = Annotated[Path | None, typer.Option(help="Folder that holds policy/ and nodes/.")]
Addresses = Annotated[Path | None, typer.Option(help='TOML file, [http] BODY = "host:port".')]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True, slots=True)
class Sight:
    """What one witness last saw of one ledger.

    Attributes:
        entries: Of the head; None where it saw none, or does not answer.
        seconds: How long ago.
        root: Hexadecimal, of the head.
        said: What is wrong, empty where nothing is.
    """

    ledger: str
    witness: str
    entries: int | None = None
    seconds: int | None = None
    root: str = ""
    said: str = ""


@app.command()
def run(
    body: Annotated[str, typer.Argument(help="Whose witness: `cnil`. A node is one already.")],
    *,
    keys: Keys = Path("var/keys"),
    var: Var = Path("var"),
    root: Root = None,
    addresses: Addresses = None,
) -> None:
    """Run an overseer's witness until it is told to stop: it cosigns every ledger's heads.

    Example: cloison witness run cnil
    """
    published = read_published(Place(find_root(root), keys, var, addresses))
    own = parse_body(body)
    if own not in published:
        known = ", ".join(published)
        raise InputError("BAD_BODY", f"body `{body}`: publishes nowhere", f"known: {known}")
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    asyncio.run(_serve(own, keys, var / own, published[own], system_clock))


async def _serve(body: BodyId, keys: Path, state: Path, address: str, clock: Clock) -> None:
    witness = open_witness(body, keys, state, clock)
    try:
        runner = await publish(address, {}, witness)
        try:
            print(f"{body}: witness on {address}", flush=True)
            stop = asyncio.Event()
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
            await stop.wait()
        finally:
            await runner.cleanup()
    finally:
        witness.close()


@app.command()
def policy(
    *,
    keys: Keys = Path("var/keys"),
    var: Var = Path("var"),
    root: Root = None,
    addresses: Addresses = None,
) -> None:
    """Print the trust policy, as c2sp.org/tlog-policy has it: ledgers, witnesses, quorum.

    Example: cloison witness policy
    """
    place = Place(find_root(root), keys, var, addresses)
    policy_text = print_trust_policy(keys / "public", read_published(place), read_quorum(place))
    typer.echo(policy_text, nl=False)


@app.command()
def status(
    *,
    keys: Keys = Path("var/keys"),
    var: Var = Path("var"),
    root: Root = None,
    addresses: Addresses = None,
    as_json: Json = False,
) -> None:
    """Ask every witness which head it last saw of each ledger, and verify what it answers.

    Exit 1 if two saw different heads of one size, or a ledger lacks the cosignatures it needs.

    Example: cloison witness status
    """
    place = Place(find_root(root), keys, var, addresses)
    trust = load_trust_policy(keys, read_published(place), read_quorum(place))
    sights = look(trust)
    wrong = list(findings(trust, sights))
    if as_json:
        found = {"seen": [asdict(one) for one in sights], "findings": wrong}
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        _show(trust, sights, wrong)
    if wrong:
        raise typer.Exit(FAILED)


def look(trust: TrustPolicy) -> list[Sight]:
    """What every witness saw of every ledger, and what each ledger shows."""
    sights = list(_sights(trust))
    if any(_went_back(sights)):  # perhaps it grew while we looked: what it shows follows
        time.sleep(_FOLLOWS_SECONDS)
        newest = {verifier.name: _own_sight(verifier, url) for verifier, url in trust.logs.values()}
        sights = [newest[one.ledger] if one.witness == ITSELF else one for one in sights]
    return sights


def _sights(trust: TrustPolicy) -> Iterator[Sight]:
    """What every witness saw of every ledger, then what the ledger itself shows."""
    now = int(datetime.now(UTC).timestamp())
    for verifier, url in trust.logs.values():
        for witness in trust.witnesses.values():
            if not verifier.name.startswith(f"{witness.name}."):
                yield _sight(verifier, witness, now)
        yield _own_sight(verifier, url)


def findings(trust: TrustPolicy, sights: Sequence[Sight]) -> Iterator[str]:
    """What is wrong among what was seen, a sentence each."""
    for one in sights:
        if one.said:
            yield f"{one.ledger}: {one.witness}: {one.said}"
    yield from _forks(sights)
    yield from _went_back(sights)
    for ledger in trust.logs:
        saw = {one.witness for one in sights if one.ledger == ledger and one.entries is not None}
        for group in (PEERS, AUDITED):
            if group in trust.groups and not trust.met(saw.__contains__, group):
                yield f"{ledger}: lacks the cosignatures of `{group}`"


def _forks(sights: Sequence[Sight]) -> Iterator[str]:
    seen: dict[tuple[str, int], dict[str, str]] = {}
    for one in sights:
        if one.entries is not None:
            seen.setdefault((one.ledger, one.entries), {}).setdefault(one.root, one.witness)
    for (ledger, size), roots in seen.items():
        if len(roots) > 1:
            who = " and ".join(roots.values())
            yield f"{ledger}: forked: {who} saw two heads of {french_count(size)} entries"


def _went_back(sights: Sequence[Sight]) -> Iterator[str]:
    shows = {one.ledger: one.entries for one in sights if one.witness == ITSELF}
    for one in sights:
        size = shows.get(one.ledger)
        if size is not None and one.entries is not None and one.entries > size:
            yield (
                f"{one.ledger}: went back: {one.witness} saw {french_count(one.entries)} entries,"
                f" it shows {french_count(size)}"
            )


def _own_sight(verifier: NoteVerifier, url: str) -> Sight:
    try:
        note = fetch(f"{url}/checkpoint")
        head = None if note is None else verify_checkpoint(note, verifier)
    except (OSError, HTTPException):
        return Sight(verifier.name, ITSELF, said="does not answer")
    except CloisonError as error:
        return Sight(verifier.name, ITSELF, said=error.message)
    if head is None:
        return Sight(verifier.name, ITSELF, said="shows no head")
    return Sight(verifier.name, ITSELF, head.size, None, head.root.hex())


def _sight(verifier: NoteVerifier, witness: Witness, now: int) -> Sight:
    name = sha256(verifier.name.encode()).hexdigest()
    try:
        note = fetch(f"{witness.url}/{name}/checkpoint")
    except (OSError, HTTPException):
        return Sight(verifier.name, witness.name, said="does not answer")
    if note is None:
        return Sight(verifier.name, witness.name, said="saw no head yet")
    try:
        head = verify_checkpoint(note, verifier)
        seen = witness.verifier.seen(parse_note(note))
    except CloisonError as error:
        return Sight(verifier.name, witness.name, said=error.message)
    if seen is None:
        return Sight(verifier.name, witness.name, said="shows a head it did not cosign")
    return _seen(verifier, witness, head, now - seen)


def _seen(verifier: NoteVerifier, witness: Witness, head: Checkpoint, seconds: int) -> Sight:
    return Sight(verifier.name, witness.name, head.size, seconds, head.root.hex())


def _show(trust: TrustPolicy, sights: Sequence[Sight], wrong: Sequence[str]) -> None:
    names = (ITSELF, *trust.witnesses)
    shown = table("entries of", *names, right=names)
    for ledger in trust.logs:
        row = {one.witness: one.entries for one in sights if one.ledger == ledger}
        cells = (row.get(name) for name in names)
        shown.add_row(ledger, *("–" if size is None else french_count(size) for size in cells))
    out().print(shown)
    oldest = max((one.seconds for one in sights if one.seconds is not None), default=0)
    typer.echo(f"the oldest cosignature is {french_count(oldest)} s old", err=True)
    for sentence in wrong:
        typer.echo(sentence, err=True)
