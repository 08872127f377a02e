"""Heads sent to witnesses: what is kept, and what a slow, lying or contradicting one brings."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloison.ledger.checkpoint import verify_checkpoint
from cloison.ledger.cosignature import Cosigner
from cloison.ledger.log import Log
from cloison.ledger.note import NoteSigner, parse_note
from cloison.ledger.trust_policy import TrustPolicy, parse_trust_policy
from cloison.ledger.witness import Witness
from cloison.wire.seen import OwnHead
from cloison.wire.witnessing import SECONDS_UNCHANGED, HeadSender

NAMES = ("caf", "cnav", "dgfip", "cnil")


def key(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


SIGNER = NoteSigner("caf.cloison.local/traces", key(1))
COSIGNERS = {name: Cosigner(name, key(10 + place)) for place, name in enumerate(NAMES)}


def policy() -> TrustPolicy:
    lines = [f"witness {name} {one.verifier.vkey} {name}" for name, one in COSIGNERS.items()]
    groups = ["group peers 2 caf cnav dgfip", "group audited all peers cnil", "quorum peers"]
    return parse_trust_policy("\n".join([*lines, *groups]))


class Network:
    """Real witnesses, reached without HTTP; any of them may be down, or answer something else."""

    def __init__(self, folder: Path) -> None:
        self.now = 1_790_000_000
        self.down: set[str] = set()
        self.instead: dict[str, Callable[[bytes], tuple[int, bytes]]] = {}
        self.asked: list[str] = []
        self.witnesses = {
            name: Witness(folder / name, one, {SIGNER.name: SIGNER.verifier}, lambda: self.now)
            for name, one in COSIGNERS.items()
        }

    async def submit(self, url: str, body: bytes) -> tuple[int, bytes]:
        name = url.removesuffix("/add-checkpoint")
        self.asked.append(name)
        if name in self.down:
            raise OSError("nobody listens")
        if name in self.instead:
            return self.instead[name](body)
        reply = self.witnesses[name].add_checkpoint(body)
        return reply.status, reply.body


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    network = Network(tmp_path / "witnesses")
    yield network
    for one in network.witnesses.values():
        one.close()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with Log.create(tmp_path / "log", SIGNER) as log:
        yield log


def sender_of(log: Log, network: Network) -> HeadSender:
    trust = policy()
    seen = OwnHead(log, "caf", trust)
    return HeadSender(log, "caf", trust, seen, network.submit, lambda: network.now)


def grow(log: Log, count: int) -> None:
    log.append_many([b"entry %d" % (log.size + place) for place in range(count)])


def witnessed(sender: HeadSender) -> tuple[int, set[str]]:
    """Size of the head that enough witnesses saw, and which of them stand under it."""
    note = sender.seen.newest()
    if not note:
        return -1, set()
    head = verify_checkpoint(note, SIGNER.verifier)
    seen = {n for n, one in COSIGNERS.items() if one.verifier.seen(parse_note(note)) is not None}
    return head.size, seen


def send(sender: HeadSender) -> None:
    asyncio.run(sender.send())


def test_head_is_seen_by_all_but_its_own_body(log: Log, network: Network) -> None:
    sender = sender_of(log, network)
    for count in (3, 5, 400):
        grow(log, count)
        send(sender)
        assert witnessed(sender) == (log.size, {"cnav", "dgfip", "cnil"})
    assert "caf" not in network.asked


def test_head_that_did_not_change_is_sent_again_only_after_a_while(
    log: Log, network: Network
) -> None:
    sender = sender_of(log, network)
    for seconds, calls in ((0, 3), (SECONDS_UNCHANGED - 1, 0), (1, 3)):
        network.asked.clear()
        network.now += seconds
        send(sender)
        assert len(network.asked) == calls


def test_witness_that_is_down_holds_up_nobody_and_is_asked_again(
    log: Log, network: Network
) -> None:
    sender = sender_of(log, network)
    grow(log, 3)
    network.down = {"cnil"}
    send(sender)
    assert witnessed(sender) == (3, {"cnav", "dgfip"})
    network.down.clear()
    send(sender)
    assert witnessed(sender) == (3, {"cnav", "dgfip", "cnil"})


def test_too_few_witnesses_leave_the_last_head_that_enough_saw(log: Log, network: Network) -> None:
    sender = sender_of(log, network)
    grow(log, 3)
    send(sender)
    grow(log, 4)
    network.down = {"dgfip"}
    send(sender)
    assert witnessed(sender)[0] == 3


def test_sender_that_was_restarted_learns_what_witnesses_saw(log: Log, network: Network) -> None:
    grow(log, 3)
    send(sender_of(log, network))
    grow(log, 4)
    again = sender_of(log, network)
    assert witnessed(again)[0] == 3  # what was kept is known at once
    send(again)
    assert witnessed(again) == (7, {"cnav", "dgfip", "cnil"})


def test_ledger_restored_from_a_backup_is_not_cosigned_and_says_so(
    log: Log, network: Network, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    grow(log, 3)
    send(sender_of(log, network))
    with Log.create(tmp_path / "restored", SIGNER) as restored:
        grow(restored, 2)
        sender = sender_of(restored, network)
        send(sender)
        assert witnessed(sender) == (-1, set())
        assert "witness `cnil`: saw 3 entries of this ledger, which has 2" in caplog.text
        restored.append_many([b"another"])  # as long again, and not the same
        send(sender)
        assert witnessed(sender) == (-1, set())


def test_kept_head_of_another_ledger_is_not_taken(
    log: Log, network: Network, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    grow(log, 3)
    send(sender_of(log, network))
    with Log.create(tmp_path / "restored", SIGNER) as restored:
        grow(restored, 2)
        (restored.directory / "witnessed").write_bytes((log.directory / "witnessed").read_bytes())
        sender = sender_of(restored, network)
        assert witnessed(sender) == (-1, set())
        assert "does not hold the head that was seen" in caplog.text


@pytest.mark.parametrize(
    "lie",
    {
        "another's key": lambda note: COSIGNERS["cnil"].cosign(parse_note(note).text, 1).line(),
        "another head": lambda _: COSIGNERS["cnav"].cosign("x\n1\n", 1).line(),
        "nothing": lambda _: "",
        "no signature line": lambda _: "yes\n",
        "two": lambda note: 2 * COSIGNERS["cnav"].cosign(parse_note(note).text, 1).line(),
    }.values(),
)
def test_answer_that_is_no_cosignature_of_this_head_counts_for_nothing(
    lie: Callable[[bytes], str], log: Log, network: Network
) -> None:
    grow(log, 3)
    network.instead["cnav"] = lambda body: (200, lie(body.partition(b"\n\n")[2]).encode())
    sender = sender_of(log, network)
    send(sender)
    assert witnessed(sender)[0] == -1  # one peer is not enough


@pytest.mark.parametrize(
    "reply", [(409, b"0\n"), (409, b"x"), (409, b"9" * 40), (409, b""), (500, b""), (422, b"no\n")]
)
def test_witness_that_refuses_is_asked_twice_at_most(
    reply: tuple[int, bytes], log: Log, network: Network
) -> None:
    grow(log, 3)
    network.instead["cnav"] = lambda _: reply
    sender = sender_of(log, network)
    send(sender)
    assert network.asked.count("cnav") <= 2
    assert witnessed(sender)[0] == -1
    network.instead.clear()
    send(sender)
    assert witnessed(sender)[0] == 3
