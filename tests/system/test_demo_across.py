"""A table across real nodes: of two holders, then of one while the other is down."""

import json
from pathlib import Path
from typing import Any

from tests.system.conftest import Done, Federation, cloison, succeed

from cloison.cli.federation import start, stop

TABLE = ("beneficiaries", "--period", "2026-04")


def stats(federation: Federation, *words: str) -> Done:
    addresses = federation.place.var / "addresses.toml"
    addresses.write_text(
        "".join(f'{node.body} = "{node.address}"\n' for node in federation.nodes), "utf-8"
    )
    keys = ("--keys", str(federation.place.keys))
    where = () if words[0] == "verify" else ("--addresses", str(addresses))
    return cloison("stats", *words, *keys, *where, "--json")


def told(done: Done) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(succeed(done).stdout)
    return found


def spent(federation: Federation, holder: str) -> str:
    budgets = told(stats(federation, "budget", "--holder", holder))["budgets"]
    named = f"{holder}-beneficiaries", 2026
    (found,) = (one for one in budgets if (one["population"], one["year"]) == named)
    return str(found["spent_epsilon"])


def test_table_of_two_holders_is_published_verified_free_again_refused_and_had_without_one(
    federation: Federation, tmp_path: Path
) -> None:
    publish = ("publish", *TABLE, "--epsilon", "1", "--to", str(tmp_path))
    first, second = told(stats(federation, *publish)), told(stats(federation, *publish))
    assert (first["free"], second["free"]) == (False, True)
    file = next(name for name in first["files"] if name.endswith(".json"))
    proof = told(stats(federation, "verify", file))
    assert [proof["holder"], *(one["holder"] for one in proof["also"])] == ["caf", "msa"]
    assert [spent(federation, holder) for holder in ("caf", "msa")] == ["1", "1"]

    dear = stats(federation, "publish", *TABLE, "--epsilon", "4", "--to", str(tmp_path))
    assert dear.returncode == 2
    assert "[BUDGET_EXCEEDED]" in dear.stderr
    page = next(name for name in first["files"] if name.endswith(".html"))
    assert "Registre de msa" in Path(page).read_text("utf-8")

    msa = federation.node("msa")
    stop([msa])
    try:
        missing = stats(federation, "publish", *TABLE, "--epsilon", "1/2", "--to", str(tmp_path))
        alone = ("--epsilon", "1/2", "--without", "msa", "--to", str(tmp_path / "alone"))
        without = stats(federation, "publish", *TABLE, *alone)
    finally:
        start(federation.place, [msa], within_seconds=60)
    assert missing.returncode == 1
    assert "[HOLDER_MISSING]" in missing.stderr
    assert told(without)["free"] is False
    assert [spent(federation, holder) for holder in ("caf", "msa")] == ["3/2", "1"]


def test_table_of_rows_of_two_bodies_is_joined_by_a_third_and_free_again(
    federation: Federation, tmp_path: Path
) -> None:
    words = ("rsa-income", "--period", "2026-04", "--epsilon", "1", "--to", str(tmp_path))
    first, second = (told(stats(federation, "publish", *words)) for _ in range(2))
    assert (first["free"], second["free"]) == (False, True)
    file = next(name for name in first["files"] if name.endswith(".json"))
    assert told(stats(federation, "verify", file))["holder"] == "dgfip"
    budgets = told(stats(federation, "budget", "--holder", "dgfip"))["budgets"]
    assert [(one["population"], one["spent_epsilon"]) for one in budgets] == [
        ("rsa-recipients", "1")
    ]
