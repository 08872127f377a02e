"""Activity keys: loaded from private files, published in one spelling."""

from pathlib import Path

import pytest

from cloison.errors import CloisonError, InputError, IntegrityError, PeerError, StorageError
from cloison.identity import (
    ActivityKeys,
    load_activity_keys,
    load_public_activities,
    parse_public,
    print_public,
)

PPA = "caf/activities/caf-ppa"


def test_load_activity_keys_names_activity_and_body(ppa: ActivityKeys) -> None:
    assert (ppa.activity, ppa.body) == ("caf-ppa", "caf")


def test_activity_keys_shown_hold_no_private_byte(ppa: ActivityKeys, made_keys: Path) -> None:
    shown = repr(ppa) + str(ppa)
    seed = (made_keys / PPA / "signing.key").read_bytes()
    assert repr(seed)[2:-1] not in shown
    assert seed.hex() not in shown


def test_verify_message_signed_by_the_activity_is_accepted(ppa: ActivityKeys) -> None:
    ppa.public.verify(b"message", ppa.sign(b"message"))


@pytest.mark.parametrize("fault", ["another message", "another key", "cut", "none"])
def test_verify_wrong_in_one_thing_is_refused(
    ppa: ActivityKeys, outreach: ActivityKeys, fault: str
) -> None:
    signature = {
        "another message": ppa.sign(b"another"),
        "another key": outreach.sign(b"message"),
        "cut": ppa.sign(b"message")[:-1],
        "none": b"",
    }[fault]
    with pytest.raises(PeerError) as caught:
        ppa.public.verify(b"message", signature)
    assert caught.value.reason == "BAD_SIGNATURE"


@pytest.mark.parametrize("name", ["signing.key", "sealing.key"])
def test_load_activity_keys_loose_mode_is_refused(keys_copy: Path, name: str) -> None:
    (keys_copy / PPA / name).chmod(0o640)
    with pytest.raises(StorageError) as caught:
        load_activity_keys(keys_copy / PPA)
    assert caught.value.reason == "LOOSE_MODE"


@pytest.mark.parametrize("name", ["signing.key", "sealing.key"])
def test_load_activity_keys_cut_file_is_refused(keys_copy: Path, name: str) -> None:
    path = keys_copy / PPA / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StorageError) as caught:
        load_activity_keys(keys_copy / PPA)
    assert caught.value.reason == "BAD_SECRET"


@pytest.mark.parametrize("name", ["signing.key", "sealing.key", "tls.crt"])
def test_load_activity_keys_missing_file_is_refused(keys_copy: Path, name: str) -> None:
    (keys_copy / PPA / name).unlink()
    with pytest.raises(StorageError) as caught:
        load_activity_keys(keys_copy / PPA)
    assert caught.value.reason in {"NO_SECRET", "NO_CERTIFICATE"}


def test_load_activity_keys_certificate_of_the_node_is_refused(keys_copy: Path) -> None:
    node = (keys_copy / "caf/node/tls.crt").read_bytes()
    (keys_copy / PPA / "tls.crt").write_bytes(node)
    with pytest.raises(StorageError) as caught:
        load_activity_keys(keys_copy / PPA)
    assert caught.value.reason == "NO_CERTIFICATE"


def test_load_activity_keys_certificate_not_one_is_refused(keys_copy: Path) -> None:
    (keys_copy / PPA / "tls.crt").write_bytes(b"nothing")
    with pytest.raises(PeerError) as caught:
        load_activity_keys(keys_copy / PPA)
    assert caught.value.reason == "BAD_CERTIFICATE"


def test_parse_public_what_was_printed_is_the_same(ppa: ActivityKeys) -> None:
    assert parse_public("caf-ppa", print_public(ppa.public)) == ppa.public


def line(text: bytes, name: bytes) -> bytes:
    (found,) = (row for row in text.splitlines(keepends=True) if row.startswith(name + b" "))
    return found


def spoil(text: bytes) -> dict[str, bytes]:
    zeros = {name: line(text, name) for name in (b"signing_key", b"sealing_x25519")}
    return {
        "empty": b"",
        "not TOML": b"body = \n",
        "not ASCII": text + b"# \xc3\xa9\n",
        "unknown key": text + b'note = "x"\n',
        "key twice": text + line(text, b"body"),
        "no body": text.replace(line(text, b"body"), b""),
        "body not a string": text.replace(line(text, b"body"), b"body = 3\n"),
        "body not an id": text.replace(line(text, b"body"), b'body = "CAF"\n'),
        "comment": text + b"# mine\n",
        "other order": line(text, b"signing_key") + text.replace(line(text, b"signing_key"), b""),
        "capital hex": text.replace(
            line(text, b"sealing_key_id"),
            line(text, b"sealing_key_id").upper().replace(b"SEALING_KEY_ID", b"sealing_key_id"),
        ),
        "key id of other keys": text.replace(
            line(text, b"sealing_key_id"), b'sealing_key_id = "' + b"0" * 32 + b'"\n'
        ),
        "short signing key": text.replace(zeros[b"signing_key"], b'signing_key = "00"\n'),
        "low-order x25519": text.replace(
            zeros[b"sealing_x25519"], b'sealing_x25519 = "' + b"0" * 64 + b'"\n'
        ),
        "impossible mlkem": text.replace(
            line(text, b"sealing_mlkem768"), b'sealing_mlkem768 = "' + b"f" * 2368 + b'"\n'
        ),
    }


FAULTS = spoil(
    b'body = "caf"\nsigning_key = "a"\nsealing_x25519 = "a"\nsealing_mlkem768 = "a"\n'
    b'sealing_key_id = "a"\n'
)


@pytest.mark.parametrize("fault", FAULTS)
def test_parse_public_wrong_in_one_thing_is_refused(ppa: ActivityKeys, fault: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_public("caf-ppa", spoil(print_public(ppa.public))[fault])
    assert caught.value.reason in {"BAD_PUBLIC_KEY", "BAD_BODY"}


def test_parse_public_activity_not_an_id_is_refused(ppa: ActivityKeys) -> None:
    with pytest.raises(InputError) as caught:
        parse_public("Caf ppa", print_public(ppa.public))
    assert caught.value.reason == "BAD_ACTIVITY"


def reason_of_loading(directory: Path) -> str:
    with pytest.raises(CloisonError) as caught:
        load_public_activities(directory)
    return caught.value.reason


def test_load_public_activities_none_is_refused(tmp_path: Path) -> None:
    assert reason_of_loading(tmp_path) == "NO_KEYS"
    assert reason_of_loading(tmp_path / "missing") == "NO_KEYS"


def test_load_public_activities_unreadable_is_refused(keys_copy: Path) -> None:
    (keys_copy / "public/activities/odd.toml").mkdir()
    assert reason_of_loading(keys_copy / "public/activities") == "NO_KEYS"


def test_load_public_activities_two_with_one_key_are_refused(keys_copy: Path) -> None:
    folder = keys_copy / "public/activities"
    (folder / "caf-dmde.toml").write_bytes((folder / "caf-ppa.toml").read_bytes())
    with pytest.raises(IntegrityError) as caught:
        load_public_activities(folder)
    assert caught.value.reason == "SHARED_KEY"
