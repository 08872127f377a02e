"""The policy's purposes, bodies, activities and datasets as Cedar entities."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import cedarpy

from cloison.errors import InputError
from cloison.law.question import Action
from cloison.law.records import Activity, Dataset, Purpose

_Entity = dict[str, Any]


def received_id(holder: str, dataset: str, purpose: str, activity: str) -> str:
    """The entity id of data of a dataset received for a purpose by an activity."""
    return f"{holder}/{dataset} for {purpose} by {activity}"


def family_of(purposes: Mapping[str, Purpose], purpose: str) -> str:
    """The family at the top of a purpose's branch."""
    parent = purposes[purpose].parent
    return purpose if parent is None else family_of(purposes, parent)


def build_entities(
    purposes: Mapping[str, Purpose],
    activities: Mapping[str, Activity],
    datasets: Mapping[tuple[str, str], Dataset],
    schema: cedarpy.Schema,
) -> cedarpy.Entities:
    """Every entity a question can name, checked against the schema.

    Raises:
        InputError: `BAD_POLICY_FILE`: the schema has no place for them.
    """
    entities = list(policy_entities(purposes, activities, datasets))
    try:
        return cedarpy.Entities.from_json_str(json.dumps(entities), schema)
    except ValueError as error:
        why = f"policy file `schema.cedarschema`: {error}"
        raise InputError("BAD_POLICY_FILE", why, "the engine fills no other attribute") from error


def entity_ids(
    purposes: Mapping[str, Purpose],
    activities: Mapping[str, Activity],
    datasets: Mapping[tuple[str, str], Dataset],
) -> dict[str, frozenset[str]]:
    """The ids of every entity a question can name, actions included, by type."""
    found = {"Action": {action.value for action in Action}}
    for entity in policy_entities(purposes, activities, datasets):
        found.setdefault(entity["uid"]["type"], set()).add(entity["uid"]["id"])
    return {kind: frozenset(ids) for kind, ids in found.items()}


def policy_entities(
    purposes: Mapping[str, Purpose],
    activities: Mapping[str, Activity],
    datasets: Mapping[tuple[str, str], Dataset],
) -> Iterator[_Entity]:
    """Every entity a question can name, as Cedar's JSON has them."""
    bodies = {activity.body for activity in activities.values()} | {
        holder for holder, _ in datasets
    }
    systems = {name for dataset in datasets.values() for name in dataset.systems}
    yield from (_entity("System", name) for name in sorted(systems))
    yield from (_entity("Body", body) for body in sorted(bodies))
    yield from map(_purpose, purposes.values())
    yield from map(_activity, activities.values())
    yield from (_dataset(holder, dataset) for (holder, _), dataset in datasets.items())
    yield from _received(activities.values())


def _entity(
    kind: str, name: str, attrs: _Entity | None = None, parents: Iterable[_Entity] = ()
) -> _Entity:
    return {"uid": _uid(kind, name), "attrs": attrs or {}, "parents": list(parents)}


def _uid(kind: str, name: str) -> _Entity:
    return {"type": kind, "id": name}


def _ref(kind: str, name: str) -> _Entity:
    return {"__entity": _uid(kind, name)}


def _purpose(purpose: Purpose) -> _Entity:
    parents = [_uid("Purpose", purpose.parent)] if purpose.parent else []
    return _entity("Purpose", purpose.id, parents=parents)


def _activity(activity: Activity) -> _Entity:
    attrs = {
        "body": _ref("Body", activity.body),
        "benefit": activity.benefit or "",
        "purposes": [_ref("Purpose", purpose) for purpose in activity.purposes],
    }
    return _entity("Activity", activity.id, attrs, [_uid("Body", activity.body)])


def _dataset(holder: str, dataset: Dataset) -> _Entity:
    attrs = {"purposes": [_ref("Purpose", purpose) for purpose in dataset.purposes]}
    parents = [_uid("Body", holder), *(_uid("System", name) for name in dataset.systems)]
    return _entity("Dataset", f"{holder}/{dataset.id}", attrs, parents)


def _received(activities: Iterable[Activity]) -> Iterator[_Entity]:
    """Data each activity may have received, for each purpose it declares."""
    for activity in activities:
        for reads in activity.reads:
            for purpose in activity.purposes:
                name = received_id(reads.holder, reads.dataset, purpose, activity.id)
                attrs = {
                    "received_for": _ref("Purpose", purpose),
                    "received_by": _ref("Activity", activity.id),
                }
                parents = [_uid("Dataset", f"{reads.holder}/{reads.dataset}")]
                yield _entity("Received", name, attrs, parents)
