"""Where each field stands in a stored record, for every catalogue the store has lived under."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from pydantic_core import to_json

from cloison.store.catalogue import Catalogue, Dataset
from cloison.store.database import Database
from cloison.store.values import Value

Getter = Callable[[Sequence[Value]], tuple[Value, ...]]

_decode = json.JSONDecoder().raw_decode


def pack(values: Sequence[Value]) -> str:
    """A record's values as they are kept: a JSON list, in the order of the layout."""
    return to_json(values).decode()


def unpack(payload: str) -> Sequence[Value]:
    """What `pack` was given."""
    values: Sequence[Value] = _decode(payload)[0]
    return values


@dataclass(frozen=True, slots=True)
class DatasetIds:
    """A dataset's number in the store and the layout new records are written in."""

    id: int
    layout: int


def register_datasets(database: Database, catalogue: Catalogue) -> dict[str, DatasetIds]:
    """Gives every dataset of the catalogue, and its present layout, a number."""
    with database.transaction():
        return {
            name: _register(database, name, dataset) for name, dataset in catalogue.datasets.items()
        }


def _register(database: Database, name: str, dataset: Dataset) -> DatasetIds:
    run = database.connection.execute
    run("INSERT INTO dataset (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
    number = run("SELECT id FROM dataset WHERE name = ?", (name,)).fetchone()[0]
    fields = json.dumps([[field, spec.type.value] for field, spec in dataset.fields.items()])
    key = (number, fields)
    run("INSERT INTO layout (dataset, fields) VALUES (?, ?) ON CONFLICT DO NOTHING", key)
    layout = run("SELECT id FROM layout WHERE dataset = ? AND fields = ?", key).fetchone()[0]
    return DatasetIds(number, layout)


class Layouts:
    """The layouts of a store, read as records need them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._places: dict[int, dict[tuple[str, str], int]] = {}

    def getter(self, layout: int, dataset: Dataset, fields: Sequence[str]) -> Getter:
        """Takes `fields` out of a record's values; None for what the layout did not have yet."""
        places = self._layout(layout)
        wanted = [places.get((name, dataset.fields[name].type.value)) for name in fields]
        found = [place for place in wanted if place is not None]
        if len(found) == len(wanted) > 1:
            return itemgetter(*found)
        return lambda values: tuple(None if place is None else values[place] for place in wanted)

    def _layout(self, layout: int) -> Mapping[tuple[str, str], int]:
        places = self._places.get(layout)
        if places is None:
            row = self._database.connection.execute(
                "SELECT fields FROM layout WHERE id = ?", (layout,)
            ).fetchone()
            pairs = json.loads(row[0])
            places = {(name, kind): place for place, (name, kind) in enumerate(pairs)}
            self._places[layout] = places
        return places
