"""The two tests of the house: a fifth body is a folder, and so is a new decree; no Python changes.

Both run on a copy of the law and of the bodies' folders, to which files are added.
"""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests import federation as house
from tests.federation import ANNE, BODIES, NOW, ROOT, Federation, Template

from cloison.bodies import BodyId
from cloison.cli.root import read_policy
from cloison.declarations import load_files
from cloison.identity import load_secret
from cloison.law import Example, PolicySet, decide_example
from cloison.law.question import Granularity, Outcome
from cloison.store import Store, load_catalogue, load_nodes
from cloison.wire.gateway import Reply

FIFTH = BodyId("france-travail")
# Invented for these tests: no text, activity or figure below is the law's.
FIFTH_BODY = {
    "nodes/france-travail/node.toml": """
id = "france-travail"
name = "France Travail"
host = "127.0.0.1"
port = 7415
""",
    "nodes/france-travail/catalogue.toml": """
version = 1
body = "france-travail"

[datasets.allowances]
title = "Allowances"
description = "Unemployment allowances paid, by month."
period = "month"
due = { periods_later = 1, day = 5 }

[datasets.allowances.fields]
kind = { type = "code", required = true, codes = ["are", "ass"], description = "allowance" }
amount = { type = "cents", required = true, unit = "euro cents", description = "gross amount" }

[datasets.allowances.table]
columns = ["nir", "month", "kind", "amount"]
key = ["nir", "month", "kind"]
period = "month"
rows = [{ subject = "nir" }]
""",
    "policy/datasets/france-travail.toml": """
holder = "france-travail"

[[dataset]]
id = "allowances"
title = "Allocations"
fields = ["kind", "amount"]
purposes = ["eligibility"]
article = "texte inventé, art. 1"
read = "secondary"

[[dataset]]
id = "identities"
title = "État civil"
fields = ["nir_status", "death_date", "objection"]
purposes = ["eligibility"]
article = "texte inventé, art. 1"
read = "secondary"
""",
    "policy/texts/invented-fifth/text.toml": """
id = "invented-fifth"
title = "Texte inventé pour un essai"
read = "secondary"
sources = [{ code = "essai", where = "tests", part = "tout" }]
in_force = { from = 2026-01-01, certainty = "memory" }
""",
    "policy/texts/invented-fifth/rules.cedar": """
@id("allowances")
@article("1")
permit (principal, action == Action::"ask", resource == Dataset::"france-travail/allowances")
when { context.purpose == Purpose::"eligibility" }
when { context.case.live && context.case.own && context.case.covers_persons };
""",
    "policy/texts/invented-fifth/examples.yaml": """
- name: "Un essai"
  day: 2026-06-16
  activity: caf-trial
  purpose: eligibility
  basis: invented-fifth
  asks: france-travail/allowances
  fields: [amount]
  months: 2026-02..2026-04
  granularity: month
  case: {type: claim, month: 2026-06}
  expect: permit
  rules: [invented-fifth/allowances]
""",
    "policy/activities/caf-trial.toml": """
id = "caf-trial"
title = "Essai"
title_en = "Trial"
body = "caf"
controller = "CNAF"
dpo = "DPO"
purposes = ["eligibility"]
legal_bases = ["invented-fifth"]
persons = ["Allocataires"]
data = ["Allocations"]
recipients = ["Agents"]
retention = ["Le temps de l'essai"]
security = ["Demandes signées"]
transfers = "Aucun"
benefit = "ppa"
algorithm = "none"

[[case_types]]
type = "claim"
title = "Demande"
validity_days = 30

[[reads]]
holder = "france-travail"
dataset = "allowances"
fields = ["kind", "amount"]
why = "Essai"
""",
}
DECREE = {
    "policy/texts/invented-decree/text.toml": """
id = "invented-decree"
title = "Décret inventé pour un essai"
read = "secondary"
sources = [{ code = "essai", where = "tests", part = "tout" }]
in_force = { from = 2027-07-01, certainty = "memory" }
""",
    "policy/texts/invented-decree/rules.cedar": """
@id("no-more")
@article("1")
forbid (principal, action, resource in System::"drm")
when { principal.benefit == "ppa" };
""",
    "policy/texts/invented-decree/examples.yaml": """
- name: "Un essai"
  day: 2027-07-01
  activity: caf-ppa
  purpose: calculation
  basis: decret-2025-1288
  asks: cnav/monthly_resources
  fields: [mns]
  months: 2026-02..2026-04
  granularity: month
  case: {type: claim, month: 2026-06}
  expect: deny
  reason: FORBIDDEN
  rules: [invented-decree/no-more]
""",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The law and the bodies' folders, copied; no program among them."""
    copy = tmp_path / "root"
    shutil.copytree(ROOT / "policy", copy / "policy")
    for body in BODIES:
        shutil.copytree(ROOT / "nodes" / body, copy / "nodes" / body)
    assert not list(copy.rglob("*.py"))
    return copy


def _add(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        assert not path.exists(), "files are added, none is changed"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content.lstrip(), "utf-8")


def _identities(root: Path) -> None:
    """The fifth body's catalogue says who its people are in the words the others use."""
    cnav = (root / "nodes/cnav/catalogue.toml").read_text("utf-8")
    path = root / "nodes" / FIFTH / "catalogue.toml"
    path.write_text(path.read_text("utf-8") + cnav[cnav.index("[datasets.identities]") :], "utf-8")


def _load_allowances(template: Template, root: Path) -> None:
    keys = template.keys / FIFTH / "node"
    catalogue = load_catalogue(root / "nodes" / FIFTH / "catalogue.toml")
    file = template.directory / "allowances.csv"
    rows = [f"{ANNE.nir};2026-0{month};are;90{month}.00" for month in (2, 3, 4)]
    head = ["# cloison allowances 1", "nir;month;kind;amount"]
    file.write_text("\n".join([*head, *rows, "# end 3"]) + "\n", "utf-8")
    state = template.directory / FIFTH / "store.sqlite"
    secrets = (load_secret(keys / name) for name in ("row.key", "vault.key"))
    store = Store.open(state, catalogue, *secrets)
    try:
        assert load_files(store, catalogue, [file], NOW).records == 3
    finally:
        store.close()


@pytest.fixture
def five(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Federation]:
    """A federation of five bodies, the fifth made of files alone."""
    _add(root, FIFTH_BODY)
    _identities(root)
    monkeypatch.setattr(house, "ROOT", root)
    monkeypatch.setattr(house, "BODIES", tuple(load_nodes(root / "nodes")))
    template = house.make_template(tmp_path / "template")
    _load_allowances(template, root)
    with house.opened_federation(template, tmp_path / "run") as made:
        yield made


def _ask_allowances(five: Federation) -> Reply:
    trial = five.program("caf-trial")
    (reply,) = trial.ask(
        trial.question(
            trial.open_case(),
            holder=FIFTH,
            dataset="allowances",
            fields=("amount", "kind"),
            purpose="eligibility",
            legal_basis="invented-fifth",
            granularity=Granularity.MONTH,
        )
    )
    return reply


def test_fifth_body_of_files_alone_answers_a_question(five: Federation) -> None:
    reply = _ask_allowances(five)

    assert reply.release is not None
    records = [record for one in reply.release.persons[0].periods for record in one.records]
    assert [record.values[0].integer for record in records] == [902_00, 903_00, 904_00]


def test_fifth_body_enters_what_it_answered_in_its_own_ledger(five: Federation) -> None:
    reply = _ask_allowances(five)

    assert len(five.entries(FIFTH, "decided")) == 1
    assert reply.decision is not None
    assert [one.text for one in reply.decision.rules] == ["invented-fifth"]


def _asked_on(tmp_path: Path, day: datetime) -> Reply:
    """What the prime d'activité is told on a day."""
    template = house.make_template(tmp_path / "template")
    with house.opened_federation(template, tmp_path / "run") as made:
        made.clock.now = day
        ppa = made.program("caf-ppa")
        (reply,) = ppa.ask(ppa.question(ppa.open_case()))
        return reply


@pytest.mark.parametrize(
    ("day", "outcome"),
    [
        (datetime(2027, 6, 30, 21, 59, tzinfo=UTC), Outcome.PERMIT),
        (datetime(2027, 6, 30, 22, 0, tzinfo=UTC), Outcome.DENY),
    ],
)
def test_new_decree_of_one_folder_changes_answers_from_its_first_day(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, day: datetime, outcome: Outcome
) -> None:
    _add(root, DECREE)
    monkeypatch.setattr(house, "ROOT", root)

    reply = _asked_on(tmp_path, day)

    assert reply.decision is not None
    assert reply.decision.outcome is outcome
    assert (reply.release is None) == (outcome is Outcome.DENY)


def test_new_decree_opens_nothing_to_an_activity_that_does_not_rely_on_it(root: Path) -> None:
    _add(root, {name: text.replace("forbid", "permit") for name, text in DECREE.items()})
    record = root / "policy/activities/caf-ppa.toml"
    silent = PolicySet.parse(read_policy(root))
    record.write_text(
        record.read_text("utf-8").replace('"gdpr-5"]', '"gdpr-5", "invented-decree"]')
    )
    relying = PolicySet.parse(read_policy(root))

    (example,) = silent.examples["invented-decree"]
    question = _relying_on_it(example)

    assert decide_example(silent, question).reason == "BASIS_NOT_DECLARED"
    assert decide_example(relying, question).permitted


def _relying_on_it(example: Example) -> Example:
    """The same question, relying on the new text."""
    return example.model_copy(update={"basis": "invented-decree"})
