"""Ledgers held to their keys, and to the heads that witnesses saw."""

import time

from rich.markup import escape

from cloison.cli.console import table
from cloison.cli.places import read_nodes, read_published
from cloison.cli.vkeys import load_vkey
from cloison.cli.witness import findings, look
from cloison.errors import IntegrityError
from cloison.french import french_count
from cloison.ledger.reader import LedgerReader
from cloison.wire.trust import load_trust_policy
from demo_steps.stage import Demo

WITNESS_SECONDS = 10.0
LEDGERS = ("traces", "register")


def verify_ledgers(demo: Demo) -> dict[str, dict[str, object]]:
    """Every ledger of every node, from its files and its public key alone."""
    shown = table("body", "ledger", "entries", "tiles", "heads", "", right=("entries", "tiles"))
    found: dict[str, dict[str, object]] = {}
    for node in read_nodes(demo.place):
        sizes: dict[str, int] = {}
        for name in LEDGERS:
            vkey = load_vkey(demo.place.keys / f"public/ledgers/{node.body}.{name}.vkey")
            try:
                verified = LedgerReader(node.folder / "ledger" / name, vkey).verify()
            except IntegrityError as error:
                shown.add_row(node.body, name, "", "", "", f"[red]{escape(error.message)}[/]")
                continue
            sizes[name] = verified.checkpoint.size
            numbers = (verified.checkpoint.size, verified.tiles, verified.heads)
            shown.add_row(node.body, name, *map(french_count, numbers), "[green]verified[/]")
        found[node.body] = {
            "entries": sizes.get("traces", 0),
            "verified": set(sizes) == set(LEDGERS),
        }
    demo.console.print(shown)
    return found


def check_witnesses(demo: Demo) -> list[str]:
    """What is wrong among the heads that witnesses saw; nothing where nobody publishes."""
    published = read_published(demo.place)
    if not published:
        demo.say("nothing is published over HTTP here: no witness")
        return []
    trust = load_trust_policy(demo.place.keys, published)
    deadline = time.monotonic() + WITNESS_SECONDS
    while wrong := list(findings(trust, look(trust))):
        if time.monotonic() > deadline:
            break
        time.sleep(1)
    names = ", ".join(trust.witnesses)
    demo.say("\n".join(wrong) or f"each ledger's head was cosigned by the others of {names}")
    return wrong
