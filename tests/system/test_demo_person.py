"""A person signs in at a real issuer, reads their accesses at four real nodes, and contests one."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.system.conftest import (
    ROOT,
    Canary,
    Done,
    Federation,
    Made,
    cloison,
    free_ports,
    succeed,
)

from cloison.cli.federation import start, stop
from cloison.cli.places import read_nodes

BODIES = ("caf", "cnav", "dgfip", "msa")


@dataclass(frozen=True, slots=True)
class SignIn:
    """A federation with doors for persons, witnesses, an issuer; and a person known to it."""

    federation: Federation
    issuer: str
    identity: Path

    def person(self, *words: str) -> Done:
        place = self.federation.place
        options = ["--keys", str(place.keys), "--root", str(ROOT)]
        options += ["--addresses", str(place.addresses)]
        if words[0] in {"accesses", "contest"}:
            options += ["--issuer", self.issuer, "--identity", str(self.identity)]
        else:
            options += ["--var", str(place.var)]
        return cloison("person", *words, *options)


def add_doors(federation: Federation) -> None:
    """Tables `http` and `person` in the file of addresses; so ledgers are witnessed."""
    file = federation.place.addresses
    assert file is not None
    ports = iter(free_ports(2 * len(BODIES)))
    text = file.read_text("ascii").replace('quorum = "none"\n', "")
    for table in ("http", "person"):
        text += f"[{table}]\n"
        text += "".join(f'{body} = "127.0.0.1:{next(ports)}"\n' for body in BODIES)
    file.write_text(text, "ascii")


def born(people: Path, canary: Canary) -> str:
    rows = (people / "caf/identities.csv").read_text("utf-8").splitlines()
    head = next(row for row in rows if row.startswith("nir;")).split(";")
    found = next(row.split(";") for row in rows if row.startswith(canary.nir))
    return found[head.index("birth_date")]


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory, made: Made) -> Iterator[SignIn]:
    folder = tmp_path_factory.mktemp("person")
    own = made.copied(folder)
    add_doors(own)
    nodes = read_nodes(own.place)
    identity = folder / "identity.json"
    identity.touch(mode=0o600)
    who = {"nir": own.canary.nir, "birth_date": born(own.people, own.canary)}
    identity.write_text(json.dumps(who), "ascii")
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "cloison.cli", "person", "issuer", "--port", str(port)]
    options = ["--keys", str(own.place.keys), "--people", str(own.people / "caf")]
    start(own.place, nodes, within_seconds=90)
    issuer = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
    try:
        assert issuer.stdout is not None
        assert "ready" in issuer.stdout.readline()
        about = ("--case", own.canary.claim, "--month", "2026-06", "--json")
        keys = ("--keys", str(own.place.keys), "--address", own.node("caf").address)
        succeed(cloison("prefill", "show", *about, *keys))
        yield SignIn(own, f"127.0.0.1:{port}", identity)
    finally:
        issuer.terminate()
        issuer.wait()
        if issuer.stdout:
            issuer.stdout.close()
        stop(nodes)


def accesses(signed: SignIn, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(succeed(signed.person("accesses", "--json", *words)).stdout)
    return found


def test_accesses_shows_one_exchange_once_with_its_places_in_both_ledgers(
    signed: SignIn, tmp_path: Path
) -> None:
    found = accesses(signed, "--out", str(tmp_path / "proofs"))
    assert not found["failed"]
    assert not found["differences"]
    assert [one["body"] for one in found["ledgers"]] == list(BODIES)
    assert any(one["witnessed_entries"] for one in found["ledgers"])
    asked = [
        one
        for one in found["accesses"]
        if one["purpose"] == "prefill" and one["outcome"] == "permitted"
    ]
    both = [one for one in asked if {place["body"] for place in one["places"]} == {"caf", "cnav"}]
    assert both
    assert "2025-1288" in both[0]["article"]
    proof = next((tmp_path / "proofs").glob("cnav-*.tlog-proof"))
    vkey = signed.federation.place.keys / "public/ledgers/cnav.traces.vkey"
    succeed(cloison("ledger", "check", str(proof), "--vkey", str(vkey)))
    assert signed.federation.canary.nir not in json.dumps(found)


def test_accesses_of_who_gives_another_date_of_birth_is_refused(
    signed: SignIn, tmp_path: Path
) -> None:
    other = tmp_path / "other.json"
    other.touch(mode=0o600)
    other.write_text(
        json.dumps({"nir": signed.federation.canary.nir, "birth_date": "1900-01-01"}), "ascii"
    )
    done = SignIn(signed.federation, signed.issuer, other).person("accesses", "--json")
    assert done.returncode == 1
    assert "SIGN_IN_REFUSED" in done.stderr


def test_contest_is_answered_by_the_operator_and_read_by_the_person(signed: SignIn) -> None:
    places = [one for line in accesses(signed)["accesses"] for one in line["places"]]
    place = next(one for one in places if one["body"] == "cnav")
    words = ("contest", "cnav", str(place["leaf_index"]), "--says", "Contestation-canari")
    contested = json.loads(succeed(signed.person(*words, "--json")).stdout)
    (waiting,) = json.loads(succeed(signed.person("contested", "cnav", "--json")).stdout)
    assert waiting["leaf_index"] == contested["leaf_index"]
    answer = ("--outcome", "justified", "--says", "Reponse-canari")
    succeed(signed.person("answer", "cnav", str(waiting["leaf_index"]), *answer))
    said = [one["says"] for one in accesses(signed)["accesses"] if one["says"]]
    assert said == ["Contestation-canari", "Reponse-canari"]
    ledger = signed.federation.node("cnav").folder / "ledger"
    for file in ledger.rglob("*"):
        assert not file.is_file() or b"-canari" not in file.read_bytes()


def test_erase_leaves_the_ledger_whole_and_the_person_unlinked(signed: SignIn) -> None:
    words = ("erase", "dgfip", "--identity", str(signed.identity), "--why", "erasure-ordered")
    succeed(signed.person(*words))
    found = accesses(signed)
    at_dgfip = [
        one["kind"]
        for one in found["accesses"]
        if any(place["body"] == "dgfip" for place in one["places"])
    ]
    assert at_dgfip == ["person_read"]
