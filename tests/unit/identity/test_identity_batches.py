"""Batch signatures: vectors of RFC 6962 trees, every refusal, and flipped bits."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.ledger.trees import inclusion_path

from cloison.errors import InputError, PeerError
from cloison.identity import ActivityKeys, SignedParts, sign_batch, verify_signed
from cloison.ledger.tree import leaf_hash, root_of

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
# origin: the reference tree of google/certificate-transparency (merkle tree tests), sizes 1 to 8
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def verify(keys: ActivityKeys, statement: bytes, parts: SignedParts) -> None:
    verify_signed(
        keys.public,
        statement,
        parts.signature,
        parts.batch_index,
        parts.batch_size,
        parts.batch_path,
    )


@pytest.mark.parametrize("size", range(1, 9))
def test_sign_batch_signs_the_reference_root(ppa: ActivityKeys, size: int) -> None:
    signed = sign_batch(ppa, LEAVES[:size])[0]
    message = b"cloison/v1 statement batch\n" + bytes.fromhex(ROOTS[size - 1])
    assert signed.signature == ppa.sign(message)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 31, 32, 33, 63, 64])
def test_verify_signed_every_statement_of_a_batch_is_accepted(ppa: ActivityKeys, size: int) -> None:
    statements = [b"statement %d" % i for i in range(size)]
    for statement, parts in zip(statements, sign_batch(ppa, statements), strict=True):
        verify(ppa, statement, parts)


@pytest.mark.parametrize("size", range(1, 65))
def test_sign_batch_agrees_with_the_ledgers_tree(ppa: ActivityKeys, size: int) -> None:
    statements = [b"statement %d" % i for i in range(size)]
    leaves = [leaf_hash(statement) for statement in statements]
    signed = sign_batch(ppa, statements)
    message = b"cloison/v1 statement batch\n" + root_of(leaves)
    assert signed[0].signature == ppa.sign(message)
    assert [list(parts.batch_path) for parts in signed] == [
        inclusion_path(leaves, index) for index in range(size)
    ]


@pytest.mark.parametrize("size", [0, 65])
def test_sign_batch_none_or_too_many_is_refused(ppa: ActivityKeys, size: int) -> None:
    with pytest.raises(InputError) as caught:
        sign_batch(ppa, [b"s"] * size)
    assert caught.value.reason == "BAD_BATCH"


def spoil(parts: SignedParts) -> dict[str, SignedParts]:
    path = parts.batch_path
    return {
        "another place": replace(parts, batch_index=3),
        "place outside": replace(parts, batch_index=5),
        "negative place": replace(parts, batch_index=-1),
        "another size": replace(parts, batch_size=3),
        "batch too large": replace(parts, batch_size=65),
        "empty batch": replace(parts, batch_index=0, batch_size=0),
        "path too short": replace(parts, batch_path=path[:-1]),
        "path too long": replace(parts, batch_path=(*path, bytes(32))),
        "path turned round": replace(parts, batch_path=path[::-1]),
        "sibling cut": replace(parts, batch_path=(path[0][:-1], *path[1:])),
        "signature cut": replace(parts, signature=parts.signature[:-1]),
        "signature of zeros": replace(parts, signature=bytes(64)),
        "no signature": replace(parts, signature=b""),
    }


STATEMENTS = [b"statement %d" % i for i in range(5)]


@pytest.mark.parametrize("fault", spoil(SignedParts(b"s" * 64, 2, 5, (b"h" * 32,) * 3)))
def test_verify_signed_wrong_in_one_thing_is_refused(ppa: ActivityKeys, fault: str) -> None:
    parts = spoil(sign_batch(ppa, STATEMENTS)[2])[fault]
    with pytest.raises(PeerError) as caught:
        verify(ppa, STATEMENTS[2], parts)
    assert caught.value.reason == "BAD_SIGNATURE"


def test_verify_signed_altered_statement_is_refused(ppa: ActivityKeys) -> None:
    with pytest.raises(PeerError) as caught:
        verify(ppa, b"statement 3", sign_batch(ppa, STATEMENTS)[2])
    assert caught.value.reason == "BAD_SIGNATURE"


def test_verify_signed_by_another_activity_is_refused(
    ppa: ActivityKeys, outreach: ActivityKeys
) -> None:
    with pytest.raises(PeerError) as caught:
        verify(ppa, STATEMENTS[2], sign_batch(outreach, STATEMENTS)[2])
    assert caught.value.reason == "BAD_SIGNATURE"


def test_verify_signed_over_the_statement_itself_is_refused(ppa: ActivityKeys) -> None:
    parts = SignedParts(ppa.sign(STATEMENTS[0]), 0, 1, ())
    with pytest.raises(PeerError):
        verify(ppa, STATEMENTS[0], parts)


def test_verify_signed_inner_node_as_statement_is_refused(ppa: ActivityKeys) -> None:
    signed = sign_batch(ppa, STATEMENTS[:4])[0]
    left, right = (hashlib.sha256(b"\0" + statement).digest() for statement in STATEMENTS[:2])
    with pytest.raises(PeerError):
        verify(ppa, left + right, replace(signed, batch_size=2, batch_path=signed.batch_path[1:]))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=12), st.data())
def test_verify_signed_any_flipped_bit_is_refused(
    ppa: ActivityKeys, statements: list[bytes], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(statements) - 1))
    parts = sign_batch(ppa, statements)[index]
    whole = parts.signature + b"".join(parts.batch_path) + statements[index]
    place = data.draw(st.integers(0, 8 * len(whole) - 1))
    flipped = bytearray(whole)
    flipped[place // 8] ^= 1 << place % 8
    end = 64 + 32 * len(parts.batch_path)
    path = tuple(bytes(flipped[i : i + 32]) for i in range(64, end, 32))
    with pytest.raises(PeerError):
        verify(
            ppa,
            bytes(flipped[end:]),
            replace(parts, signature=bytes(flipped[:64]), batch_path=path),
        )
