"""Rules: one Cedar policy each, with its article, its days in force and its obligations."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import date

import cedarpy
from cedarpy import pst

from cloison.errors import InputError
from cloison.law.durations import is_duration
from cloison.law.files import check_nesting, refuse
from cloison.law.question import Obligation, RuleRef
from cloison.law.records import Certainty, Text

OBLIGATION_KINDS = ("expire", "flag", "honour-objection", "notice")
"""What a holder must do for a permit to count, in the order it is listed. In a rule each is an
annotation, its hyphens written as underscores; the value of `expire` is a duration, `P12M`."""

_OBLIGATIONS = {kind.replace("-", "_"): kind for kind in OBLIGATION_KINDS}
_ANNOTATIONS = frozenset(
    {"id", "article", "from", "until", "certainty", "source", "version_of", "gap_before"}
    | _OBLIGATIONS.keys()
)
_SPELLING = "write it as the rules beside it are"
_TYPES = "see policy/schema.cedarschema for the names, and what each holds"
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|;', re.ASCII)
_RULE_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One permit or forbid of a text.

    Attributes:
        first_day: First day in force, included.
        end_day: First day no longer in force; None where no end is known.
        provisional: The text was not read whole, or a date was not read.
        source: The rule as written, its comment included.
        template: The parsed policy; its id is `text/rule`.
        conditions: Every conjunct of its `when` and `unless`, the latter negated.
        attributes: The names of every attribute the conditions read; no other changes its effect.
        version_of: The series it is a version of (`@version_of`, separated by spaces).
        gap_before: Why no version of the series stands just before it.
    """

    ref: RuleRef
    first_day: date
    end_day: date | None
    obligations: tuple[Obligation, ...]
    path: str
    line: int
    source: str
    template: pst.Template
    conditions: tuple[pst.Expr, ...]
    attributes: frozenset[str]
    version_of: tuple[str, ...]
    gap_before: str

    @property
    def id(self) -> str:
        """`text/rule`, as Cedar cites it."""
        return self.template.id

    @property
    def permits(self) -> bool:
        """Whether it is a permit."""
        return self.ref.effect == "permit"

    def in_force(self, day: date) -> bool:
        """Whether it is in force on `day`."""
        return self.first_day <= day and (self.end_day is None or day < self.end_day)


def parse_rules(path: str, source: str, text: Text) -> tuple[Rule, ...]:
    """Every rule of one `rules.cedar`, in the order written.

    Raises:
        InputError: `BAD_POLICY_FILE`: not Cedar, a rule without `@id` or `@article`, an unknown
            annotation, a bad date, an id used twice, a record compared whole.
    """
    rules: list[Rule] = []
    for line, chunk in _chunks(source):
        rule = _parse_rule(path, line, chunk, text)
        if any(rule.id == other.id for other in rules):
            raise refuse(
                path, line, f"rule `{rule.ref.rule}`: this @id is used twice", "give it another"
            )
        rules.append(rule)
    return tuple(rules)


def _chunks(source: str) -> Iterator[tuple[int, str]]:
    """Each policy with the line it starts at; a comment after the last one is none."""
    start = 0
    for token in _TOKEN.finditer(source):
        if token[0] == ";":
            yield _first_line(source, start), source[start : token.end()].strip()
            start = token.end()
    rest = source[start:]
    if re.sub(r"//[^\n]*", "", rest).strip():
        yield _first_line(source, start), rest.strip()


def _first_line(source: str, start: int) -> int:
    """Line of the first thing after `start` that is neither blank nor a comment."""
    match = re.compile(r"(?:\s|//[^\n]*(?:\n|$))*").match(source, start)
    return source.count("\n", 0, match.end() if match else start) + 1


def _parse_rule(path: str, line: int, source: str, text: Text) -> Rule:
    template = _parse_template(path, line, source)
    notes = dict(template.annotations)
    unknown = sorted(set(notes) - _ANNOTATIONS)
    if unknown:
        known = ", ".join(f"@{one}" for one in sorted(_ANNOTATIONS))
        raise refuse(path, line, f"annotation `@{unknown[0]}`: unknown", f"one of: {known}")
    for needed in ("id", "article"):
        if not notes.get(needed, "").strip():
            raise refuse(path, line, f"a rule without @{needed}", "every rule cites its article")
    if _RULE_ID.fullmatch(notes["id"]) is None:
        raise refuse(path, line, f"rule `{notes['id']}`: not an id", "use a-z, 0-9 and `-`")
    first_day, end_day, certain = _days(path, line, notes, text)
    ref = RuleRef(
        text=text.id,
        rule=notes["id"],
        article=notes["article"],
        effect=template.effect,
        provisional=text.provisional or not certain,
    )
    rule_id = f"{text.id}/{ref.rule}"
    conditions = tuple(conditions_of(template))
    if any(map(_compares_whole, conditions)):
        why = f"rule `{ref.rule}`: reads `context` or `context.case` whole"
        raise refuse(path, line, why, "read it by its attributes")
    return Rule(
        ref=ref,
        first_day=first_day,
        end_day=end_day,
        obligations=_obligations(path, line, template.effect, notes, rule_id),
        path=path,
        line=line,
        source=source,
        template=replace(template, id=rule_id),
        conditions=conditions,
        attributes=attributes_of(conditions),
        version_of=_series(path, line, notes.get("version_of", "")),
        gap_before=notes.get("gap_before", ""),
    )


def _series(path: str, line: int, names: str) -> tuple[str, ...]:
    for name in names.split():
        if _RULE_ID.fullmatch(name) is None:
            raise refuse(path, line, f"@version_of `{name}`: not an id", "use a-z, 0-9 and `-`")
    return tuple(names.split())


def _parse_template(path: str, line: int, source: str) -> pst.Template:
    check_nesting(path, line, _TOKEN.sub("", source))
    try:
        parsed = cedarpy.policies_to_pst(source)
    except ValueError as error:
        raise refuse(path, line, f"not a Cedar rule: {error}", _SPELLING) from error
    if parsed.templates or len(parsed.static_policies) != 1:
        raise refuse(path, line, "a rule has no `?principal` or `?resource`", "name them")
    return next(iter(parsed.static_policies.values()))


def _days(
    path: str, line: int, notes: dict[str, str], text: Text
) -> tuple[date, date | None, bool]:
    """The rule's own days within its text's, and whether they were read."""
    first, end = text.in_force.from_, text.in_force.until
    if "from" in notes:
        first = max(first, _date(path, line, notes["from"]))
    if "until" in notes:
        own = _date(path, line, notes["until"])
        end = own if end is None else min(end, own)
    if end is not None and end <= first:
        why = "the rule is in force on no day of its text"
        raise refuse(path, line, why, "see its @from and @until, and `in_force` in text.toml")
    try:
        certainty = Certainty(notes.get("certainty", Certainty.READ))
    except ValueError as error:
        why = f"@certainty `{notes['certainty']}`: unknown"
        raise refuse(path, line, why, f"one of: {', '.join(Certainty)}") from error
    return first, end, certainty is Certainty.READ


def _date(path: str, line: int, text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise refuse(path, line, f"date `{text}`: not a date", "use YYYY-MM-DD") from error
    if day.isoformat() != text:
        raise refuse(path, line, f"date `{text}`: not a date", "use YYYY-MM-DD")
    return day


def _obligations(
    path: str, line: int, effect: str, notes: dict[str, str], rule_id: str
) -> tuple[Obligation, ...]:
    found = tuple(
        Obligation(kind=kind, value=notes[name], rule=rule_id)
        for name, kind in _OBLIGATIONS.items()
        if name in notes
    )
    if found and effect == "forbid":
        raise refuse(path, line, "a forbid has no obligation", "put it on the permit it is for")
    for obligation in found:
        is_expiry = obligation.kind == "expire"
        if not (is_duration if is_expiry else _RULE_ID.fullmatch)(obligation.value):
            why = f"@{obligation.kind} `{obligation.value}`: not understood"
            hint = "a duration, as P12M" if is_expiry else "use a-z, 0-9 and `-`"
            raise refuse(path, line, why, hint)
    return found


def conditions_of(template: pst.Template) -> Iterator[pst.Expr]:
    """Every conjunct of its `when`, and each `unless` negated."""
    for clause in template.clauses:
        if isinstance(clause, pst.Unless):
            yield pst.UnaryOp("not", clause.expr)
        else:
            yield from _conjuncts(clause.expr)


def _conjuncts(expr: pst.Expr) -> Iterator[pst.Expr]:
    if isinstance(expr, pst.BinaryOp) and expr.op == "and":
        yield from _conjuncts(expr.left)
        yield from _conjuncts(expr.right)
    else:
        yield expr


def nodes_of(condition: pst.Expr) -> Iterator[object]:
    """A condition's syntax nodes, itself included, in no order."""
    stack: list[object] = [condition]
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, tuple):
            stack.extend(node)
        elif isinstance(node, Mapping):
            stack.extend(node.values())
        elif is_dataclass(node):
            stack.extend(getattr(node, field.name) for field in fields(node))


def attributes_of(conditions: Iterable[pst.Expr]) -> frozenset[str]:
    """The names of every attribute the conditions read, of whatever."""
    nodes = (node for condition in conditions for node in nodes_of(condition))
    return frozenset(
        name
        for node in nodes
        if isinstance(node, pst.GetAttr | pst.HasAttr)
        for name in ((node.attr,) if isinstance(node, pst.GetAttr) else node.attrs)
    )


def _compares_whole(condition: pst.Expr) -> bool:
    """Whether it reads the context, or the case, otherwise than through an attribute.

    INVARIANT: a question is put to the rules without what no rule reads by name; a record that is
    compared whole would never be the one the rule wrote.
    """
    nodes = list(nodes_of(condition))
    bases = [node.base for node in nodes if isinstance(node, pst.GetAttr | pst.HasAttr)]
    return sum(map(_is_record, nodes)) > sum(map(_is_record, bases))


def _is_record(node: object) -> bool:
    return node == pst.Var("context") or (
        isinstance(node, pst.GetAttr) and node.attr == "case" and node.base == pst.Var("context")
    )


def check_types(rules: tuple[Rule, ...], source: str, schema: cedarpy.Schema) -> None:
    """Every rule is typed by the schema.

    Raises:
        InputError: `BAD_POLICY_FILE`: an unknown attribute, entity type or action, a wrong type.
    """
    result = cedarpy.validate_policies(source, schema)
    if result.validation_passed:
        return
    if not result.errors:
        raise InputError("BAD_POLICY_FILE", "policy rules: the schema refuses them")
    first = result.errors[0]
    # Cedar names policies by their place: two texts may have a rule of one name.
    rule = rules[int(first.policy_id.removeprefix("policy"))]
    why = re.sub(r"^for policy `[^`]*`, ", "", first.error)
    raise refuse(rule.path, rule.line, f"rule `{rule.ref.rule}`: {why}", _TYPES)
