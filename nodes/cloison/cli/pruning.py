"""What `cloison ledger prune` does: opens a stopped node and removes its oldest traces."""

from datetime import date
from pathlib import Path

from cloison.cli.node import settings_of
from cloison.cli.root import find_root
from cloison.errors import InputError
from cloison.wire.node import system_clock
from cloison.wire.policy_sets import loaded_set
from cloison.wire.retention import Pruned, RetentionDesk
from cloison.wire.settings import open_node


def prune_traces(body: str, before: str, keys: Path, var: Path, root: Path | None) -> Pruned | None:
    """Removes the traces of days before this one; None where no whole bundle is as old.

    Raises:
        InputError: `BAD_DAY`, `STILL_KEPT`, `NO_TRACE_RULES`. StorageError: `LEDGER_LOCKED`: the
            node runs, and does it itself.
    """
    try:
        day = date.fromisoformat(before)
    except ValueError as error:
        raise InputError("BAD_DAY", f"day `{before}`: not a day", "use 2023-11-01") from error
    settings = settings_of(body, find_root(root), keys, var, None)
    node = open_node(settings, loaded_set(settings.state), system_clock)
    try:
        return RetentionDesk(node).prune(day)
    finally:
        node.close()
