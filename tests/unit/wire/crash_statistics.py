"""Publishes tables, one question after the other, until it is killed: run by a test.

Usage: python -m tests.unit.wire.crash_statistics KEYS STATE. A line for each table that left: its
question's loss and the SHA-256 of its document.
"""

import asyncio
import sys
from hashlib import sha256
from pathlib import Path

from tests.federation import CAF, NOW, ROOT, UnsafeClock
from tests.unit.wire.test_wire_statistics import ACTIVITY, DREES, TABLE

from cloison.cli.root import read_policy
from cloison.exchange.statement import TableQuestion
from cloison.identity import Peer, load_activity_keys
from cloison.law import PolicySet
from cloison.wire.holder import Holder
from cloison.wire.settings import NodeSettings, open_node
from cloison.wire.statistics_client import build_request
from cloison.wire.statistics_desk import StatisticsDesk

LOSSES = [f"1/{number}" for number in range(200, 1, -1)]


async def main(keys: Path, state: Path) -> None:
    policy = PolicySet.parse(read_policy(ROOT))
    node = open_node(NodeSettings(CAF, ROOT, keys, state, {}, quorum="none"), policy, UnsafeClock())
    desk = StatisticsDesk(node, Holder(node))
    own = load_activity_keys(keys / DREES / "activities" / ACTIVITY)
    for epsilon in LOSSES:
        asked = TableQuestion(TABLE, "2026-03", epsilon)
        request = build_request(
            own, CAF, policy.statistics.tables[TABLE], asked, policy.activities[ACTIVITY], NOW
        )
        answer = await desk.publish(Peer(DREES, ACTIVITY), request.statements)
        sys.stdout.write(f"{epsilon} {sha256(answer.document).hexdigest()}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
