"""Whom a node trusts with its law, and what a disk that was turned back cannot hide."""

import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.federation import CAF, CNAV, Federation, run
from tests.unit.wire.policy_changes import DAY, Signing, renamed, with_decree

from cloison.cli.first_set import load_signers
from cloison.errors import CloisonError, IntegrityError, StorageError
from cloison.exchange.policy_manifest import MANIFEST, Manifest, Quorum, sign_manifest
from cloison.ledger.note import NoteSigner, parse_note
from cloison.ledger.witness import Submission
from cloison.wire.policy_desk import check_set
from cloison.wire.policy_sets import loaded_set, read_signed
from cloison.wire.settings import open_node, quorum_of


@pytest.fixture
def signing(federation: Federation) -> Signing:
    return Signing(federation)


def seen_by_a_witness(federation: Federation, size: int = 0) -> int:
    """What CAF's witness answers to the head of CNAV's register, `size` entries of which it saw."""
    register = federation.node(CNAV).register
    request = Submission(size, (), register.checkpoint()).encode()
    return federation.node(CAF).witness.add_checkpoint(request).status


def test_a_register_rolled_back_with_its_sets_brings_the_old_law_and_a_witness_finds_it(
    federation: Federation, signing: Signing, tmp_path: Path
) -> None:
    """Nothing on the disk tells: every file is one the node wrote. Who saw the newer head does."""
    state, backup = federation.settings(CNAV).state, tmp_path / "backup"
    federation.node(CNAV)
    federation.restart(CNAV)
    shutil.copytree(state, backup)
    files = with_decree()
    run(signing.desk(CNAV).load(signing.sign(files), files))
    assert seen_by_a_witness(federation) == 200
    size = federation.node(CNAV).register.size
    federation.kill(CNAV)
    shutil.rmtree(state)
    shutil.copytree(backup, state)
    assert loaded_set(state).hash == federation.policy.hash
    assert federation.node(CNAV).register.size == size  # its new start is an entry
    assert seen_by_a_witness(federation, size) in {409, 422}
    assert list((federation.settings(CAF).state / "witness/forks").glob("*/*"))


def test_a_register_taken_away_keeps_the_node_down(federation: Federation) -> None:
    state = federation.settings(CNAV).state
    shutil.rmtree(state / "ledger/register")
    with pytest.raises(StorageError, match="not there"):
        loaded_set(state)
    with pytest.raises(CloisonError):
        open_node(federation.settings(CNAV), federation.policy, federation.clock)


def test_a_set_cannot_change_whom_a_node_trusts(signing: Signing, tmp_path: Path) -> None:
    """A signed folder may hold a `signers` file of its own: it is no part of the set."""
    folder, files = tmp_path / "policy", renamed()
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    (folder / "signers").write_text('signers = ["autre"]\nthreshold = 1\n')
    (folder / MANIFEST).write_bytes(signing.sign(files))
    note, read = read_signed(folder)
    assert read == files
    run(signing.desk(CNAV).load(note, read))
    again = with_decree(files)
    alone = signing.sign(again, "ministere", after=Manifest.parse(parse_note(note).text))
    with pytest.raises(IntegrityError, match="signed by 1 of the 2 signers"):
        run(signing.desk(CNAV).load(alone, again))


def test_signers_change_by_the_nodes_own_file_and_the_next_set_takes_the_new_ones(
    federation: Federation, signing: Signing
) -> None:
    """Another office takes the place of one: what it signs counts once the body says so."""
    old = quorum_of(federation.keys)
    trusted = (federation.keys / "public/signers.toml").read_text("utf-8")
    former = next(one for one in old.signers if "controle" in one.name)
    signer = NoteSigner(former.name, Ed25519PrivateKey.generate())
    changed = Quorum.parse(trusted.replace(former.vkey, signer.verifier.vkey).encode())
    files = renamed()
    text = Manifest.of(files, signing.first(), DAY).text()
    ministry = load_signers([federation.keys / "signers/ministere.key"], old)
    note = sign_manifest(text, [*ministry, signer])

    with pytest.raises(IntegrityError, match="signed by 1 of the 2"):
        check_set(note, files, old)
    assert len(check_set(note, files, changed).signed.signers) == 2
    with pytest.raises(IntegrityError, match="signed by 1 of the 2"):
        check_set(signing.sign(files), files, changed)
