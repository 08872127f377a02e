"""The federation's trust policy: its ledgers, its witnesses, and how many of these are enough."""

from collections.abc import Mapping
from pathlib import Path

from cloison.bodies import BodyId
from cloison.errors import InputError
from cloison.ledger.trust_policy import TrustPolicy, parse_trust_policy

PEERS, AUDITED = "peers", "audited"
"""Groups: whose cosignatures answering needs; whose a period needs to count as audited."""
_NEEDED = 2


QUORUM_NONE = "none"
"""What a federation says that asks for no witness: a node alone, or a trial."""


def print_trust_policy(public: Path, published: Mapping[BodyId, str], quorum: str = PEERS) -> str:
    """The C2SP policy file of a federation.

    A body that has a ledger is a peer; a witness without one is an overseer. Two peers are enough,
    or all where there are fewer; a body's witness never cosigns its own ledgers.

    Args:
        public: The folder of public keys.
        published: `host:port` of each body that publishes over HTTP.
        quorum: `peers`; or `none`, said in so many words.

    Raises:
        InputError: `NO_WITNESS`: `peers`, where there is no other body.
    """
    ledgers = sorted((public / "ledgers").glob("*.vkey"))
    keys = {path.stem: _line(path) for path in sorted((public / "witnesses").glob("*.vkey"))}
    peers = [name for name in keys if (public / "ledgers" / f"{name}.traces.vkey").exists()]
    overseers = [name for name in keys if name not in peers]
    others = max(len(peers) - 1, 0)
    if not others and quorum != QUORUM_NONE:
        raise InputError(
            "NO_WITNESS",
            "trust policy: no other body could witness this one's ledger",
            'say `quorum = "none"` in the file of addresses: nobody then vouches for its heads',
        )
    lines = [f"log {_line(path)}{_log_url(path, published)}" for path in ledgers]
    for name, vkey in keys.items():
        address = published.get(BodyId(name))
        url = f" http://{address}/witness" if address else ""
        lines.append(f"witness {name} {vkey}{url}")
    if others:
        lines.append(f"group {PEERS} {min(_NEEDED, others)} {' '.join(peers)}")
    first = [PEERS] if others else []
    if first or overseers:
        lines.append(f"group {AUDITED} all {' '.join([*first, *overseers])}")
    lines.append(f"quorum {quorum}")
    return "\n".join(lines) + "\n"


def load_trust_policy(
    keys: Path, published: Mapping[BodyId, str], quorum: str = PEERS
) -> TrustPolicy:
    """The policy of the keys of a federation.

    Raises:
        InputError: `BAD_TRUST_POLICY`, `NO_WITNESS`.
    """
    return parse_trust_policy(print_trust_policy(keys / "public", published, quorum))


def _line(path: Path) -> str:
    return path.read_text("utf-8").strip()


def _log_url(path: Path, published: Mapping[BodyId, str]) -> str:
    body, _, log = path.stem.partition(".")
    address = published.get(BodyId(body))
    return f" http://{address}/{log}" if address else ""
