"""A federation's set-up: its keys, and its first policy set, signed by its signers."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloison.errors import InputError
from cloison.exchange.policy_manifest import MANIFEST, Manifest, Quorum, sign_manifest
from cloison.identity import SignersFile, load_secret, parse_signers
from cloison.law import PolicySet
from cloison.ledger import NoteSigner
from cloison.wire.policy_sets import read_law_files
from cloison.wire.settings import quorum_of

_SIGNERS = Path("policy", "signers")
_FOLDER_MODE, _FILE_MODE = 0o755, 0o644


def first_set(keys: Path) -> Path:
    """Where a federation's first policy set stands, signed."""
    return keys / "public" / "policy-set"


def read_signers(root: Path) -> SignersFile | None:
    """Whom `root/policy/signers` names; None where there is no such file.

    Raises:
        InputError: `BAD_SIGNERS`; `BAD_POLICY_FILE`: there is nothing fit to be signed.
    """
    file = root / _SIGNERS
    if not file.is_file():
        return None
    PolicySet.parse(read_law_files(root / "policy"))
    return parse_signers(file.read_bytes())


def sign_first_set(keys: Path, root: Path, day: date) -> None:
    """`root/policy`, signed by every signer whose key was just made, stands in `public/`."""
    quorum = quorum_of(keys)
    files = read_law_files(root / "policy")
    private = [keys / "signers" / f"{one.name}.key" for one in quorum.all]
    note = sign_manifest(Manifest.of(files, None, day).text(), load_signers(private, quorum))
    for path, content in {**files, MANIFEST: note}.items():
        _write_public(first_set(keys) / path, content)


def load_signers(files: Sequence[Path], quorum: Quorum) -> list[NoteSigner]:
    """Whoever's key each file holds, by the name the quorum gives it.

    Raises:
        InputError: `UNKNOWN_SIGNER`: no key of this quorum. StorageError: as `load_secret`.
    """
    found = []
    for file in files:
        private = Ed25519PrivateKey.from_private_bytes(load_secret(file))
        name = quorum.name_of(private.public_key().public_bytes_raw())
        if name is None:
            known = ", ".join(one.name for one in quorum.all)
            message = f"key `{file}`: of no signer of this federation"
            raise InputError("UNKNOWN_SIGNER", message, f"known: {known}")
        found.append(NoteSigner(name, private))
    return found


def _write_public(path: Path, content: bytes) -> None:
    for folder in reversed([one for one in path.parents if not one.exists()]):
        folder.mkdir()
        folder.chmod(_FOLDER_MODE)
    path.write_bytes(content)
    path.chmod(_FILE_MODE)
