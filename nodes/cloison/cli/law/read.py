"""`cloison law check`, `list`, `show`, `test`: the policy set, read and tested offline."""

from datetime import UTC, date, datetime
from typing import Annotated

import typer

from cloison.cli.law.shown import (
    FAILED,
    Json,
    Root,
    load,
    print_json,
    print_record,
    print_table,
)
from cloison.errors import InputError
from cloison.law import Activity, PolicySet, Text, run_examples
from cloison.law.policy_set import in_force


def check(root: Root = None, as_json: Json = False) -> None:
    """Reads every policy file; exit 3 with file and line where one is not valid.

    Example: cloison law check
    """
    policy = load(root)
    counts = {
        "policy_set": policy.hash.hex(),
        "purposes": len(policy.purposes),
        "texts": len(policy.texts),
        "rules": len(policy.rules),
        "activities": len(policy.activities),
        "datasets": len(policy.datasets),
        "promises": len(policy.promises),
        "examples": sum(map(len, policy.examples.values())),
    }
    if as_json:
        print_json(counts)
        return
    print(f"policy set {counts.pop('policy_set')}")
    print(" · ".join(f"{count} {name}" for name, count in counts.items()))


def list_(root: Root = None, as_json: Json = False) -> None:
    """Lists the activities, and the texts with their days and how much of each was read.

    Example: cloison law list
    """
    policy = load(root)
    today = datetime.now(UTC).date()
    texts = [_text_row(policy, text, today) for text in policy.texts.values()]
    activities = [
        {
            "id": activity.id,
            "body": activity.body,
            "purposes": list(activity.purposes),
            "legal_bases": list(activity.legal_bases),
            "shadow_until": "" if activity.shadow is None else f"{activity.shadow.until}",
        }
        for activity in policy.activities.values()
    ]
    if as_json:
        print_json({"texts": texts, "activities": activities})
        return
    shown = [{**row, "rules": row["rules"] or f"none: {row['no_rule']}"} for row in texts]
    columns = ("text", "from", "until", "in force", "read", "rules")
    print_table(columns, [{k: v for k, v in row.items() if k != "no_rule"} for row in shown])
    print_table(("activity", "body", "purposes", "relies on", "shadow until"), activities)


def _text_row(policy: PolicySet, text: Text, today: date) -> dict[str, object]:
    dates = text.in_force
    return {
        "id": text.id,
        "from": f"{dates.from_} ({dates.certainty})",
        "until": f"{dates.until} ({dates.until_certainty})" if dates.until else "",
        "in_force": in_force(text, today),
        "read": text.read.value,
        "rules": sum(rule.ref.text == text.id for rule in policy.rules),
        "no_rule": text.no_rule or "",
    }


def show(
    name: Annotated[str, typer.Argument(metavar="ID", help="A text or an activity.")],
    root: Root = None,
    as_json: Json = False,
) -> None:
    """Shows one text with its rules, or one activity's record.

    Example: cloison law show decret-2025-1288
    """
    policy = load(root)
    found: Text | Activity | None = policy.texts.get(name) or policy.activities.get(name)
    if found is None:
        raise InputError("UNKNOWN_ID", f"`{name}`: no text or activity", "see `cloison law list`")
    rules = [rule for rule in policy.rules if rule.ref.text == name]
    if as_json:
        content = found.model_dump(mode="json", by_alias=True)
        print_json({**content, **({"rules": [r.source for r in rules]} if rules else {})})
        return
    print_record(found.model_dump(mode="json", by_alias=True))
    for rule in rules:
        print(f"\n{rule.source}")


def run_test(root: Root = None, as_json: Json = False) -> None:
    """Puts every example to the law; exit 1 with a table of the differences.

    Example: cloison law test
    """
    results = list(run_examples(load(root)))
    if not results:
        raise InputError("NO_EXAMPLE", "no example found", "write texts/<id>/examples.yaml")
    differences = [one for _, _, found in results for one in found]
    failed = sum(bool(found) for _, _, found in results)
    rows = [
        {
            "text": one.text,
            "example": one.example.name,
            "what": one.what,
            "expected": one.expected,
            "found": one.found,
        }
        for one in differences
    ]
    if as_json:
        print_json({"examples": len(results), "failed": failed, "differences": rows})
    else:
        if rows:
            print_table(("text", "example", "what", "expected", "found"), rows)
        print(f"{len(results)} examples, {failed} differ")
    if rows:
        raise typer.Exit(FAILED)
