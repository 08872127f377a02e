"""A signed policy set: one spelling, every byte signed, by enough of those who must sign."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloison.errors import InputError, IntegrityError
from cloison.exchange.policy_manifest import Manifest, Quorum, sign_manifest, verify_manifest
from cloison.identity import parse_signers
from cloison.ledger import NoteSigner

DAY = date(2026, 11, 26)
FILES = {"purposes.toml": b"a", "texts/x/rules.cedar": b"bb", "texts/x/text.toml": b""}
SIGNERS = {name: NoteSigner(name, Ed25519PrivateKey.generate()) for name in ("aa", "bb", "cc")}
GUARD = NoteSigner("guard", Ed25519PrivateKey.generate())
SHAPE = """signers = ["aa", "bb", "cc"]
threshold = 2
[promises]
signer = "guard"
notice_days = 30
"""


def quorum() -> Quorum:
    everyone = SIGNERS | {"guard": GUARD}
    shape = parse_signers(SHAPE.encode())
    return Quorum.parse(shape.with_keys(lambda name: everyone[name].verifier.vkey))


def text() -> str:
    return Manifest.of(FILES, None, DAY).text()


def signed(*names: str) -> bytes:
    return sign_manifest(text(), [SIGNERS[name] for name in names])


def test_manifest_parsed_is_the_manifest_printed() -> None:
    first = Manifest.of(FILES, None, DAY)
    second = Manifest.of(FILES, first, DAY)
    assert [Manifest.parse(one.text()) for one in (first, second)] == [first, second]
    assert (second.number, second.previous) == (2, first.set_hash)


@pytest.mark.parametrize("at", range(0, len(text()), 7))
def test_parse_of_a_manifest_with_one_byte_changed_is_refused_or_does_not_fit(at: int) -> None:
    changed = text()[:at] + ("x" if text()[at] != "x" else "y") + text()[at + 1 :]
    with pytest.raises(IntegrityError) as caught:
        Manifest.parse(changed).check(FILES)
    assert caught.value.reason in {"BAD_MANIFEST", "SET_ALTERED"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda whole: whole.replace("number 1", "number 01"),
        lambda whole: whole.replace("2026-11-26", "2026-02-30"),
        lambda whole: whole.replace("previous none", "previous NONE"),
        lambda whole: whole + "\n",
        lambda whole: whole + whole.splitlines()[-1] + "\n",
        lambda whole: (
            "\n".join([*whole.splitlines()[:5], *reversed(whole.splitlines()[5:])]) + "\n"
        ),
    ],
)
def test_parse_of_another_spelling_is_refused(spoil: Callable[[str], str]) -> None:
    with pytest.raises(IntegrityError) as caught:
        Manifest.parse(spoil(text()))
    assert caught.value.reason == "BAD_MANIFEST"


@pytest.mark.parametrize("path", sorted(FILES))
@pytest.mark.parametrize("change", ["changed", "missing"])
def test_check_of_a_file_not_as_signed_names_it(path: str, change: str) -> None:
    files = {**FILES, path: b"?"} if change == "changed" else {**FILES}
    if change == "missing":
        del files[path]
    with pytest.raises(IntegrityError, match=path) as caught:
        Manifest.of(FILES, None, DAY).check(files)
    assert caught.value.reason == "SET_ALTERED"


def test_check_of_a_file_besides_names_it() -> None:
    with pytest.raises(IntegrityError, match=r"texts/y/text\.toml") as caught:
        Manifest.of(FILES, None, DAY).check({**FILES, "texts/y/text.toml": b""})
    assert caught.value.reason == "SET_ALTERED"


def test_check_of_a_set_hash_that_is_not_its_files_is_refused() -> None:
    with pytest.raises(IntegrityError) as caught:
        replace(Manifest.of(FILES, None, DAY), set_hash=bytes(32)).check(FILES)
    assert caught.value.reason == "BAD_MANIFEST"


def test_verify_by_enough_signers_names_them() -> None:
    found = verify_manifest(signed("cc", "aa"), quorum())
    assert (found.signers, found.for_promises) == (("aa", "cc"), False)


def test_verify_knows_the_signer_of_promises() -> None:
    note = sign_manifest(text(), [GUARD], signed("aa", "bb"))
    assert verify_manifest(note, quorum()).for_promises


def stranger(name: str) -> NoteSigner:
    return NoteSigner(name, Ed25519PrivateKey.generate())


@pytest.mark.parametrize(
    "signers",
    [
        [SIGNERS["aa"]],
        [SIGNERS["aa"], GUARD],
        [SIGNERS["aa"], stranger("dd"), stranger("ee")],
        [SIGNERS["aa"], stranger("bb")],
    ],
    ids=["one", "one-and-the-guard", "one-and-strangers", "one-and-another-key-of-that-name"],
)
def test_verify_of_a_set_signed_by_too_few_is_refused(signers: list[NoteSigner]) -> None:
    with pytest.raises(IntegrityError) as caught:
        verify_manifest(sign_manifest(text(), signers), quorum())
    assert caught.value.reason == "TOO_FEW_SIGNERS"


def test_verify_of_one_signer_counted_twice_is_refused() -> None:
    note = signed("aa")
    line = note.splitlines(keepends=True)[-1]
    with pytest.raises(IntegrityError) as caught:
        verify_manifest(note + line, quorum())
    assert caught.value.reason == "BAD_SIGNATURE"


def test_verify_of_a_signature_over_another_text_is_refused() -> None:
    note = signed("aa", "bb").replace(b"number 1", b"number 9")
    with pytest.raises(IntegrityError) as caught:
        verify_manifest(note, quorum())
    assert caught.value.reason == "BAD_SIGNATURE"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("threshold = 2", "threshold = 4"),
        ("threshold = 2", "threshold = 0"),
        ("threshold = 2", "threshold = true"),
        ('"bb"', '"aa"'),
        ('"guard"', '"aa"'),
        ("notice_days = 30", "notice_days = 0"),
        ("notice_days = 30", "notice_days = 30\nurgent = true"),
        ('["aa", "bb", "cc"]', "[]"),
        ("threshold = 2", "threshold ="),
    ],
)
def test_parse_signers_refuses_a_quorum_that_is_none(old: str, new: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_signers(SHAPE.replace(old, new).encode())
    assert caught.value.reason == "BAD_SIGNERS"


def test_quorum_with_one_key_under_two_names_is_refused() -> None:
    private = Ed25519PrivateKey.generate()
    shape = parse_signers(SHAPE.encode())
    content = shape.with_keys(lambda name: NoteSigner(name, private).verifier.vkey)
    with pytest.raises(InputError, match="two names"):
        Quorum.parse(content)
