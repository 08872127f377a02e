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

from cloison.law.alarms import Alarms
from cloison.law.entities import build_entities, family_of
from cloison.law.expected import Example
from cloison.law.files import (
    check_nesting,
    line_of,
    parse_examples,
    parse_text,
    parse_toml,
    refuse,
)
from cloison.law.mention import Clause, MentionFile
from cloison.law.names import Names
from cloison.law.records import (
    Activity,
    Dataset,
    DatasetsFile,
    Promise,
    PromisesFile,
    Purpose,
    PurposesFile,
    Text,
)
from cloison.law.references import References
from cloison.law.rules import Rule, check_types, parse_rules
from cloison.law.slices import Slices
from cloison.law.trace_rules import TraceRules
from cloison.law.witnesses import WitnessLimits, parse_witnesses
from cloison.statistics.declared import Declared, parse_declared

_PATHS = re.compile(
    r"purposes\.toml|promises\.toml|mention\.toml|witnesses\.toml|audit\.toml|traces\.toml"
    r"|schema\.cedarschema"
    r"|texts/[a-z0-9-]+/(?:text\.toml|rules\.cedar|examples\.yaml)"
    r"|activities/[a-z0-9-]+\.toml|datasets/[a-z0-9-]+\.toml"
    r"|(?:tables|grants|ceilings|keys)/[a-z0-9-]+\.toml",
    re.ASCII,
)
_PARENT_ABOVE = "write a family before its purposes; a purpose is never its own ancestor"
_THREE_FILES = "a text is three files: text.toml, rules.cedar (may be a comment), examples.yaml"


@dataclass(frozen=True, eq=False)
class PolicySet:
    """A whole policy set, valid in every part or not made at all.

    Attributes:
        hash: SHA-256 over each path and content hash, in path order: the set's name.
        datasets: By (holder, dataset).
        rules: Every rule of every text, in path order.
        traces: Who reads traces, how long they are kept; None where the set has no such file.
        statistics: Tables, and the budgets granted to them.
        witnesses: How lately ledgers must have been witnessed; None in a set older than that file.
        alarms: Above which numbers an audit speaks; None where the set does not say.
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
    alarms: Alarms | None
    mention: tuple[Clause, ...]
    traces: TraceRules | None
    statistics: Declared
    witnesses: WitnessLimits | None
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
        statistics = parse_declared(files)
        tables = statistics.tables
        References(files, purposes, texts, activities, datasets, promises, tables).check()
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
            alarms=_parse_alarms(files),
            mention=_parse_mention(files),
            traces=_parse_traces(files, purposes, texts),
            statistics=statistics,
            witnesses=parse_witnesses(files, purposes),
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
            raise refuse(needed, None, "missing", "every policy set has one")


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
            line = line_of(files[path], purpose.id, last=True)
            raise refuse(path, line, f"purpose `{purpose.id}`: given twice", "keep one of them")
        if purpose.parent is not None and purpose.parent not in found:
            why = f"purpose `{purpose.id}`: its parent stands nowhere above"
            # So that no purpose can be its own ancestor.
            raise refuse(path, line_of(files[path], purpose.id), why, _PARENT_ABOVE)
        found[purpose.id] = purpose
    return found


def _parse_texts(files: Mapping[str, bytes]) -> dict[str, Text]:
    found: dict[str, Text] = {}
    folders = {path.split("/")[1] for path in files if path.startswith("texts/")}
    for name in sorted(folders):
        for part in ("text.toml", "rules.cedar", "examples.yaml"):
            if f"texts/{name}/{part}" not in files:
                raise refuse(f"texts/{name}/{part}", None, "missing", _THREE_FILES)
        path = f"texts/{name}/text.toml"
        text = parse_toml(path, files[path], Text)
        if text.id != name:
            raise refuse(path, 1, f"`id`: `{text.id}` is not the folder's name", f"write `{name}`")
        found[name] = text
    return found


def _parse_activities(files: Mapping[str, bytes]) -> dict[str, Activity]:
    found: dict[str, Activity] = {}
    for name, path in _folder(files, "activities", ".toml"):
        activity = parse_toml(path, files[path], Activity)
        if activity.id != name:
            why = f"`id`: `{activity.id}` is not the file's name"
            raise refuse(path, line_of(files[path], activity.id), why, f"write `{name}`")
        found[name] = activity
    return found


def _parse_datasets(files: Mapping[str, bytes]) -> dict[tuple[str, str], Dataset]:
    found: dict[tuple[str, str], Dataset] = {}
    for name, path in _folder(files, "datasets", ".toml"):
        holder = parse_toml(path, files[path], DatasetsFile)
        if holder.holder != name:
            why = f"`holder`: `{holder.holder}` is not the file's name"
            raise refuse(path, line_of(files[path], holder.holder), why, f"write `{name}`")
        for dataset in holder.dataset:
            if (name, dataset.id) in found:
                line = line_of(files[path], dataset.id, last=True)
                raise refuse(path, line, f"dataset `{dataset.id}`: given twice", "keep one of them")
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
        raise refuse(path, None, f"not a Cedar schema: {error}", "mend the schema") from error


def _parse_promises(files: Mapping[str, bytes]) -> dict[str, Promise]:
    path = "promises.toml"
    found: dict[str, Promise] = {}
    for promise in parse_toml(path, files[path], PromisesFile).promise:
        if promise.id in found:
            line = line_of(files[path], promise.id, last=True)
            raise refuse(path, line, f"promise `{promise.id}`: given twice", "keep one of them")
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


def _parse_alarms(files: Mapping[str, bytes]) -> Alarms | None:
    path = "audit.toml"
    return parse_toml(path, files[path], Alarms) if path in files else None


def _parse_traces(
    files: Mapping[str, bytes], purposes: Mapping[str, Purpose], texts: Mapping[str, Text]
) -> TraceRules | None:
    path = "traces.toml"
    if path not in files:
        return None
    found = parse_toml(path, files[path], TraceRules)
    for kind, names, known in (
        ("text", [one.text for one in found.grounds], texts),
        ("purpose", found.purposes, purposes),
    ):
        for name in names:
            if name not in known:
                line = line_of(files[path], name)
                raise refuse(path, line, f"{kind} `{name}`: unknown", "name one of the policy set")
    return found


def _parse_examples(
    files: Mapping[str, bytes], texts: Mapping[str, Text]
) -> dict[str, tuple[Example, ...]]:
    paths = {text: f"texts/{text}/examples.yaml" for text in texts}
    return {text: parse_examples(path, files[path]) for text, path in paths.items()}
