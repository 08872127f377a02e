"""What one policy set changes in another, and which promises it opens or guards less."""

from collections.abc import Callable

import pytest

from cloison.cli.root import find_root, read_policy
from cloison.law import PolicySet
from cloison.law.set_difference import difference, opened_promises

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def files() -> Files:
    return read_policy(find_root())


@pytest.fixture(scope="module")
def before(files: Files) -> PolicySet:
    return PolicySet.parse(files)


def edited(files: Files, path: str, old: str, new: str) -> PolicySet:
    text = files[path].decode()
    assert old in text
    return PolicySet.parse({**files, path: text.replace(old, new, 1).encode()})


def test_difference_of_a_set_with_itself_is_nothing(before: PolicySet) -> None:
    assert difference(before, before) == ()
    assert opened_promises(before, before) == ()


def test_difference_of_a_first_set_is_all_of_it(before: PolicySet) -> None:
    lines = difference(None, before)
    assert {line[0] for line in lines} == {"+"}
    assert len([one for one in lines if one.startswith("+ rule ")]) == len(before.rules)


def test_difference_names_each_kind_of_change(files: Files, before: PolicySet) -> None:
    fewer = {path: data for path, data in files.items() if path != "mention.toml"}
    fewer["texts/loi-51-711/text.toml"] = files["texts/loi-51-711/text.toml"].replace(
        b"title = ", b'title = "X" # '
    )
    assert difference(before, PolicySet.parse(fewer)) == ("~ mention", "~ text loi-51-711")


def test_a_comment_in_a_forbid_opens_nothing(files: Files, before: PolicySet) -> None:
    path = "texts/crpa-l114-8/rules.cedar"
    after = edited(files, path, "forbid (", "// A comment.\nforbid (")
    assert opened_promises(before, after) == ()


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("texts/crpa-l114-8/rules.cedar", "forbid (", "permit ("),
        ("purposes.toml", 'parent = "control"', 'parent = "calculation"'),
        ("datasets/cnav.toml", "purposes = [", 'purposes = ["control-targeting", '),
    ],
    ids=["forbid-gone", "purpose-moved", "dataset-for-another-purpose"],
)
def test_less_of_what_keeps_promises_opens_them_all(
    files: Files, before: PolicySet, path: str, old: str, new: str
) -> None:
    after = edited(files, path, old, new)
    assert opened_promises(before, after) == tuple(sorted(before.promises))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("until = 2025-02-01", "until = 2026-02-01"),
        lambda text: text.replace("until = 2025-12-23", "until = 2025-12-24"),
    ],
    ids=["opened-longer", "in-force-longer"],
)
def test_an_opening_that_changes_opens_its_promise(
    files: Files, before: PolicySet, change: Callable[[str], str]
) -> None:
    path = "texts/decret-2024-50/text.toml"
    after = PolicySet.parse({**files, path: change(files[path].decode()).encode()})
    assert opened_promises(before, after) == ("income-never-targets",)


def test_a_promise_removed_is_opened(files: Files, before: PolicySet) -> None:
    path = "promises.toml"
    text = files[path].decode()
    start = text.index("[[promise]]", text.index("[[promise]]") + 1)
    kept = text[:start]
    opened = {text.id for text in before.texts.values() if text.opens}
    assert opened == {"decret-2024-50"}
    after = PolicySet.parse({**files, path: kept.encode()})
    gone = before.promises.keys() - after.promises.keys()
    assert gone
    assert set(opened_promises(before, after)) == gone


def test_a_first_set_opens_what_its_texts_say(before: PolicySet) -> None:
    assert opened_promises(None, before) == ("income-never-targets",)
