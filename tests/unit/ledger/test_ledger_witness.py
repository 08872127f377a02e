"""Cosignatures, the witness's answers, the trust policy: what each attack meets."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloison.errors import InputError, IntegrityError, StorageError
from cloison.ledger.cosignature import CosignatureVerifier, Cosigner
from cloison.ledger.log import Log
from cloison.ledger.note import Note, NoteSigner, parse_note
from cloison.ledger.quorum import quorum_seconds
from cloison.ledger.trust_policy import parse_trust_policy
from cloison.ledger.witness import SIZE, Submission, Witness

ORIGIN = "caf.cloison.local/traces"
NOW = 1_790_000_000


def key(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


COSIGNER = Cosigner("cnil.cloison.local/witness", key(7))
SIGNER = NoteSigner(ORIGIN, key(1))


class Ledger:
    """A ledger that grows, and one that shares its beginning and then differs."""

    def __init__(self, folder: Path, fork_at: int) -> None:
        self.log = Log.create(folder / "log", SIGNER)
        self.other = Log.create(folder / "other", SIGNER)
        self.fork_at = fork_at
        self.notes = {0: self.log.checkpoint()}

    def grow(self, size: int) -> bytes:
        """The signed head at this size."""
        for number in range(self.log.size, size):
            self.log.append_many([b"entry %d" % number])
            self.notes[number + 1] = self.log.checkpoint()
        return self.notes[size]

    def forked(self, size: int) -> bytes:
        for number in range(self.other.size, size):
            kind = b"entry %d" if number < self.fork_at else b"another %d"
            self.other.append_many([kind % number])
        return self.other.checkpoint()

    def submission(self, old: int, size: int) -> bytes:
        note = self.grow(size)
        proof = self.log.consistency_proof(old, size) if old else []
        return Submission(old, tuple(proof), note).encode()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path, fork_at=3)
    yield ledger
    ledger.log.close()
    ledger.other.close()


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    witness = Witness(tmp_path / "witness", COSIGNER, {ORIGIN: SIGNER.verifier}, lambda: NOW)
    yield witness
    witness.close()


def reopened(witness: Witness, tmp_path: Path) -> Witness:
    witness.close()
    return Witness(tmp_path / "witness", COSIGNER, {ORIGIN: SIGNER.verifier}, lambda: NOW)


def test_heads_that_continue_each_other_are_cosigned(witness: Witness, ledger: Ledger) -> None:
    for old, new in ((0, 3), (3, 7), (7, 7), (7, 300)):
        reply = witness.add_checkpoint(ledger.submission(old, new))
        assert reply.status == 200
        note = parse_note(ledger.grow(new) + reply.body)
        assert COSIGNER.verifier.seen(note) == NOW
    kept = witness.checkpoint(sha256(ORIGIN.encode()).hexdigest())
    assert kept == ledger.grow(300) + reply.body


def test_first_head_may_be_of_any_size(witness: Witness, ledger: Ledger) -> None:
    assert witness.add_checkpoint(ledger.submission(0, 40)).status == 200


def test_empty_ledger_is_cosigned(witness: Witness, ledger: Ledger) -> None:
    assert witness.add_checkpoint(ledger.submission(0, 0)).status == 200
    assert witness.add_checkpoint(ledger.submission(0, 5)).status == 200


def test_another_old_size_is_answered_with_the_size_last_cosigned(
    witness: Witness, ledger: Ledger
) -> None:
    witness.add_checkpoint(ledger.submission(0, 5))
    for old in (0, 3, 7):
        reply = witness.add_checkpoint(ledger.submission(old, 9))
        assert (reply.status, reply.body, reply.content_type) == (409, b"5\n", SIZE)


def test_ledger_that_goes_back_is_refused(witness: Witness, ledger: Ledger) -> None:
    witness.add_checkpoint(ledger.submission(0, 9))
    assert witness.add_checkpoint(ledger.submission(5, 5)).status == 409
    assert witness.add_checkpoint(Submission(9, (), ledger.grow(5)).encode()).status == 400


def test_fork_of_one_size_is_refused_and_kept_as_evidence(
    witness: Witness, ledger: Ledger, tmp_path: Path
) -> None:
    witness.add_checkpoint(ledger.submission(0, 5))
    forked = ledger.forked(5)
    for old in (0, 5):
        assert witness.add_checkpoint(Submission(old, (), forked).encode()).status == 422
    (kept,) = (tmp_path / "witness/forks").glob("*/*")
    assert forked in kept.read_bytes()
    assert ledger.grow(5) in kept.read_bytes()


def test_fork_that_grew_is_refused(witness: Witness, ledger: Ledger) -> None:
    witness.add_checkpoint(ledger.submission(0, 5))
    forked = ledger.forked(9)
    proof = tuple(ledger.other.consistency_proof(5, 9))
    assert witness.add_checkpoint(Submission(5, proof, forked).encode()).status == 422
    assert witness.add_checkpoint(ledger.submission(5, 9)).status == 200


def test_right_heads_sent_with_wrong_proofs_leave_no_evidence(
    witness: Witness, ledger: Ledger, tmp_path: Path
) -> None:
    """Or anybody could fill the room for what proves a fork."""
    witness.add_checkpoint(ledger.submission(0, 5))
    witness.add_checkpoint(Submission(5, (bytes(32),), ledger.grow(9)).encode())
    assert not (tmp_path / "witness/forks").exists()


@pytest.mark.parametrize(
    ("change", "status"),
    {
        "no proof": (lambda body: body.replace(body.split(b"\n\n")[0], b"old 5"), 422),
        "not base64": (lambda body: body.replace(b"old 5\n", b"old 5\n!\n"), 400),
        "old with a zero before": (lambda body: body.replace(b"old 5", b"old 05"), 400),
        "negative": (lambda body: body.replace(b"old 5", b"old -5"), 400),
        "no empty line": (lambda body: body.replace(b"\n\n", b"\n", 1), 400),
        "no note": (lambda body: body.split(b"\n\n")[0] + b"\n\n", 400),
        "a hash too many": (
            lambda body: body.replace(b"old 5\n", b"old 5\n" + b"A" * 43 + b"=\n"),
            422,
        ),
        "another origin": (lambda body: body.replace(ORIGIN.encode(), b"elsewhere"), 404),
        "another size": (lambda body: body.replace(b"\n9\n", b"\n8\n"), 403),
        "too long": (lambda body: body + b"x" * 80_000, 400),
        "not ASCII": (lambda body: b"\xff" + body, 400),
        "nothing": (lambda _: b"", 400),
    }.values(),
)
def test_altered_request_is_refused_and_changes_nothing(
    change: Callable[[bytes], bytes], status: int, witness: Witness, ledger: Ledger
) -> None:
    witness.add_checkpoint(ledger.submission(0, 5))
    assert witness.add_checkpoint(change(ledger.submission(5, 9))).status == status
    assert witness.add_checkpoint(ledger.submission(5, 9)).status == 200


def test_head_asked_again_at_once_gets_the_same_cosignature_and_writes_nothing(
    witness: Witness, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A head is public: whoever sends it again and again must not make the disk work."""
    first = witness.add_checkpoint(ledger.submission(0, 5))
    with monkeypatch.context() as patch:
        patch.delattr("cloison.ledger.witness.replace_file_durably")
        assert witness.add_checkpoint(ledger.submission(5, 5)) == first
    monkeypatch.setattr(witness, "_seconds", lambda: NOW + 60)
    later = witness.add_checkpoint(ledger.submission(5, 5))
    assert COSIGNER.verifier.seen(parse_note(ledger.grow(5) + later.body)) == NOW + 60


def test_proof_from_the_empty_tree_has_no_hashes(witness: Witness, ledger: Ledger) -> None:
    body = Submission(0, (bytes(32),), ledger.grow(5)).encode()
    assert witness.add_checkpoint(body).status == 422


def test_what_was_cosigned_is_known_after_a_restart(
    witness: Witness, ledger: Ledger, tmp_path: Path
) -> None:
    witness.add_checkpoint(ledger.submission(0, 5))
    again = reopened(witness, tmp_path)
    assert again.add_checkpoint(Submission(0, (), ledger.forked(4)).encode()).status == 409
    assert again.add_checkpoint(ledger.submission(5, 9)).status == 200
    again.close()


def test_kept_head_that_was_altered_stops_the_witness(
    witness: Witness, ledger: Ledger, tmp_path: Path
) -> None:
    witness.add_checkpoint(ledger.submission(0, 5))
    path = tmp_path / "witness" / sha256(ORIGIN.encode()).hexdigest()
    path.write_bytes(ledger.grow(3))
    with pytest.raises(IntegrityError, match="not cosigned by this key"):
        reopened(witness, tmp_path)


def test_head_that_cannot_be_kept_is_not_cosigned(
    witness: Witness, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cloison.ledger.witness.replace_file_durably", full)
    with pytest.raises(StorageError, match="No space left"):
        witness.add_checkpoint(ledger.submission(0, 5))
    monkeypatch.undo()
    assert witness.add_checkpoint(ledger.submission(0, 3)).status == 200


@pytest.mark.usefixtures("witness")
def test_two_witnesses_of_one_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        Witness(tmp_path / "witness", COSIGNER, {}, lambda: NOW)
    assert caught.value.reason == "WITNESS_LOCKED"


def test_cosignature_is_of_one_text_one_time_and_one_key(ledger: Ledger) -> None:
    text = parse_note(ledger.grow(3)).text
    line = COSIGNER.cosign(text, NOW)
    assert COSIGNER.verifier.verify(text, line) == NOW
    other = Cosigner("other", key(8)).verifier
    later = COSIGNER.cosign(text, NOW + 1)
    for verifier, about, wrong in (
        (COSIGNER.verifier, text.replace("3", "4"), line),
        (other, text, line),
        (
            COSIGNER.verifier,
            text,
            type(line)(line.name, line.key_id, later.signature[:8] + line.signature[8:]),
        ),
        (COSIGNER.verifier, text, type(line)(line.name, line.key_id, line.signature[:-1])),
    ):
        with pytest.raises(IntegrityError, match="does not verify"):
            verifier.verify(about, wrong)


def test_cosignature_given_twice_is_refused(ledger: Ledger) -> None:
    note = parse_note(ledger.grow(3))
    lines = (COSIGNER.cosign(note.text, NOW), COSIGNER.cosign(note.text, NOW + 1))
    with pytest.raises(IntegrityError, match="stands there twice"):
        COSIGNER.verifier.seen(Note(note.text, (*note.signatures, *lines)))


def test_cosignature_vkey_is_read_as_it_is_written() -> None:
    vkey = COSIGNER.verifier.vkey
    assert CosignatureVerifier.parse(vkey + "\n").public_key == COSIGNER.verifier.public_key
    with pytest.raises(InputError, match="not an Ed25519 cosignature key"):
        CosignatureVerifier.parse(SIGNER.verifier.vkey)


def test_published_cosignature_is_read() -> None:
    """The example of c2sp.org/tlog-cosignature: its key id and its time."""
    note = parse_note(
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
        "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/"
        "Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
        "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJs"
        "X3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n".encode()
    )
    line = note.signatures[1]
    assert line.key_id.hex() == "8d66cf3f"
    assert int.from_bytes(line.signature[:8], "big") == 1679315147


def policy_text(*lines: str) -> str:
    names = ("caf", "cnav", "dgfip", "cnil")
    keys = [Cosigner(name, key(20 + place)).verifier.vkey for place, name in enumerate(names)]
    witnesses = [f"witness {n} {k} http://127.0.0.1/{n}" for n, k in zip(names, keys, strict=True)]
    return "\n".join(["# heads", f"log {SIGNER.verifier.vkey}", *witnesses, *lines]) + "\n"


QUORUM = ("group peers 2 caf cnav dgfip", "group audited all peers cnil")


@pytest.mark.parametrize(
    ("seen", "peers", "audited"),
    [
        ("", False, False),
        ("caf", False, False),
        ("caf cnav", True, False),
        ("caf cnil", False, False),
        ("dgfip cnav cnil", True, True),
    ],
)
def test_quorum_counts_groups_within_groups(seen: str, peers: bool, audited: bool) -> None:
    policy = parse_trust_policy(policy_text(*QUORUM, "quorum peers"))
    saw = set(seen.split()).__contains__
    assert (policy.met(saw), policy.met(saw, "audited")) == (peers, audited)
    assert policy.witnesses["cnil"].url == "http://127.0.0.1/cnil"
    assert list(policy.logs) == [ORIGIN]


def test_quorum_none_needs_nobody() -> None:
    assert parse_trust_policy("quorum none\n").met(lambda _: False)


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ((), "no quorum line"),
        (("quorum peers",), "no witness or group above"),
        (("group peers 4 caf cnav dgfip", "quorum peers"), "`4` of 3 members"),
        (("group peers 0 caf", "quorum peers"), "`0` of 1 members"),
        (("group peers any", "quorum peers"), "not understood"),
        (("group peers any caf caf", "quorum peers"), "is a member already"),
        (("group a any caf", "group b any caf", "quorum b"), "is a member already"),
        (("group peers any peers", "quorum peers"), "no witness or group above"),
        (("group caf any cnav", "quorum caf"), "given twice"),
        (("group none any cnav", "quorum none"), "given twice, or `none`"),
        (("quorum caf", "quorum caf"), "not understood"),
        ((f"log {SIGNER.verifier.vkey}", "quorum caf"), "key is given twice"),
        ((f"witness x {SIGNER.verifier.vkey}", "quorum caf"), "not an Ed25519 cosignature key"),
        (("witness x y z w", "quorum caf"), "not understood"),
        (("quorum caf\x07",), "a control character"),
        (("# x",) * 300, "more than 200 lines"),
    ],
)
def test_trust_policy_that_is_not_right_is_refused(lines: tuple[str, ...], why: str) -> None:
    with pytest.raises(InputError, match=why) as caught:
        parse_trust_policy(policy_text(*lines))
    assert caught.value.reason == "BAD_TRUST_POLICY"


def cosigned(seen: dict[str, int]) -> Note:
    """A head of caf's with these cosignatures, by witness and time."""
    head = parse_note(SIGNER.sign(f"{ORIGIN}\n0\n{EMPTY}\n"))
    lines = [WITNESSES[name].cosign(head.text, time) for name, time in seen.items()]
    return Note(head.text, (*head.signatures, *lines))


EMPTY = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
WITNESSES = {name: Cosigner(name, key(20 + i)) for i, name in enumerate(("caf", "cnav", "dgfip"))}
TWO_OF_THREE = parse_trust_policy(
    "\n".join(
        [
            *(f"witness {name} {one.verifier.vkey}" for name, one in WITNESSES.items()),
            "group peers 2 caf cnav dgfip",
            "quorum peers",
        ]
    )
)


@pytest.mark.parametrize(
    ("seen", "own", "seconds"),
    [
        ({"cnav": 50, "dgfip": 90}, "caf", 50),
        ({"cnav": 90, "dgfip": 50}, "caf", 50),
        ({"caf": 70, "cnav": 50, "dgfip": 90}, "msa", 70),
        ({"caf": 99, "cnav": 50}, "caf", None),
        ({"cnav": 50}, "caf", None),
        ({}, "caf", None),
    ],
)
def test_quorum_is_as_old_as_the_last_that_made_it(
    seen: dict[str, int], own: str, seconds: int | None
) -> None:
    assert quorum_seconds(cosigned(seen), TWO_OF_THREE, own) == seconds


def test_quorum_with_a_forged_line_is_refused() -> None:
    note = cosigned({"cnav": 50, "dgfip": 90})
    forged = Note(note.text.replace("\n0\n", "\n1\n"), note.signatures)
    with pytest.raises(IntegrityError) as caught:
        quorum_seconds(forged, TWO_OF_THREE, "caf")
    assert caught.value.reason == "BAD_SIGNATURE"


def test_witness_whose_clock_goes_back_says_so_and_cosigns(ledger: Ledger, tmp_path: Path) -> None:
    """A cosignature says when its witness believes it saw the head; the quorum takes the older."""
    times = iter((NOW, NOW - 3_600))
    witness = Witness(
        tmp_path / "set-back", COSIGNER, {ORIGIN: SIGNER.verifier}, lambda: next(times)
    )
    for (old, new), time in (((0, 3), NOW), ((3, 7), NOW - 3_600)):
        reply = witness.add_checkpoint(ledger.submission(old, new))
        note = parse_note(ledger.notes[new] + reply.body)
        assert COSIGNER.verifier.seen(note) == time
    witness.close()
