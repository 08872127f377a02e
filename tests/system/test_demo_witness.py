"""Heads witnessed over real HTTP by real processes; a ledger that goes back is found out."""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import pytest
from tests.system.conftest import ROOT, Done, cloison, free_ports, succeed

from cloison.cli.places import Place, read_published
from cloison.cli.witness import findings, look
from cloison.wire.trust import load_trust_policy

BODIES = ("caf", "cnav", "dgfip", "msa")
WITHIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Witnessed:
    """Four empty nodes and the CNIL's witness, on ports of their own."""

    folder: Path
    http: dict[str, int]

    def cloison(self, *words: str) -> Done:
        places = [
            ("--root", ROOT),
            ("--keys", self.folder / "keys"),
            ("--var", self.folder / "var"),
        ]
        options = [part for name, path in places for part in (name, str(path))]
        return cloison(*words, *options, "--addresses", str(self.addresses))

    @property
    def addresses(self) -> Path:
        return self.folder / "addresses.toml"

    def down(self, *only: str) -> None:
        names = [part for one in only for part in ("--only", one)]
        succeed(cloison("down", "--root", str(ROOT), "--var", str(self.folder / "var"), *names))

    def up(self, *only: str) -> None:
        succeed(self.cloison("up", *[part for one in only for part in ("--only", one)]))

    def fsck(self) -> Done:
        """Every ledger checked, while its node runs."""
        folders = ("--keys", str(self.folder / "keys"), "--var", str(self.folder / "var"))
        return cloison("ledger", "fsck", *folders)

    def until(self, holds: Callable[[list[str]], bool]) -> list[str]:
        """The findings, once they are as wanted."""
        deadline = time.monotonic() + WITHIN_SECONDS
        place = Place(ROOT, self.folder / "keys", self.folder / "var", self.addresses)
        trust = load_trust_policy(place.keys, read_published(place))
        while True:
            found = list(findings(trust, look(trust)))
            if holds(found) or time.monotonic() > deadline:
                return found
            time.sleep(0.3)

    def get(self, body: str, path: str) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.http[body], timeout=5)
        connection.request("GET", path)
        response = connection.getresponse()
        found = response.status, response.read()
        connection.close()
        return found


@pytest.fixture(scope="module")
def witnessed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witnessed]:
    folder = tmp_path_factory.mktemp("witnessed")
    ports = free_ports(2 * len(BODIES) + 1)
    http = dict(zip((*BODIES, "cnil"), ports[len(BODIES) :], strict=True))
    lines = [f'{body} = "127.0.0.1:{port}"' for body, port in zip(BODIES, ports, strict=False)]
    lines += ["[http]", *(f'{body} = "127.0.0.1:{port}"' for body, port in http.items())]
    (folder / "addresses.toml").write_text("\n".join(lines) + "\n")
    succeed(cloison("keys", "init", str(folder / "keys"), "--root", str(ROOT)))
    found = Witnessed(folder, http)
    for body in BODIES:
        options = [
            "--root",
            str(ROOT),
            "--keys",
            str(folder / "keys"),
            "--var",
            str(folder / "var"),
        ]
        succeed(cloison("node", "init", body, *options))
    found.up()
    try:
        yield found
    finally:
        found.down()


def test_heads_are_witnessed_in_any_order_of_start(witnessed: Witnessed) -> None:
    witnessed.down()
    witnessed.up("caf")  # alone: nobody to witness it
    alone = witnessed.until(bool)
    assert "caf.cloison.local/traces: cnil: does not answer" in alone
    witnessed.up("cnav", "cnil")
    witnessed.up("msa", "dgfip")
    assert witnessed.until(lambda findings: not findings) == []
    assert witnessed.cloison("witness", "status").returncode == 0
    deadline = time.monotonic() + 20
    while True:  # a head is published once two of its peers saw it; the others follow
        code, note = witnessed.get("caf", "/register/checkpoint")
        assert code == 200
        signed = note.count("\u2014".encode())
        if signed == 1 + 4 or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    assert signed == 1 + 4  # its own signature, three peers, the CNIL


def test_entries_are_not_published(witnessed: Witnessed) -> None:
    assert witnessed.get("caf", "/register/tile/entries/000.p/1")[0] == 403
    for path in (
        "/register/tile/0/0",
        "/register/tile/0/000.p/300",
        "/x/checkpoint",
        "/witness/0/checkpoint",
    ):
        assert witnessed.get("caf", path)[0] == 404
    status, tile = witnessed.get("caf", "/register/tile/0/000.p/1")
    assert (status, len(tile)) == (200, 32)


def test_period_without_the_overseer_is_not_audited(witnessed: Witnessed) -> None:
    assert witnessed.until(lambda findings: not findings) == []
    witnessed.down("cnil")
    found = witnessed.until(bool)
    status = witnessed.cloison("witness", "status", "--json")
    assert (status.returncode, json.loads(status.stdout)["findings"]) == (1, found)
    assert "caf.cloison.local/traces: cnil: does not answer" in found
    assert "caf.cloison.local/traces: lacks the cosignatures of `audited`" in found
    assert not any("`peers`" in one for one in found)
    witnessed.up("cnil")
    assert witnessed.until(lambda findings: not findings) == []


def test_ledger_restored_from_a_backup_is_found_out(witnessed: Witnessed) -> None:
    assert witnessed.until(lambda findings: not findings) == []
    state = witnessed.folder / "var/msa"
    before = len(list((witnessed.folder / "var/cnil/witness/forks").glob("*/*")))
    witnessed.down("msa")
    shutil.copytree(state / "ledger", witnessed.folder / "backup")
    witnessed.up("msa")  # a start is an entry of the register
    assert witnessed.until(lambda findings: not findings) == []
    assert witnessed.fsck().returncode == 0
    witnessed.down("msa")
    shutil.move(state / "ledger", witnessed.folder / "right")
    shutil.copytree(witnessed.folder / "backup", state / "ledger")
    # It enters its start anew: as many entries as before, and another one in its place.
    witnessed.up("msa")
    found = witnessed.until(lambda findings: any("went back" in one for one in findings))
    assert any(one.startswith("msa.cloison.local/register: went back: cnil saw") for one in found)
    forks = list((witnessed.folder / "var/cnil/witness/forks").glob("*/*"))
    assert len(forks) == before + 1
    newest = max(forks, key=lambda path: path.stat().st_mtime_ns).read_bytes()
    checked = witnessed.fsck()
    assert (checked.returncode, "FORK_KEPT" in checked.stdout) == (1, True)
    heads = re.findall(rb"msa\.cloison\.local/register\n(\d+)\n(\S+)\n", newest)
    (size, root), (same_size, other_root) = heads  # two heads of one size, both signed
    assert (size, root != other_root) == (same_size, True)
    witnessed.down("msa")  # the right one back, for the tests to come
    shutil.rmtree(state / "ledger")
    shutil.move(witnessed.folder / "right", state / "ledger")
    shutil.rmtree(witnessed.folder / "backup")
    witnessed.up("msa")
    assert witnessed.until(lambda findings: not findings) == []
