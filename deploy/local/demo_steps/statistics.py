"""Two tables: a sum of two holders' cells, and rows of two bodies joined by a third.

Of each: what it took of whose budget, its proof, the same question free, and a refusal.
"""

from collections.abc import Callable
from contextlib import closing
from functools import partial
from hashlib import sha256
from typing import Any

from cloison.bodies import BodyId
from cloison.cli.places import read_nodes
from cloison.cli.stats_across import publish_together
from cloison.errors import BudgetExceeded
from cloison.statistics.declared import Question
from cloison.wire.holder_channels import load_register
from cloison.wire.publication_file import parse_publication, print_publication
from cloison.wire.statistics_client import Publication, StatisticsClient, TableReply
from demo_steps.stage import MONTH, Demo, DemoFailedError

ACTIVITY, EPSILON = "drees-statistics", "1"
ACROSS, ACROSS_TOO_MUCH = "beneficiaries", "7/2"
JOINED, JOINED_TOO_MUCH = "rsa-income", "3/2"
"""What is asked last is more than what the first question left."""


def publish_tables(demo: Demo) -> dict[str, Any]:
    """Both tables, each as the summary has it."""
    return {"across": publish_across(demo), "joined": publish_joined(demo)}


def publish_across(demo: Demo) -> dict[str, Any]:
    """Persons paid by either of two holders; each adds noise, and neither sees the other's."""

    def explain(publication: Publication) -> str:
        privacy = publication.content["privacy"]
        partner = privacy["shares"]["partner_epsilon"]
        return (
            "no node saw the other's figures, nobody a sum without noise;"
            f" ε {privacy['epsilon']} towards the public, {partner} towards the other holder"
        )

    return _publish(demo, ACROSS, ACROSS_TOO_MUCH, explain)


def publish_joined(demo: Demo) -> dict[str, Any]:
    """Incomes of one body, recipients of another, under pseudonyms that a third made."""

    def explain(_: Publication) -> str:
        whole = demo.policy.statistics.table(JOINED)
        joins, keys, names, *others = whole.participants()
        return (
            f"{names} named persons to {keys}, which made pseudonyms and saw no column; {joins}"
            f" joined columns of {names} and\n  {', '.join(others)} and saw no number, then"
            " destroyed the rows and entered that"
        )

    return _publish(demo, JOINED, JOINED_TOO_MUCH, explain)


def _publish(
    demo: Demo, table: str, too_much: str, explain: Callable[[Publication], str]
) -> dict[str, Any]:
    """What was counted, of whom, and what it cost each population."""
    question = _question(demo, table, EPSILON)
    before = _budgets(demo, question)
    first, second = _ask(demo, question).publication, _ask(demo, question)
    if first is None or second.publication is None:
        raise DemoFailedError(f"table {table}: refused")
    after = _budgets(demo, question)
    free = second.kept and second.publication.document == first.document
    content = first.content
    top = content["levels"][0]
    demo.say(f"{content['title']}, {content['period']}")
    demo.say(f"  {top['total']} counted in {len(top['keys'])} cells, each ± {top['rmse']:.0f}")
    demo.say(f"  {explain(first)}")
    for population, (granted, spent) in after.items():
        was = before[population][1]
        demo.say(f"  budget of {population}: ε {was} of {granted} before, {spent} after")
    demo.say(f"  asked again: the same figures, {'free' if free else 'NOT FREE'}")
    refusal = _refused(demo, _question(demo, table, too_much))
    demo.say(f"  asked for ε {too_much} more: {refusal or 'NOT REFUSED'}")
    unspent = _budgets(demo, question) == after
    return {
        "total": top["total"],
        "spent_before": {population: spent for population, (_, spent) in before.items()},
        "spent": {population: spent for population, (_, spent) in after.items()},
        "free_again": free and unspent,
        "refused": bool(refusal) and unspent,
        "verified": _verified(demo, first, table),
    }


def _question(demo: Demo, table: str, epsilon: str) -> Question:
    declared = demo.policy.statistics
    also = declared.table(table).also
    holders = declared.table(table).holders if also else ()
    return declared.question(table, str(MONTH - 2), epsilon, holders)


def _ask(demo: Demo, question: Question) -> TableReply:
    record = demo.policy.activities[ACTIVITY]
    return publish_together(question, record, demo.place.keys, partial(_address, demo))


def _address(demo: Demo, body: BodyId) -> str:
    (node,) = read_nodes(demo.place, [body])
    return node.address


def _budgets(demo: Demo, question: Question) -> dict[str, tuple[str, str]]:
    """ε granted and spent of each population, as its holder's node tells."""
    found = {}
    for holder in map(BodyId, question.holders):
        client = StatisticsClient.connect(demo.place.keys, ACTIVITY, holder, _address(demo, holder))
        population = question.whole.at(holder).population
        with closing(client):
            found[population] = next(
                (one.granted_epsilon, one.spent_epsilon)
                for one in client.budget().budgets
                if (one.population, one.year) == (population, question.grant.year)
            )
    return found


def _refused(demo: Demo, question: Question) -> str:
    try:
        _ask(demo, question)
    except BudgetExceeded as error:
        return f"refused, {error.message}"
    return ""


def _verified(demo: Demo, publication: Publication, table: str) -> bool:
    """Read back from its file, with public keys alone."""
    folder = demo.place.var / "tables"
    folder.mkdir(exist_ok=True)
    proof = publication.reserved, publication.published
    data = print_publication(publication.document, *proof, publication.also)
    file = folder / f"{table}.json"
    file.write_bytes(data)
    document, proofs = parse_publication(file.read_bytes())
    register_of = partial(load_register, demo.place.keys)
    again = Publication.verified_at_all(document, proofs, register_of)
    return sha256(again.document).digest() == sha256(publication.document).digest()
