"""A node's policy sets on disk, each under its content hash; its register says which one holds.

A set is stored whole before its entry is written, and its entry is written before it takes effect:
whenever a node is killed, it starts with the set its register last named. What stands here is read
by hash and checked against it; no file is ever loaded because it stands somewhere.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from cloison.errors import IntegrityError, StorageError
from cloison.exchange.entries import parse_entry
from cloison.exchange.policy_manifest import MANIFEST, Manifest
from cloison.law import PolicySet
from cloison.ledger import EntryReader
from cloison.ledger.files import make_directories, replace_file_durably, sync_path
from cloison.ledger.note import parse_note
from cloison.v1 import entry_pb2

FOLDER = "policy-sets"
LAW_SUFFIXES = (".toml", ".cedar", ".cedarschema", ".yaml")
_HASH_BYTES = 32


class PolicySets:
    """The sets under a node's state folder.

    Args:
        state: The node's own folder; its sets stand in `policy-sets/<hash>/`.
    """

    def __init__(self, state: Path) -> None:
        self.folder = state / FOLDER

    def place(self, set_hash: bytes) -> Path:
        """Where a set of this hash stands, or would."""
        return self.folder / set_hash.hex()

    def keep(self, manifest: bytes, set_hash: bytes, files: Mapping[str, bytes]) -> None:
        """The set is on disk, whole; the caller verified it. Signed anew, it has its new manifest.

        Raises:
            StorageError: `POLICY_WRITE`. IntegrityError: what stands there is not that set.
        """
        try:
            make_directories(self.folder)
            if self.place(set_hash).exists():
                replace_file_durably(self.place(set_hash) / MANIFEST, manifest)
            else:
                self._write(manifest, set_hash, files)
        except OSError as error:
            raise StorageError("POLICY_WRITE", f"policy sets: {error.strerror}") from error
        self.files(set_hash)

    def files(self, set_hash: bytes) -> dict[str, bytes]:
        """The files of a set, exactly those its hash names.

        Raises:
            StorageError: `NO_POLICY_SET`: not there, or unreadable.
            IntegrityError: `SET_ALTERED`, `BAD_MANIFEST`, `BAD_NOTE`: not what was kept.
        """
        place = self.place(set_hash)
        try:
            manifest = Manifest.parse(parse_note((place / MANIFEST).read_bytes()).text)
            files = read_folder(place)
        except OSError as error:
            raise StorageError(
                "NO_POLICY_SET",
                f"policy set `{set_hash.hex()}`: {error.strerror}",
                f"restore `{place}` from another node: its content is checked",
            ) from error
        if manifest.set_hash != set_hash:
            raise IntegrityError("SET_ALTERED", f"policy set `{place}`: holds another set")
        manifest.check(files)
        return files

    def read(self, set_hash: bytes) -> PolicySet:
        """The set a decision's entry names. Raises as `files`."""
        return PolicySet.parse(self.files(set_hash))

    def _write(self, manifest: bytes, set_hash: bytes, files: Mapping[str, bytes]) -> None:
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=self.folder))
        try:
            for path, content in {**files, MANIFEST: manifest}.items():
                (draft / path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                (draft / path).write_bytes(content)
                (draft / path).chmod(0o600)
                sync_path(draft / path)
            for folder, _, _ in os.walk(draft):
                sync_path(Path(folder))
            draft.rename(self.place(set_hash))
            sync_path(self.folder)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise


def read_folder(folder: Path) -> dict[str, bytes]:
    """Every file under a folder of one set, but its manifest, by path; no link is followed.

    Raises:
        IntegrityError: `SET_ALTERED`: a link, or what is neither file nor folder.
        OSError: unreadable.
    """
    found = {}
    for path in _walk(folder):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not path.is_file():
            raise IntegrityError("SET_ALTERED", f"policy file `{name}`: not a plain file")
        if name != MANIFEST:
            found[name] = path.read_bytes()
    return found


def read_signed(folder: Path) -> tuple[bytes, dict[str, bytes]]:
    """The manifest and the files of a folder someone signed; nothing is verified.

    A jurist's folder may hold what is no part of a set: pages, hidden files, `signers`.

    Raises:
        StorageError: `NO_POLICY_SET`: it has no manifest, or cannot be read.
        IntegrityError: `SET_ALTERED`: a link.
    """
    try:
        return (folder / MANIFEST).read_bytes(), read_law_files(folder)
    except OSError as error:
        raise StorageError(
            "NO_POLICY_SET", f"folder `{folder}`: {error.strerror}", "run `cloison law sign` on it"
        ) from error


def read_law_files(folder: Path) -> dict[str, bytes]:
    """The files under a folder that a set is made of, by path. Raises as `read_folder`."""
    found = read_folder(folder)
    return {path: found[path] for path in found if _is_law(path)}


def _is_law(path: str) -> bool:
    hidden = any(part.startswith(".") for part in path.split("/"))
    return not hidden and path.endswith(LAW_SUFFIXES)


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
        else:
            yield path


def entered_sets(entries: Iterator[bytes]) -> Iterator[tuple[int, bytes, entry_pb2.Entry]]:
    """Place, bytes and content of each `policy_loaded` entry of a whole register, in order."""
    for index, data in enumerate(entries):
        entry = parse_entry(data)
        if entry.WhichOneof("kind") == "policy_loaded":
            yield index, data, entry


def loaded_set(state: Path) -> PolicySet:
    """The set the register last says was loaded, whatever stands elsewhere on the disk.

    Raises:
        StorageError: `NO_LEDGER`; `NO_POLICY_SET`: none was, or it is not in the
            node's state any more.
        IntegrityError: it is not what it was.
    """
    ledger = state / "ledger" / "register"
    if not ledger.is_dir():
        raise StorageError("NO_LEDGER", f"ledger `{ledger}`: not there", "run `cloison node init`")
    reader = EntryReader(ledger)
    register = (entry for _, entry in reader.entries(0, reader.size))
    held = [
        entry.policy_loaded.policy_set
        for _, _, entry in entered_sets(register)
        if not entry.policy_loaded.notice_until_ms
    ]
    if not held or len(held[-1]) != _HASH_BYTES:
        raise StorageError(
            "NO_POLICY_SET",
            f"node `{state}`: its register names no policy set",
            "make its state with `cloison node init`, from keys that come with a signed set",
        )
    return PolicySets(state).read(held[-1])
