"""What one policy set changes in another: by text, rule, activity, dataset; and which promises.

This compares what is written, not what is decided. A rule that breaks a promise without saying so
is for the proofs to find; what is seen here is every declared opening, and every step away from
what keeps a promise.
"""

from collections.abc import Iterator, Mapping

from cloison.law.policy_set import PolicySet
from cloison.law.records import FileShape, Text


def difference(old: PolicySet | None, new: PolicySet) -> tuple[str, ...]:
    """A line for each thing added (`+`), removed (`-`) or changed (`~`), sorted by thing.

    Example: `~ rule drm/no-targeting`. A first set adds all it has.
    """
    before, after = ({} if old is None else _things(old)), _things(new)
    return tuple(
        f"{_mark(thing in before, thing in after)} {thing}"
        for thing in sorted(before.keys() | after.keys())
        if before.get(thing) != after.get(thing)
    )


def opened_promises(old: PolicySet | None, new: PolicySet) -> tuple[str, ...]:
    """The promises that `new` opens, changes or guards less than `old` did; sorted ids.

    An opening text that is new, or whose dates or rules changed, opens what it says. A promise
    removed or changed is opened. A `forbid` removed or changed, a known purpose moved, or a known
    dataset held for other purposes or made of other data opens them all: any may rest on it.
    """
    if old is None:
        return tuple(sorted({one.promise for text in new.texts.values() for one in text.opens}))
    opened = {name for name, one in old.promises.items() if new.promises.get(name) != one}
    for text in new.texts.values():
        if text.opens and _opening(old, text.id) != _opening(new, text.id):
            opened |= {one.promise for one in text.opens}
    if _guards(old).items() - _guards(new).items():
        opened |= old.promises.keys()
    return tuple(sorted(opened))


def may_open(old: PolicySet, new: PolicySet) -> bool:
    """Whether anything `old` refused could be permitted by `new`; where not, promises stay kept.

    Adding forbids, texts without permits, examples or words permits nothing; nor does removing a
    permit. All else may, and is for the proofs.
    """
    before, after = _permissive(old), _permissive(new)
    return bool(after.items() - before.items() or _guards(old).items() - _guards(new).items())


def _permissive(policy: PolicySet) -> dict[str, str]:
    """What permits rest on, each under its name, spelled out."""
    permits = [rule for rule in policy.rules if rule.permits]
    found = {
        f"rule {rule.id}": f"{rule.first_day} {rule.end_day} {rule.template!r}" for rule in permits
    }
    texts = {rule.ref.text for rule in permits} | {
        text.id for text in policy.texts.values() if text.opens
    }
    for name in texts:
        text = policy.texts[name]
        found[f"text {name}"] = f"{text.in_force!r} {text.opens!r}"
    for kind, things in (("activity", policy.activities), ("purpose", policy.purposes)):
        found |= {f"{kind} {name}": repr(one) for name, one in things.items()}
    found |= {f"dataset {name}": repr(one) for name, one in policy.datasets.items()}
    return found | {f"promise {name}": repr(one) for name, one in policy.promises.items()}


def _mark(before: bool, after: bool) -> str:
    return "~" if before and after else "+" if after else "-"


def _things(policy: PolicySet) -> dict[str, object]:
    named: tuple[tuple[str, Mapping[str, FileShape]], ...] = (
        ("activity", policy.activities),
        ("dataset", {f"{holder}/{name}": one for (holder, name), one in policy.datasets.items()}),
        ("promise", policy.promises),
        ("purpose", policy.purposes),
        ("text", policy.texts),
    )
    found: dict[str, object] = {
        f"{kind} {name}": one for kind, things in named for name, one in things.items()
    }
    found |= {f"examples {text}": examples for text, examples in policy.examples.items()}
    found |= {f"rule {rule.ref.text}/{rule.ref.rule}": rule.source for rule in policy.rules}
    alarms = {} if policy.alarms is None else {"audit thresholds": policy.alarms}
    return found | alarms | {"mention": policy.mention, "witnesses": policy.witnesses}


def _opening(policy: PolicySet, name: str) -> tuple[Text | None, tuple[str, ...]]:
    text = policy.texts.get(name)
    return text, tuple(rule.source for rule in policy.rules if rule.ref.text == name)


def _guards(policy: PolicySet) -> dict[str, str]:
    """What keeps promises, each under its name, spelled out."""
    return dict(_each_guard(policy))


def _each_guard(policy: PolicySet) -> Iterator[tuple[str, str]]:
    for rule in policy.rules:
        if rule.ref.effect == "forbid":
            # As parsed: a comment guards nothing.
            yield f"rule {rule.id}", f"{rule.first_day} {rule.end_day} {rule.template!r}"
    for purpose in policy.purposes.values():
        yield f"purpose {purpose.id}", str(purpose.parent)
    for (holder, name), dataset in policy.datasets.items():
        free = dataset.model_dump(
            exclude={"title", "fields", "article", "read", "note"}, mode="json"
        )
        yield f"dataset {holder}/{name}", str(sorted(free.items()))
