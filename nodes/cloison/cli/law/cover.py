"""`cloison law coverage`: how many slips in a rule some example sees."""

import typer

from cloison.cli.law.shown import FAILED, Json, Root, load, print_json
from cloison.law.coverage import cover

_WHOLE = 100


def coverage(root: Root = None, as_json: Json = False) -> None:
    """Spoils each rule in every small way and counts the ways no example sees; exit 1 if any.

    Each rule is removed; each condition negated; each bound moved by one; each element of a set
    left out. An example that expects a forbid runs beside a planted permit.

    Example: cloison law coverage
    """
    found = cover(load(root))
    score = _WHOLE * found.killed // found.mutants if found.mutants else 0
    rows = [
        {"rule": one.rule.id, "line": one.rule.line, "slip": one.what, "wanted": one.wanted}
        for one in found.survivors
    ]
    if as_json:
        counts = {"mutants": found.mutants, "killed": found.killed, "score": score}
        print_json({**counts, "survivors": rows})
    else:
        for one in found.survivors:
            print(f"{one.rule.path}:{one.rule.line}  {one.rule.id}\n  unseen: {one.what}")
            print(f"  write: {one.wanted}")
        print(f"{found.killed} of {found.mutants} slips seen by an example: {score} %")
    if rows or not found.mutants:
        raise typer.Exit(FAILED)
