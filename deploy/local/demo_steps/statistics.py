"""One table across two holders: its price, its proof, the same question free, and a refusal."""

from contextlib import closing
from functools import partial
from hashlib import sha256
from typing import Any

from cloison.bodies import BodyId, parse_body
from cloison.cli.places import read_nodes
from cloison.errors import BudgetExceeded
from cloison.statistics.declared import Question
from cloison.wire.across_client import AcrossClient
from cloison.wire.holder_channels import load_register
from cloison.wire.node import system_clock
from cloison.wire.publication_file import parse_publication, print_publication
from cloison.wire.statistics_client import Publication, StatisticsClient
from demo_steps.stage import MONTH, Demo, DemoFailedError

ACTIVITY, TABLE, EPSILON, TOO_MUCH = "drees-statistics", "beneficiaries", "1", "7/2"
FILE = "beneficiaries.json"


def publish_across(demo: Demo) -> dict[str, Any]:
    """What was counted, of whom, and what it cost each population; as the summary has it."""
    period = str(MONTH - 2)
    holders = demo.policy.statistics.table(TABLE).holders
    question = demo.policy.statistics.question(TABLE, period, EPSILON, holders)
    before = _spent(demo, question)
    with closing(_connect(demo, question)) as client:
        record = demo.policy.activities[ACTIVITY]
        first = client.publish(question, record, system_clock())
        second = client.publish(question, record, system_clock())
        if first.publication is None or second.publication is None:
            raise DemoFailedError("a table was refused")
        refusal = _refused(demo, client, period)
    after = _spent(demo, question)
    free = second.kept and second.publication.document == first.publication.document
    _show(demo, first.publication, before, after)
    demo.say(f"  asked again: the same figures, {'free' if free else 'NOT FREE'}")
    demo.say(f"  asked with ε {TOO_MUCH}: {refusal}")
    return {
        "total": first.publication.content["levels"][0]["total"],
        "spent": after,
        "free_again": free,
        "refused": bool(refusal),
        "verified": _verified(demo, first.publication),
    }


def _connect(demo: Demo, question: Question) -> AcrossClient:
    nodes = read_nodes(demo.place, question.holders)
    addresses = {BodyId(node.body): node.address for node in nodes}
    ordered = {parse_body(holder): addresses[parse_body(holder)] for holder in question.holders}
    return AcrossClient.connect(demo.place.keys, ACTIVITY, ordered)


def _spent(demo: Demo, question: Question) -> dict[str, str]:
    """ε spent of each population, as its holder's node tells."""
    found = {}
    for holder in question.holders:
        (node,) = read_nodes(demo.place, [holder])
        client = StatisticsClient.connect(
            demo.place.keys, ACTIVITY, BodyId(node.body), node.address
        )
        population = question.whole.at(holder).population
        with closing(client):
            found[population] = next(
                one.spent_epsilon
                for one in client.budget().budgets
                if (one.population, one.year) == (population, question.grant.year)
            )
    return found


def _refused(demo: Demo, client: AcrossClient, period: str) -> str:
    holders = demo.policy.statistics.table(TABLE).holders
    dear = demo.policy.statistics.question(TABLE, period, TOO_MUCH, holders)
    try:
        client.publish(dear, demo.policy.activities[ACTIVITY], system_clock())
    except BudgetExceeded as error:
        return error.message
    return ""


def _show(
    demo: Demo, publication: Publication, before: dict[str, str], after: dict[str, str]
) -> None:
    content = publication.content
    privacy, shares = content["privacy"], content["privacy"]["shares"]
    demo.say(f"{content['title']}, {content['period']}: {content['levels'][0]['total']} counts")
    demo.say(
        "  no node saw the other's figures, nobody a sum without noise;"
        f" ε {privacy['epsilon']} towards the public, {shares['partner_epsilon']} towards the"
        " other holder"
    )
    for population, spent in after.items():
        demo.say(f"  {population}: ε {before[population]} spent before, {spent} after")


def _verified(demo: Demo, publication: Publication) -> bool:
    """Read back from its file, with public keys alone."""
    folder = demo.place.var / "tables"
    folder.mkdir(exist_ok=True)
    proof = publication.reserved, publication.published
    data = print_publication(publication.document, *proof, publication.also)
    (folder / FILE).write_bytes(data)
    document, proofs = parse_publication((folder / FILE).read_bytes())
    register_of = partial(load_register, demo.place.keys)
    again = Publication.verified_at_all(document, proofs, register_of)
    return sha256(again.document).digest() == sha256(publication.document).digest()
