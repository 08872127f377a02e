"""`cloison law coverage`: how many slips in a rule some example sees."""

import typer

from cloison.cli.law.shown import FAILED, Json, Root, load, print_json
from cloison.law.coverage import cover, sort_out
from cloison.law.mutants import Mutant

_WHOLE = 100


def coverage(root: Root = None, as_json: Json = False) -> None:
    """Spoils each rule in every small way and counts the ways no example sees; exit 1 if any.

    Each rule is removed; each condition negated; each bound moved by one; each element of a set
    left out; each condition dropped; each part of the head widened. An example that expects a
    forbid runs beside a planted permit. Of those no example sees, what the schema refuses and what
    is proved to change no outcome is counted apart.

    Example: cloison law coverage
    """
    policy = load(root)
    found = sort_out(policy, cover(policy))
    wanted = found.killed + len(found.survivors)
    score = _WHOLE * found.killed // wanted if wanted else 0
    rows = list(map(_row, found.survivors))
    if as_json:
        counts = {"mutants": found.mutants, "killed": found.killed, "score": score}
        refused, idle = map(_row, found.refused), map(_row, found.idle)
        print_json({**counts, "refused": [*refused], "idle": [*idle], "survivors": rows})
    else:
        for one in found.survivors:
            print(f"{one.rule.path}:{one.rule.line}  {one.rule.id}\n  unseen: {one.what}")
            print(f"  write: {one.wanted}")
        print(f"{found.killed} of {wanted} slips seen by an example: {score} %")
        print(f"  apart: {len(found.refused)} the schema refuses, ", end="")
        print(f"{len(found.idle)} proved to change no outcome (--json lists them)")
    if rows or not found.mutants:
        raise typer.Exit(FAILED)


def _row(mutant: Mutant) -> dict[str, object]:
    rule = mutant.rule
    return {"rule": rule.id, "line": rule.line, "slip": mutant.what, "wanted": mutant.wanted}
