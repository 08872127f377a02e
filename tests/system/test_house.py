"""The two tests of the house: a fifth body is a folder, and so is a new decree; no Python changes.

Both run on a copy of the law and of the bodies' folders, to which files are added; questions go
over mutual TLS between nodes that are processes.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from tests.federation import ANNE, BODIES, CAF, CNAV, ROOT, _tables
from tests.system.conftest import Made, cloison, succeed, write_addresses

from cloison.bodies import BodyId
from cloison.cli.federation import running_pid, start, stop
from cloison.cli.places import Place, read_nodes
from cloison.cli.root import read_policy
from cloison.law import Example, PolicySet, decide, decide_example
from cloison.law.examples import facts_of, question_of
from cloison.law.question import Granularity, Outcome
from cloison.ledger.reader import EntryReader
from cloison.months import Month
from cloison.v1.entry_pb2 import Entry
from cloison.wire.client import connect
from cloison.wire.gateway import AskFor, Reply

MONTH = Month.parse("2026-06")
SOON = "2026-11-22"
"""After every example of the law, so that none decides otherwise; past, so that nodes see it."""
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


def _allowances(folder: Path) -> Path:
    file = folder / "allowances.csv"
    rows = [f"{ANNE.nir};2026-0{month};are;90{month}.00" for month in (2, 3, 4)]
    head = ["# cloison allowances 1", "nir;month;kind;amount"]
    file.write_text("\n".join([*head, *rows, "# end 3"]) + "\n", "utf-8")
    return file


def _ask(place: Place, activity: str, reference: str, **question: object) -> Reply:
    """Under a case opened at the family fund's node, whatever data stand elsewhere."""
    (address,) = (node.address for node in read_nodes(place, [CAF]))
    with closing(connect(place.keys, activity, place.root, address=address)) as client:
        (case,) = client.open_cases("claim", MONTH, [reference])
        plain = {"first": MONTH - 4, "last": MONTH - 2, "granularity": Granularity.MONTH}
        asked = AskFor(**plain, **question, persons=case.members[:1], case=case)  # type: ignore[arg-type]  # as the test says
        (reply,) = client.ask([asked])
    return reply


@pytest.fixture
def fifth(root: Path, tmp_path: Path) -> Iterator[Place]:
    """Nodes of the family fund and of a fifth body, made of files and commands alone."""
    _add(root, FIFTH_BODY)
    _identities(root)
    bodies = (CAF, FIFTH)
    addresses = write_addresses(tmp_path, (*BODIES, FIFTH))
    place = Place(root, tmp_path / "keys", tmp_path / "var", addresses)
    succeed(cloison("keys", "init", str(place.keys), "--root", str(root)))
    for body in bodies:
        files = tmp_path / "files" / body
        files.mkdir(parents=True)
        loaded = [*_tables(body, files)] + ([_allowances(files)] if body == FIFTH else [])
        succeed(cloison("node", "init", body, *place.state_options()))
        succeed(cloison("load", body, *map(str, loaded), *place.state_options()))
    start(place, nodes := read_nodes(place, bodies), within_seconds=60)
    yield place
    stop(nodes)


def test_fifth_body_of_files_alone_answers_over_the_wire_and_enters_it(fifth: Place) -> None:
    reply = _ask(
        fifth,
        "caf-trial",
        "C1",
        holder=FIFTH,
        dataset="allowances",
        fields=("amount", "kind"),
        purpose="eligibility",
        legal_basis="invented-fifth",
    )

    assert reply.release is not None
    records = [record for one in reply.release.persons[0].periods for record in one.records]
    assert [record.values[0].integer for record in records] == [902_00, 903_00, 904_00]
    reader = EntryReader(fifth.var / FIFTH / "ledger/traces")
    entries = [Entry.FromString(data) for _, data in reader.entries(0, reader.size)]
    [decided] = [one.decided for one in entries if one.WhichOneof("kind") == "decided"]
    assert [rule.text for rule in decided.decision.rules] == ["invented-fifth"]


@pytest.fixture
def two(made: Made, tmp_path: Path) -> Iterator[tuple[Place, str]]:
    """Nodes of the family fund and of the holder of incomes, and a claim to ask about."""
    copy = made.copied(tmp_path / "two")
    nodes = read_nodes(copy.place, [CAF, CNAV])
    start(copy.place, nodes, within_seconds=60)
    yield copy.place, copy.canary.claim
    stop(nodes)


def _ask_incomes(place: Place, claim: str) -> Reply:
    return _ask(
        place,
        "caf-ppa",
        claim,
        holder=CNAV,
        dataset="monthly_resources",
        fields=("mns", "nature"),
        purpose="calculation",
        legal_basis="decret-2025-1288",
    )


def test_new_decree_of_one_folder_loaded_into_running_nodes_changes_their_next_answer(
    two: tuple[Place, str], root: Path
) -> None:
    place, claim = two
    pids = [running_pid(node) for node in read_nodes(place, [CAF, CNAV])]
    before = _ask_incomes(place, claim)
    _add(root, {name: text.replace("2027-07-01", SOON) for name, text in DECREE.items()})
    signers = [f"{place.keys}/signers/{name}.key" for name in ("ministere", "controle")]
    keys = [part for name in signers for part in ("--key", name)]
    succeed(cloison("law", "sign", str(root / "policy"), *keys, "--keys", str(place.keys)))
    nodes = ("--node", CAF, "--node", CNAV)
    loaded = succeed(
        cloison("law", "load", str(root / "policy"), *nodes, *place.options(), "--json")
    )
    after = _ask_incomes(place, claim)

    assert [one["changes"] for one in json.loads(loaded.stdout)] == [
        ["+ examples invented-decree", "+ rule invented-decree/no-more", "+ text invented-decree"]
    ] * 2
    assert before.release is not None
    assert after.release is None
    assert after.decision is not None
    assert (after.decision.outcome, after.decision.reason) == (Outcome.DENY, "FORBIDDEN")
    assert [(one.text, one.rule) for one in after.decision.rules] == [
        ("invented-decree", "no-more")
    ]
    assert [running_pid(node) for node in read_nodes(place, [CAF, CNAV])] == pids


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (datetime(2027, 6, 30, 21, 59, tzinfo=UTC), "PERMITTED"),
        (datetime(2027, 6, 30, 22, 0, tzinfo=UTC), "FORBIDDEN"),
    ],
)
def test_new_decree_holds_from_midnight_in_paris_of_its_first_day(
    root: Path, now: datetime, reason: str
) -> None:
    _add(root, DECREE)
    policy = PolicySet.parse(read_policy(root))
    (example,) = policy.examples["invented-decree"]
    asked = example.model_copy(update={"day": date(2027, 6, 30)})

    assert decide(policy, question_of(policy, asked), facts_of(asked, now), now).reason == reason


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
