"""`cloison law prove`: what the law promises, proved over every question there can be."""

from dataclasses import asdict
from time import perf_counter

import typer

from cloison.cli.law.shown import FAILED, Json, Root, load, print_json
from cloison.law.prove import Proof, prove


def prove_(root: Root = None, as_json: Json = False) -> None:
    """Proves each promise without sampling; exit 1 with a counterexample where one is broken.

    A counterexample that is a question was put to Cedar, which answers as said.

    Example: cloison law prove
    """
    policy = load(root)
    started = perf_counter()
    proofs = []
    for proof in prove(policy):
        proofs.append(proof)
        if not as_json:
            _show(proof)
    seconds = perf_counter() - started
    broken = sum(bool(proof.failures) for proof in proofs)
    if as_json:
        print_json({"seconds": round(seconds, 2), "proofs": list(map(asdict, proofs))})
    else:
        print(f"{len(proofs) - broken} of {len(proofs)} proved, {seconds:.1f} s")
    if broken:
        raise typer.Exit(FAILED)


def _show(proof: Proof) -> None:
    print(f"{'BROKEN' if proof.failures else 'proved'}  {proof.promise}")
    print(f"  {proof.fr}\n  {proof.en}")
    for failure in proof.failures:
        print(f"    {failure.place}{' (asked of Cedar)' if failure.confirmed else ''}")
        print(f"    {failure.fr}\n    {failure.en}")
