"""Disks that fill up, turn read-only or lose a node's parts: nothing leaves without its entry."""

import asyncio
import base64
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from tests.federation import (
    ANNE,
    BRUNO,
    CAF,
    CANARY_CENTS,
    CNAV,
    NOW,
    PEOPLE,
    Federation,
    Program,
    fill_disk,
    run,
)

from cloison.bodies import BodyId
from cloison.errors import CloisonError, PeerError, StorageError
from cloison.exchange.entries import started_entry
from cloison.ledger.log import Log
from cloison.ledger.tile_files import Settling
from cloison.v1 import release_pb2, statement_pb2
from cloison.wire import server
from cloison.wire.node import Node
from cloison.wire.settings import create_state, open_node
from cloison.wire.vault import Vault


def make_read_only(log: Log) -> None:
    """The ledger's file can be read and no more."""
    path = Path(f"/proc/self/fd/{log._journal._descriptor}").readlink()
    readable = os.open(path, os.O_RDONLY)
    os.dup2(readable, log._journal._descriptor)
    os.close(readable)


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_open_node_leaves_nothing_of_its_state_to_others(
    federation: Federation, tmp_path: Path
) -> None:
    settings = replace(federation.settings(CAF), state=tmp_path / "fresh")
    create_state(settings)
    node = open_node(settings, federation.policy, federation.clock)
    node.traces.append_many([started_entry("test", bytes(32), NOW)] * 300)
    node.traces.settle()
    state = [settings.state, *settings.state.rglob("*")]
    loose = [path.name for path in state if path.stat().st_mode & 0o077]
    node.close()
    assert {"traces.index.sqlite-wal", "vault.sqlite-shm", "checkpoint", "000"} <= {
        path.name for path in state
    }
    assert loose == []


@pytest.mark.parametrize("spoil", [fill_disk, make_read_only])
def test_answer_ledger_that_cannot_write_lets_nothing_leave(
    federation: Federation, ppa: Program, spoil: object
) -> None:
    item = ppa.item(ppa.question(ppa.open_case()))
    node = federation.node(CNAV)
    spoil(node.traces)  # type: ignore[operator]
    with pytest.raises(StorageError) as caught:
        federation.answer(CNAV, CAF, [item])
    assert caught.value.reason == "LEDGER_WRITE"


@pytest.mark.parametrize("spoil", [fill_disk, make_read_only])
def test_ask_holder_that_cannot_write_gives_the_requester_no_sealed_bytes(
    federation: Federation, ppa: Program, spoil: object
) -> None:
    item = ppa.item(ppa.question(ppa.open_case()))
    spoil(federation.node(CNAV).traces)  # type: ignore[operator]
    (answer,) = ppa.put(item)
    assert not answer.sealed_release
    assert answer.failure.reason == "LEDGER_WRITE"
    assert federation.entries(CAF, "received") == []


def test_ask_holder_back_on_a_disk_with_room_answers_the_same_bytes(
    federation: Federation, ppa: Program
) -> None:
    item = ppa.item(ppa.question(ppa.open_case()))
    fill_disk(federation.node(CNAV).traces)
    ppa.put(item)
    federation.kill(CNAV)
    (answer,) = ppa.put(item)
    assert answer.sealed_release
    assert len(federation.entries(CNAV, "decided")) == 1


def test_ask_requester_that_cannot_write_asks_nobody(federation: Federation, ppa: Program) -> None:
    item = ppa.item(ppa.question(ppa.open_case()))
    fill_disk(federation.node(CAF).traces)
    with pytest.raises(StorageError):
        ppa.put(item)
    assert federation.link(CAF, CNAV).calls == []


def test_ask_requester_whose_disk_fills_after_asking_hands_nothing_to_the_program(
    federation: Federation, ppa: Program
) -> None:
    item = ppa.item(ppa.question(ppa.open_case()))
    link = federation.link(CAF, CNAV)
    link.after = lambda _: fill_disk(federation.node(CAF).traces)
    with pytest.raises(StorageError):
        ppa.put(item)
    link.after = None
    federation.kill(CAF)
    (answer,) = ppa.put(item)
    assert answer.sealed_release
    assert len(federation.entries(CAF, "received")) == 1


def test_open_case_ledger_that_cannot_write_opens_none(
    federation: Federation, ppa: Program
) -> None:
    fill_disk(federation.node(CAF).traces)
    with pytest.raises(StorageError):
        ppa.open_case()
    federation.kill(CAF)
    assert federation.entries(CAF, "case_opened") == []


def test_close_case_again_after_the_disk_refused_its_entry_writes_it_once(
    federation: Federation, ppa: Program
) -> None:
    leaf = ppa.open_case().leaf_hash
    fill_disk(federation.node(CAF).traces)
    with pytest.raises(StorageError):
        ppa.cases.close("caf-ppa", [leaf], "decided")
    federation.kill(CAF)
    ppa.cases.close("caf-ppa", [leaf], "decided")
    with pytest.raises(PeerError, match="closed"):
        ppa.cases.close("caf-ppa", [leaf], "decided")
    (entry,) = federation.entries(CAF, "case_closed")
    assert entry.case_closed.case_leaf_hash == leaf


def test_close_node_whose_ledger_is_stopped_still_closes_every_file(
    federation: Federation, ppa: Program
) -> None:
    item = ppa.item(ppa.question(ppa.open_case()))
    item.persons[0].nir = "nonsense"
    federation.answer(CNAV, CAF, [item])
    node = federation._nodes.pop(CNAV)
    fill_disk(node.traces)
    with pytest.raises(StorageError):
        node.close()
    assert federation.node(CNAV).traces.size >= 0  # its lock was let go


def test_upkeep_of_a_node_that_cannot_write_ends_it(
    federation: Federation, ppa: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = ppa.item(ppa.question(ppa.open_case()))
    item.persons[0].nir = "nonsense"
    federation.answer(CNAV, CAF, [item])
    federation.clock.advance(minutes=2)
    node = federation.node(CNAV)
    fill_disk(node.traces)
    monkeypatch.setattr(server, "_TICK_SECONDS", 0.001)
    with pytest.raises(StorageError):
        run(server._upkeep(node, federation.settings(CNAV).state, asyncio.Event()))


def test_upkeep_puts_tiles_on_the_disk(federation: Federation) -> None:
    node, stop = federation.node(CNAV), asyncio.Event()
    node.traces.append_many([started_entry("test", b"", NOW)] * 300)
    stop.set()
    run(server._upkeep(node, federation.settings(CNAV).state, stop))
    assert node.traces.unsettled == 1  # it was to end before it began
    run(one_tick(node, federation))
    assert node.traces.unsettled == 0


def test_upkeep_of_a_node_whose_tiles_cannot_be_synced_ends_it_and_stops_its_ledger(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: Settling, *, beside: bool) -> None:
        assert beside
        raise StorageError("LEDGER_WRITE", "no space left on device")

    node = federation.node(CNAV)
    node.traces.append_many([started_entry("test", b"", NOW)] * 300)
    monkeypatch.setattr(Settling, "sync", refused)
    with pytest.raises(StorageError):
        run(one_tick(node, federation))
    with pytest.raises(StorageError, match="stopped"):
        node.traces.append_many([b"x"])


async def one_tick(node: Node, federation: Federation) -> None:
    """Upkeep told to stop while its first tick waits: it ends with that tick."""
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, stop.set)
    await server._upkeep(node, federation.settings(node.body).state, stop)


def test_vault_that_could_not_commit_keeps_no_key_that_was_taken_back(
    federation: Federation,
) -> None:
    vault = federation.node(CNAV).vault
    with pytest.raises(StorageError):
        _name_one_in_a_transaction_the_disk_ends(vault)
    assert vault._traces == {}
    with vault.transaction():
        assert vault.answer(bytes(32)) is None


def _name_one_in_a_transaction_the_disk_ends(vault: Vault) -> None:
    with vault.transaction():
        vault.trace_keys([b"one"], NOW.date())
        vault._database.connection.execute(
            "ROLLBACK"
        )  # as SQLite does by itself where there is no room
        vault.cases.close(b"one")
        vault._database.connection.execute("INSERT INTO person VALUES (NULL, NULL)")


def test_vault_after_a_failed_sync_lets_nothing_leave(federation: Federation, ppa: Program) -> None:
    first, second = ppa.items(ppa.question(ppa.open_case("C1")), ppa.question(ppa.open_case("C2")))
    vault = federation.node(CNAV).vault
    kept, full = os.dup(vault._log), os.open("/dev/full", os.O_RDWR)
    os.dup2(full, vault._log)
    with pytest.raises(StorageError):
        federation.answer(CNAV, CAF, [first])
    os.dup2(kept, vault._log)
    os.close(kept)
    os.close(full)
    with pytest.raises(StorageError, match="stopped"):
        federation.answer(CNAV, CAF, [second])


def keep_up_a_little(node: Node, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_TICK_SECONDS", 0.001)

    async def upkeep() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(server._upkeep(node, state, asyncio.Event()), 0.2)

    run(upkeep())


def test_upkeep_lets_no_write_ahead_log_grow_for_ever(
    federation: Federation, ppa: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, state = federation.node(CNAV), federation.settings(CNAV).state
    node.vault.defer_checkpoints()
    ppa.put(ppa.item(ppa.question(ppa.open_case())))
    log = state / "vault.sqlite-wal"
    assert log.stat().st_size > 0
    monkeypatch.setattr(server, "_LONG_LOG_BYTES", 0)
    keep_up_a_little(node, state, monkeypatch)
    assert log.stat().st_size == 0


def test_upkeep_leaves_what_was_deleted_in_no_log(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log begins anew where it was, and keeps what no later write reaches."""
    node, state = federation.node(CNAV), federation.settings(CNAV).state
    salt, now = b"a salt of thirty-two bytes, whole", federation.clock()
    node.vault.defer_checkpoints()
    with node.vault.transaction():
        node.vault.openings.keep(salt[:32], ANNE.nir, bytes(32), now)
    with node.vault.transaction():
        node.vault.openings.prune(now + timedelta(days=1))
    monkeypatch.setattr(server, "_EXPIRE_TICKS", 1)
    keep_up_a_little(node, state, monkeypatch)
    assert not [file.name for file in state.glob("vault*") if salt[:32] in file.read_bytes()]


def statement_hash(item: statement_pb2.AskItem) -> bytes:
    return sha256(item.statement.statement).digest()


class PowerCut:
    """A node's vault after a power cut: what was written since its last sync is gone."""

    def __init__(self, federation: Federation, body: BodyId, patch: pytest.MonkeyPatch) -> None:
        self._federation, self._body = federation, body
        self._file = federation.settings(body).state / "vault.sqlite"
        self._synced: dict[Path, bytes] = {}
        patch.setattr(Vault, "_sync", self._sync)

    def _sync(self) -> float:
        files = (self._file, self._file.with_name("vault.sqlite-wal"))
        self._synced = {file: file.read_bytes() for file in files}
        return 0.0

    def strike(self) -> None:
        """Cuts the power; the node starts again when it is next asked for."""
        self._federation.kill(self._body)
        for file, data in self._synced.items():
            file.write_bytes(data)


def test_open_case_power_cut_after_its_answer_leaves_it_known(
    federation: Federation, ppa: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = PowerCut(federation, CAF, monkeypatch)
    case = ppa.open_case()
    cut.strike()
    (reply,) = ppa.ask(ppa.question(case))
    assert reply.release is not None


def test_renew_case_power_cut_after_its_answer_leaves_it_renewed(
    federation: Federation, ppa: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = PowerCut(federation, CAF, monkeypatch)
    end = NOW + timedelta(days=100)
    ppa.cases.renew("caf-ppa", ppa.open_case().leaf_hash, end)
    cut.strike()
    assert ppa.open_case().valid_until == end


def test_close_case_that_is_not_on_disk_is_no_entry(
    federation: Federation, ppa: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut could then leave the entry, and the case open at its own node."""

    def refused(_: Vault) -> float:
        raise OSError(28, "No space left on device")

    case = ppa.open_case()
    monkeypatch.setattr(Vault, "_sync", refused)
    with pytest.raises(StorageError):
        ppa.cases.close(ppa.activity, [case.leaf_hash], "decided")
    assert federation.entries(CAF, "case_closed") == []


def test_ask_again_after_a_power_cut_took_what_was_received_keeps_it_once_more(
    federation: Federation, ppa: Program
) -> None:
    item = ppa.item(ppa.question(ppa.open_case()))
    state = federation.settings(CAF).state
    before = {file: file.read_bytes() for file in state.glob("store.sqlite*")}
    ppa.put(item)
    federation.kill(CAF)
    for file, data in before.items():
        file.write_bytes(data)
    ppa.put(item)
    assert federation.node(CAF).store.received_label(statement_hash(item)) is not None
    assert len(federation.entries(CAF, "received")) == 1


# --- starting ------------------------------------------------------------------------------------


def start_refused(federation: Federation, *, without: str) -> str:
    settings = federation.settings(CAF)
    (settings.state / without).rename(settings.state / "elsewhere")
    with pytest.raises(CloisonError) as caught:
        open_node(settings, federation.policy, federation.clock)
    return caught.value.reason


def test_open_node_without_ledger_is_refused(federation: Federation) -> None:
    assert start_refused(federation, without="ledger") == "NO_LEDGER"


def test_open_node_without_keys_is_refused(federation: Federation, tmp_path: Path) -> None:
    settings = federation.settings(CAF)
    moved = type(settings)(CAF, settings.root, tmp_path / "none", settings.state, {})
    with pytest.raises(StorageError) as caught:
        open_node(moved, federation.policy, federation.clock)
    assert caught.value.reason == "NO_KEYS"


def test_open_node_on_another_bodys_state_is_refused(federation: Federation) -> None:
    settings = federation.settings(CAF)
    stolen = type(settings)(CNAV, settings.root, settings.keys, settings.state, {})
    with pytest.raises(CloisonError) as caught:
        open_node(stolen, federation.policy, federation.clock)
    assert caught.value.reason == "BAD_SIGNATURE"  # its ledger is not of these keys


def test_open_node_twice_on_the_same_state_is_refused(federation: Federation) -> None:
    federation.node(CAF)
    with pytest.raises(StorageError) as caught:
        open_node(federation.settings(CAF), federation.policy, federation.clock)
    assert caught.value.reason == "LEDGER_LOCKED"


def test_create_state_never_makes_a_ledger_anew(federation: Federation) -> None:
    with pytest.raises(StorageError) as caught:
        create_state(federation.settings(CAF))
    assert caught.value.reason == "STATE_EXISTS"


def test_open_node_is_an_entry_of_its_register(federation: Federation) -> None:
    register = federation.node(CAF).register
    assert federation.policy.hash in register.entry(register.size - 1)


# --- canaries ------------------------------------------------------------------------------------


def spellings(text: str) -> list[bytes]:
    """Raw, hexadecimal and base64 at each of its three alignments."""
    raw = text.encode()
    aligned = [base64.b64encode(b"\x00" * shift + raw)[4:-4] for shift in range(3)]
    return [raw, raw.hex().encode(), *(one for one in aligned if len(one) >= 8)]


def test_no_nir_and_no_income_stands_in_any_ledger_file_or_vault(
    federation: Federation, ppa: Program
) -> None:
    case = ppa.open_case()
    ppa.ask(ppa.question(case), ppa.question(None), ppa.question(case, ANNE.member()))
    bad = ppa.item(ppa.question(case))
    bad.persons[0].nir = BRUNO.nir
    ppa.put(bad)
    folders = [federation.settings(body).state for body in (CAF, CNAV)]
    federation.close()
    files = [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("store.sqlite")
    ]
    held = b"".join(path.read_bytes() for path in files)
    canaries = [one.nir for one in PEOPLE] + [str(CANARY_CENTS), f"{CANARY_CENTS / 100:.2f}"]
    assert len(held) > 10_000
    found = [canary for canary in canaries for one in spellings(canary) if one in held]
    assert found == []


def test_no_nir_and_no_income_stands_in_an_entry_as_a_number(
    federation: Federation, ppa: Program
) -> None:
    ppa.ask(ppa.question(ppa.open_case()))
    raw = b"".join(federation.raw_entries(CAF) + federation.raw_entries(CNAV))
    varint = release_pb2.Value(integer=CANARY_CENTS).SerializeToString()[1:]
    assert varint not in raw
    assert int(ANNE.nir).to_bytes(8, "big") not in raw
