"""Policy sets found by their content, and entries of a ledger: what a past decision rests on."""

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from pathlib import Path

from cloison.cli.root import find_root, read_policy_folder
from cloison.errors import InputError
from cloison.exchange.entries import parse_entry
from cloison.law import PolicySet
from cloison.law.policy_set import content_hash
from cloison.ledger.reader import EntryReader
from cloison.v1 import entry_pb2
from cloison.wire.policy_sets import FOLDER

SetOf = Callable[[bytes], PolicySet]
"""The policy set of a content hash. Raises `InputError` (`NO_POLICY_SET`)."""


def sets_near(ledger: Path, root: Path | None, given: Sequence[Path] = ()) -> SetOf:
    """The sets in the folders given, of the root, and kept beside the node's ledger.

    Args:
        ledger: A ledger directory; its node's state folder stands two above.
        root: Folder that holds `policy/`; None: the nearest.
        given: Folders of policy files.
    """
    return sets_kept([ledger.resolve().parents[1] / FOLDER], root, given)


def sets_kept(kept: Sequence[Path], root: Path | None, given: Sequence[Path] = ()) -> SetOf:
    """As `sets_near`, of several nodes' `policy-sets/`."""

    @cache
    def folders() -> dict[bytes, Path]:
        """Each read once, before any is asked for: a ledger may name a million that are lost."""
        beside = [one for folder in kept if folder.is_dir() for one in sorted(folder.iterdir())]
        here = (root or find_root(Path.cwd())) / "policy"
        places = [one for one in (here, *beside, *given) if one.is_dir()]
        return {content_hash(read_policy_folder(one)): one for one in places}

    @lru_cache(maxsize=8)
    def parsed(folder: Path) -> PolicySet:
        return PolicySet.parse(read_policy_folder(folder))

    def set_of(wanted: bytes) -> PolicySet:
        folder = folders().get(wanted)
        if folder is not None and parsed(folder).hash == wanted:
            return parsed(folder)
        raise InputError(
            "NO_POLICY_SET",
            f"policy set `{wanted.hex()}`: not kept here",
            f"look for it as {FOLDER}/{wanted.hex()} in a node's state; then give --policy DIR",
        )

    return set_of


def ledger_entry(directory: Path, index: int) -> entry_pb2.Entry:
    """A `decided` entry.

    Raises:
        InputError: `NO_DECISION`: no such entry, or of another kind.
    """
    for _, data in EntryReader(directory).entries(index, 1):
        entry = parse_entry(data)
        if entry.WhichOneof("kind") == "decided":
            return entry
        kind = entry.WhichOneof("kind")
        raise InputError("NO_DECISION", f"entry {index}: `{kind}`, which decides nothing")
    raise InputError("NO_DECISION", f"entry {index}: the ledger is shorter")
