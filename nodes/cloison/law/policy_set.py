"""The policy set: everything under `policy/`, parsed, typed and content-addressed."""

import hashlib
import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from types import MappingProxyType
from typing import Self

import cedarpy

from cloison.law.entities import build_entities, family_of
from cloison.law.files import check_nesting, parse_examples, parse_text, parse_toml, refuse
from cloison.law.mention import Clause, MentionFile
from cloison.law.names import Names
from cloison.law.records import (
    Activity,
    Dataset,
    DatasetsFile,
    Example,
    Promise,
    PromisesFile,
    Purpose,
    PurposesFile,
    Text,
)
from cloison.law.rules import Rule, check_types, parse_rules
from cloison.law.slices import Slices
from cloison.statistics.declared import Declared, parse_declared

_PATHS = re.compile(
    r"purposes\.toml|promises\.toml|mention\.toml|schema\.cedarschema"
    r"|texts/[a-z0-9-]+/(?:text\.toml|rules\.cedar|examples\.yaml)"
    r"|activities/[a-z0-9-]+\.toml|datasets/[a-z0-9-]+\.toml"
    r"|(?:tables|grants|ceilings|keys)/[a-z0-9-]+\.toml",
    re.ASCII,
)


@dataclass(frozen=True, eq=False)
class PolicySet:
    """A whole policy set, valid in every part or not made at all.

    Attributes:
        hash: SHA-256 over each path and content hash, in path order: the set's name.
        datasets: By (holder, dataset).
        rules: Every rule of every text, in path order.
        statistics: Tables, and the budgets granted to them.
        mention: What a notice to a person says of the law; empty where the set has no mention.
        attributes: The names of every attribute some rule reads; the others change no decision.
    """

    hash: bytes
    purposes: Mapping[str, Purpose]
    activities: Mapping[str, Activity]
    datasets: Mapping[tuple[str, str], Dataset]
    texts: Mapping[str, Text]
    promises: Mapping[str, Promise]
    examples: Mapping[str, tuple[Example, ...]]
    mention: tuple[Clause, ...]
    statistics: Declared
    rules: tuple[Rule, ...]
    attributes: frozenset[str]
    schema: cedarpy.Schema
    entities: cedarpy.Entities
    slices: Slices

    @classmethod
    def parse(cls, files: Mapping[str, bytes]) -> Self:
        """The policy set of these files (path under `policy/` → content).

        Raises:
            InputError: `BAD_POLICY_FILE`, with file and line: anything unknown, missing, untyped or
                pointing nowhere.
        """
        _check_paths(files)
        purposes = _parse_purposes(files)
        texts = _parse_texts(files)
        activities = _parse_activities(files)
        datasets = _parse_datasets(files)
        rules = _parse_rules(files, texts)
        schema = _parse_schema(files)
        check_types(rules, "\n".join(rule.source for rule in rules), schema)
        promises = _parse_promises(files)
        _check_references(purposes, texts, activities, datasets, promises)
        statistics = parse_declared(files)
        _check_tables(statistics, datasets)
        slices = _slices(rules, activities, datasets)
        names = Names.of(purposes, activities, datasets, slices)
        for rule in rules:
            names.check(rule)
        _check_promises(promises, purposes)
        return cls(
            hash=content_hash(files),
            purposes=MappingProxyType(purposes),
            activities=MappingProxyType(activities),
            datasets=MappingProxyType(datasets),
            texts=MappingProxyType(texts),
            promises=MappingProxyType(promises),
            examples=MappingProxyType(_parse_examples(files, texts)),
            mention=_parse_mention(files),
            statistics=statistics,
            rules=rules,
            attributes=frozenset().union(*(rule.attributes for rule in rules)),
            schema=schema,
            entities=build_entities(purposes, activities, datasets, schema),
            slices=slices,
        )

    @cached_property
    def boundaries(self) -> tuple[date, ...]:
        """Days on which some rule or text comes into force or ends, sorted."""
        days = {rule.first_day for rule in self.rules} | {rule.end_day for rule in self.rules}
        for text in self.texts.values():
            days |= {text.in_force.from_, text.in_force.until}
        return tuple(sorted(day for day in days if day is not None))

    def epoch(self, day: date) -> int:
        """Number of the stretch of days, with the same texts in force, that `day` is in."""
        return bisect_right(self.boundaries, day)

    def epoch_day(self, epoch: int) -> date:
        """A day that stands for its whole epoch."""
        return self.boundaries[epoch - 1] if epoch else date.min

    def as_if_since(self, text: str, day: date) -> Self:
        """The same set as if `text` had been in force since `day` and every activity relied on it.

        A rule of the text with later days of its own is moved with it; an end is kept.
        """
        moved = tuple(
            replace(rule, first_day=min(rule.first_day, day)) if rule.ref.text == text else rule
            for rule in self.rules
        )
        dates = self.texts[text].in_force
        known = dates.model_copy(update={"from_": min(dates.from_, day)})
        drafted = self.texts[text].model_copy(update={"in_force": known})
        activities = {
            name: one.model_copy(update={"legal_bases": (*one.legal_bases, text)})
            for name, one in self.activities.items()
        }
        return replace(
            self,
            rules=moved,
            texts=MappingProxyType({**self.texts, text: drafted}),
            activities=MappingProxyType(activities),
            slices=_slices(moved, activities, self.datasets),
        )

    def family(self, purpose: str) -> str:
        """The family of a known purpose."""
        return family_of(self.purposes, purpose)


def _slices(
    rules: tuple[Rule, ...],
    activities: Mapping[str, Activity],
    datasets: Mapping[tuple[str, str], Dataset],
) -> Slices:
    return Slices(
        rules,
        {activity.id: activity.body for activity in activities.values()},
        {f"{holder}/{name}": found.systems for (holder, name), found in datasets.items()},
    )


def in_force(text: Text, day: date) -> bool:
    """Whether the text is in force on `day`."""
    dates = text.in_force
    return dates.from_ <= day and (dates.until is None or day < dates.until)


def content_hash(files: Mapping[str, bytes]) -> bytes:
    """SHA-256 over `path ‖ 0 ‖ SHA-256(content)` in path order."""
    whole = hashlib.sha256()
    for path in sorted(files):
        whole.update(path.encode() + b"\0" + hashlib.sha256(files[path]).digest())
    return whole.digest()


def _check_paths(files: Mapping[str, bytes]) -> None:
    for path in sorted(files):
        if _PATHS.fullmatch(path) is None:
            raise refuse(path, None, "not a policy file", "see `policy/` in README.md")
    for needed in ("purposes.toml", "promises.toml", "schema.cedarschema"):
        if needed not in files:
            raise refuse(needed, None, "missing")


def _folder(files: Mapping[str, bytes], folder: str, name: str) -> list[tuple[str, str]]:
    """(id, path) of every `folder/<id><name>`, sorted."""
    pattern = re.compile(rf"{folder}/([a-z0-9-]+){re.escape(name)}", re.ASCII)
    found = ((pattern.fullmatch(path), path) for path in sorted(files))
    return [(match[1], path) for match, path in found if match]


def _parse_purposes(files: Mapping[str, bytes]) -> dict[str, Purpose]:
    path = "purposes.toml"
    found: dict[str, Purpose] = {}
    for purpose in parse_toml(path, files[path], PurposesFile).purpose:
        if purpose.id in found:
            raise refuse(path, None, f"purpose `{purpose.id}`: given twice")
        if purpose.parent is not None and purpose.parent not in found:
            raise refuse(path, None, f"purpose `{purpose.id}`: its parent stands nowhere above")
        found[purpose.id] = purpose
    return found


def _parse_texts(files: Mapping[str, bytes]) -> dict[str, Text]:
    found: dict[str, Text] = {}
    folders = {path.split("/")[1] for path in files if path.startswith("texts/")}
    for name in sorted(folders):
        for part in ("text.toml", "rules.cedar", "examples.yaml"):
            if f"texts/{name}/{part}" not in files:
                raise refuse(f"texts/{name}/{part}", None, "missing")
        path = f"texts/{name}/text.toml"
        text = parse_toml(path, files[path], Text)
        if text.id != name:
            raise refuse(path, 1, f"`id`: `{text.id}` is not the folder's name")
        found[name] = text
    return found


def _parse_activities(files: Mapping[str, bytes]) -> dict[str, Activity]:
    found: dict[str, Activity] = {}
    for name, path in _folder(files, "activities", ".toml"):
        activity = parse_toml(path, files[path], Activity)
        if activity.id != name:
            raise refuse(path, 1, f"`id`: `{activity.id}` is not the file's name")
        found[name] = activity
    return found


def _parse_datasets(files: Mapping[str, bytes]) -> dict[tuple[str, str], Dataset]:
    found: dict[tuple[str, str], Dataset] = {}
    for name, path in _folder(files, "datasets", ".toml"):
        holder = parse_toml(path, files[path], DatasetsFile)
        if holder.holder != name:
            raise refuse(path, 1, f"`holder`: `{holder.holder}` is not the file's name")
        for dataset in holder.dataset:
            if (name, dataset.id) in found:
                raise refuse(path, None, f"dataset `{dataset.id}`: given twice")
            found[name, dataset.id] = dataset
    return found


def _parse_rules(files: Mapping[str, bytes], texts: Mapping[str, Text]) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    for text in texts.values():
        path = f"texts/{text.id}/rules.cedar"
        rules.extend(parse_rules(path, parse_text(path, files[path]), text))
    return tuple(rules)


def _parse_schema(files: Mapping[str, bytes]) -> cedarpy.Schema:
    path = "schema.cedarschema"
    text = parse_text(path, files[path])
    check_nesting(path, None, re.sub(r"//[^\n]*", "", text))
    try:
        return cedarpy.Schema.from_str(text)
    except ValueError as error:
        raise refuse(path, None, f"not a Cedar schema: {error}") from error


def _parse_promises(files: Mapping[str, bytes]) -> dict[str, Promise]:
    path = "promises.toml"
    found: dict[str, Promise] = {}
    for promise in parse_toml(path, files[path], PromisesFile).promise:
        if promise.id in found:
            raise refuse(path, None, f"promise `{promise.id}`: given twice")
        found[promise.id] = promise
    return found


def _check_promises(promises: Mapping[str, Promise], purposes: Mapping[str, Purpose]) -> None:
    """A promise that names a purpose there is not would protect less than it seems to."""
    for promise in promises.values():
        if promise.kind == "never-purpose":
            for name in (*promise.collected_for, *promise.resets):
                if name not in purposes:
                    why = f"promise `{promise.id}`: purpose `{name}`: unknown"
                    raise refuse("promises.toml", None, why, "name one of purposes.toml")


def _parse_mention(files: Mapping[str, bytes]) -> tuple[Clause, ...]:
    path = "mention.toml"
    return parse_toml(path, files[path], MentionFile).clause if path in files else ()


def _parse_examples(
    files: Mapping[str, bytes], texts: Mapping[str, Text]
) -> dict[str, tuple[Example, ...]]:
    paths = {text: f"texts/{text}/examples.yaml" for text in texts}
    return {text: parse_examples(path, files[path]) for text, path in paths.items()}


def _check_references(
    purposes: Mapping[str, Purpose],
    texts: Mapping[str, Text],
    activities: Mapping[str, Activity],
    datasets: Mapping[tuple[str, str], Dataset],
    promises: Mapping[str, Promise],
) -> None:
    """Every id a file names is one another file gives."""
    names = {f"{holder}/{dataset}" for holder, dataset in datasets}
    for activity in activities.values():
        path = f"activities/{activity.id}.toml"
        _known(path, "purpose", activity.purposes, purposes)
        _known(path, "text", activity.legal_bases, texts)
        for reads in activity.reads:
            _known(path, "dataset", [f"{reads.holder}/{reads.dataset}"], names)
            _known(path, "field", reads.fields, datasets[reads.holder, reads.dataset].fields)
            stated = [reads.purpose] if reads.purpose else []
            _known(path, "purpose of its record", stated, activity.purposes)
            relied = [reads.legal_basis] if reads.legal_basis else []
            _known(path, "text of its record", relied, activity.legal_bases)
    for (holder, _), dataset in datasets.items():
        _known(f"datasets/{holder}.toml", "purpose", dataset.purposes, purposes)
    for text in texts.values():
        opened = [opening.promise for opening in text.opens]
        _known(f"texts/{text.id}/text.toml", "promise", opened, promises)
    for promise in promises.values():
        if promise.kind == "never-purpose":
            _known("promises.toml", "purpose", promise.purposes, purposes)
            _known("promises.toml", "dataset", promise.datasets, names)
        elif promise.kind == "only-purpose":
            _known("promises.toml", "purpose", [promise.received_for], purposes)


def _check_tables(statistics: Declared, datasets: Mapping[tuple[str, str], Dataset]) -> None:
    """Every table is made of datasets and fields that its holder has."""
    for table in statistics.tables.values():
        path = f"tables/{table.id}.toml"
        for name, fields in table.reads().items():
            dataset = datasets.get((table.holder, name))
            if dataset is None:
                raise refuse(path, None, f"dataset `{table.holder}/{name}`: unknown")
            _known(path, "field", fields, dataset.fields)


def _known(
    path: str,
    kind: str,
    names: "tuple[str, ...] | list[str]",
    known: "Mapping[str, object] | set[str] | tuple[str, ...]",
) -> None:
    for name in names:
        if name not in known:
            raise refuse(path, None, f"{kind} `{name}`: unknown")
