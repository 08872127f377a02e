"""A case proof as a holder checks it: any flipped bit, any other ledger, any other person."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stdnum.fr.nir import calc_check_digits

from cloison.cases.proof import HeadVerifier, allow_skew, verify_case
from cloison.errors import InputError, PeerError
from cloison.exchange import limits
from cloison.exchange.entries import case_closed_entry, case_opened_entry, case_renewed_entry
from cloison.exchange.statement import to_milliseconds
from cloison.identity import parse_nir, person_digest
from cloison.ledger.checkpoint import verify_checkpoint
from cloison.ledger.log import Log
from cloison.ledger.note import NoteSigner
from cloison.ledger.quorum import SeenHead
from cloison.ledger.tree import leaf_hash
from cloison.months import Month
from cloison.v1 import statement_pb2

NOW = datetime(2026, 6, 16, tzinfo=UTC)
END = NOW + timedelta(days=120)
NIR = parse_nir("255081416802538")
OTHER = parse_nir("2550814000026" + calc_check_digits("2550814000026"))
SALT = bytes(range(32))
OPENED = case_opened_entry(
    "claim",
    "caf-ppa",
    Month.parse("2026-06"),
    END,
    [person_digest(SALT, NIR)],
    bytes(32),
    [],
    NOW,
)
Proof = statement_pb2.CaseProof


class Ledger:
    """A ledger of five entries; the case is the third."""

    def __init__(self, directory: Path, name: str) -> None:
        signer = NoteSigner(name, Ed25519PrivateKey.generate())
        self.log = Log.create(directory, signer)
        later = NOW + timedelta(days=1)
        leaf = leaf_hash(OPENED)
        self.log.append_many(
            [
                b"zero",
                b"one",
                OPENED,
                case_renewed_entry(leaf, END + timedelta(days=30), later),
                case_renewed_entry(bytes(32), END, later),
                case_closed_entry(leaf, "decided", later),
            ]
        )
        self.verifier = signer.verifier

    def proof(self, index: int) -> Proof:
        return Proof(
            entry=self.log.entry(index),
            leaf_index=index,
            hashes=self.log.inclusion_proof(index),
            checkpoint=self.log.checkpoint(),
        )

    @property
    def heads(self) -> HeadVerifier:
        return lambda note: SeenHead(verify_checkpoint(note, self.verifier), None)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    return Ledger(tmp_path_factory.mktemp("case") / "caf", "caf.cloison.local/traces")


def person(nir: str = NIR, salt: bytes = SALT) -> statement_pb2.PersonReference:
    return statement_pb2.PersonReference(nir=nir, case_salt=salt)


def refused(proof: Proof, renewal: Proof | None, heads: HeadVerifier) -> str:
    with pytest.raises(PeerError) as caught:
        verify_case(proof, renewal, heads)
    return caught.value.reason


def test_verify_case_gives_what_the_entry_says(ledger: Ledger) -> None:
    case = verify_case(ledger.proof(2), None, ledger.heads)
    assert case.kind == ("claim", "caf-ppa", Month.parse("2026-06"))
    assert (case.opened_ms, case.valid_until_ms) == (to_milliseconds(NOW), to_milliseconds(END))
    assert case.leaf_hash == leaf_hash(OPENED)


def test_verify_case_renewal_moves_the_end_and_nothing_else(ledger: Ledger) -> None:
    case = verify_case(ledger.proof(2), ledger.proof(3), ledger.heads)
    plain = verify_case(ledger.proof(2), None, ledger.heads)
    assert case.valid_until_ms == to_milliseconds(END + timedelta(days=30))
    assert (case.leaf_hash, case.kind, case.opened_ms, case.person_digests) == (
        plain.leaf_hash,
        plain.kind,
        plain.opened_ms,
        plain.person_digests,
    )


@pytest.mark.parametrize("renewal", [2, 4, 5], ids=["the case itself", "another's", "a closing"])
def test_verify_case_renewal_that_is_not_its_own_is_refused(ledger: Ledger, renewal: int) -> None:
    assert refused(ledger.proof(2), ledger.proof(renewal), ledger.heads) == "BAD_CASE_PROOF"


@pytest.mark.parametrize("index", [0, 3, 5], ids=["no entry", "a renewal", "a closing"])
def test_verify_case_entry_that_opens_none_is_refused(ledger: Ledger, index: int) -> None:
    assert refused(ledger.proof(index), None, ledger.heads) == "BAD_CASE_PROOF"


def test_verify_case_of_another_ledger_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    other = Ledger(tmp_path / "msa", "msa.cloison.local/traces")
    assert refused(other.proof(2), None, ledger.heads) == "BAD_CASE_PROOF"


def test_verify_case_of_a_twin_under_the_same_name_is_refused(
    ledger: Ledger, tmp_path: Path
) -> None:
    twin = Ledger(tmp_path / "caf", "caf.cloison.local/traces")
    assert refused(twin.proof(2), None, ledger.heads) == "BAD_CASE_PROOF"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.data())
def test_verify_case_any_flipped_bit_is_refused(ledger: Ledger, data: st.DataObject) -> None:
    proof = ledger.proof(2)
    part = data.draw(st.sampled_from(["entry", "hashes", "leaf_index", "root"]))
    if part == "leaf_index":
        proof.leaf_index ^= 1 << data.draw(st.integers(0, 62))
    elif part == "hashes":
        place = data.draw(st.integers(0, len(proof.hashes) - 1))
        proof.hashes[place] = flip(proof.hashes[place], data)
    elif part == "entry":
        proof.entry = flip(proof.entry, data)
    else:
        signed = proof.checkpoint.index(b"\n\n")
        head, rest = proof.checkpoint[:signed], proof.checkpoint[signed:]
        proof.checkpoint = flip(head, data) + rest
    assert refused(proof, None, ledger.heads) == "BAD_CASE_PROOF"


def flip(value: bytes, data: st.DataObject) -> bytes:
    flipped = bytearray(value)
    flipped[data.draw(st.integers(0, len(value) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    return bytes(flipped)


@pytest.mark.parametrize(
    "spoil",
    [
        {"checkpoint": b""},
        {"checkpoint": bytes(limits.CHECKPOINT_BYTES + 1)},
        {"entry": b""},
        {"hashes": [bytes(32)] * 41},
        {"hashes": []},
        {"hashes": [b""]},
    ],
    ids=lambda spoil: f"{next(iter(spoil))} {len(next(iter(spoil.values())))}",
)
def test_verify_case_out_of_limits_is_refused(ledger: Ledger, spoil: dict[str, object]) -> None:
    good = ledger.proof(2)
    parts = {
        "entry": good.entry,
        "leaf_index": good.leaf_index,
        "hashes": list(good.hashes),
        "checkpoint": good.checkpoint,
    }
    proof = Proof(**{**parts, **spoil})  # type: ignore[arg-type]
    assert refused(proof, None, ledger.heads) == "BAD_CASE_PROOF"


def padded(proof: Proof, size_bytes: int) -> Proof:
    """The same proof and a field of another schema, of so many bytes in all."""
    padding = size_bytes - proof.ByteSize() - 4  # its tag, and a length of three bytes
    whole = proof.SerializeToString() + b"\x7a" + _varint(padding) + bytes(padding)
    return Proof.FromString(whole)


def _varint(value: int) -> bytes:
    return bytes([value & 0x7F | 0x80, value >> 7 & 0x7F | 0x80, value >> 14])


@pytest.mark.parametrize("of_renewal", [False, True])
def test_verify_case_proof_over_its_limit_is_too_large(ledger: Ledger, *, of_renewal: bool) -> None:
    def proofs(size_bytes: int) -> tuple[Proof, Proof]:
        proof, renewal = ledger.proof(2), ledger.proof(3)
        if of_renewal:
            return proof, padded(renewal, size_bytes)
        return padded(proof, size_bytes), renewal

    assert verify_case(*proofs(limits.CASE_PROOF_BYTES), ledger.heads).kind.type == "claim"
    with pytest.raises(InputError) as caught:
        verify_case(*proofs(limits.CASE_PROOF_BYTES + 1), ledger.heads)
    assert caught.value.reason == "TOO_LARGE"


def test_covers_only_who_stands_in_the_case_with_their_salt(ledger: Ledger) -> None:
    case = verify_case(ledger.proof(2), None, ledger.heads)
    table = [
        ([person()], True),
        ([person(OTHER)], False),
        ([person(), person(OTHER)], False),
        ([person(salt=os.urandom(32))], False),
        ([person(salt=b"")], False),
        ([person(salt=SALT + b"\x00")], False),
    ]
    assert [(case.covers(people), expected) for people, expected in table] == [
        (expected, expected) for _, expected in table
    ]


def test_covers_a_nir_in_another_spelling_is_refused(ledger: Ledger) -> None:
    case = verify_case(ledger.proof(2), None, ledger.heads)
    with pytest.raises(InputError, match="nir"):
        case.covers([person("not a nir")])


@pytest.mark.parametrize(
    ("seconds", "moved"), [(-1, False), (0, False), (1, True), (60, True), (61, False)]
)
def test_allow_skew_opens_a_case_of_a_clock_a_minute_ahead_at_most(
    ledger: Ledger, seconds: int, *, moved: bool
) -> None:
    case = verify_case(ledger.proof(2), None, ledger.heads).facts([person()], 0)
    now = NOW - timedelta(seconds=seconds)
    assert (allow_skew(case, now).opened_time == now) is (moved or seconds == 0)
