"""The policy set a command works with: that of its root, parsed whole."""

from pathlib import Path

from cloison.cli.root import read_policy
from cloison.law import PolicySet


def load_policy(root: Path) -> PolicySet:
    """The policy set under `root/policy`.

    Raises:
        InputError: `BAD_POLICY_FILE`, with file and line. StorageError: `POLICY_UNREADABLE`.
    """
    return PolicySet.parse(read_policy(root))
