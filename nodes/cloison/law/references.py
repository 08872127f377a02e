"""References: every id one policy file names is one another file gives."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from cloison.law.files import line_of, refuse
from cloison.law.records import Activity, Dataset, Promise, Purpose, Text
from cloison.statistics.table import Table


@dataclass(frozen=True, slots=True)
class References:
    """The parsed parts of a policy set, and the files they came from, for the line to show."""

    files: Mapping[str, bytes]
    purposes: Mapping[str, Purpose]
    texts: Mapping[str, Text]
    activities: Mapping[str, Activity]
    datasets: Mapping[tuple[str, str], Dataset]
    promises: Mapping[str, Promise]
    tables: Mapping[str, Table]

    def check(self) -> None:
        """Follows every reference.

        Raises:
            InputError: `BAD_POLICY_FILE`, with file, line and the nearest known name.
        """
        names = {f"{holder}/{dataset}" for holder, dataset in self.datasets}
        for activity in self.activities.values():
            self._check_activity(activity, names)
        outputs = {f"{one.id}/{out.id}" for one in self.activities.values() for out in one.outputs}
        for (holder, _), dataset in self.datasets.items():
            path = f"datasets/{holder}.toml"
            self._known(path, "purpose", dataset.purposes, self.purposes)
            self._known(path, "output", dataset.derived_from, outputs)
        for text in self.texts.values():
            opened = [opening.promise for opening in text.opens]
            self._known(f"texts/{text.id}/text.toml", "promise", opened, self.promises)
        for promise in self.promises.values():
            self._check_promise(promise, names)
        for table in self.tables.values():
            self._check_table(table, names)

    def _check_activity(self, activity: Activity, names: set[str]) -> None:
        path = f"activities/{activity.id}.toml"
        self._known(path, "purpose", activity.purposes, self.purposes)
        self._known(path, "text", activity.legal_bases, self.texts)
        for reads in activity.reads:
            self._known(path, "dataset", [f"{reads.holder}/{reads.dataset}"], names)
            fields = self.datasets[reads.holder, reads.dataset].fields
            self._known(path, "field", reads.fields, fields)
            stated = [reads.purpose] if reads.purpose else []
            self._known(path, "purpose of its record", stated, activity.purposes)
            relied = [reads.legal_basis] if reads.legal_basis else []
            self._known(path, "text of its record", relied, activity.legal_bases)

    def _check_promise(self, promise: Promise, names: set[str]) -> None:
        path = "promises.toml"
        if promise.kind == "never-purpose":
            self._known(path, "purpose", promise.purposes, self.purposes)
            self._known(path, "dataset", promise.datasets, names)
        elif promise.kind == "only-purpose":
            self._known(path, "purpose", [promise.received_for], self.purposes)

    def _check_table(self, table: Table, names: set[str]) -> None:
        path = f"tables/{table.id}.toml"
        givers = table.participants()[2:] if table.link else table.holders
        for holder in givers:
            for name, fields in table.held_by(holder).items():
                self._known(path, "dataset", [f"{holder}/{name}"], names)
                self._known(path, "field", fields, self.datasets[holder, name].fields)

    def _known(self, path: str, kind: str, names: Iterable[str], known: Collection[str]) -> None:
        for name in names:
            if name not in known:
                near = get_close_matches(name, sorted(known), 1)
                hint = f"perhaps `{near[0]}`" if near else f"known: {_first_of(known)}"
                line = line_of(self.files[path], name)
                raise refuse(path, line, f"{kind} `{name}`: unknown", hint)


_SHOWN = 6


def _first_of(known: Collection[str]) -> str:
    """Some of what is known, for a hint."""
    shown = sorted(known)[:_SHOWN]
    return ", ".join([*shown, "…"] if len(known) > _SHOWN else shown)
