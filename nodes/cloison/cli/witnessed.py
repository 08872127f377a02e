"""Which nodes of this machine have their ledger seen by enough witnesses, and waiting for it."""

import time
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from cloison.bodies import BodyId
from cloison.cli.places import NodeAt, Place, read_published, read_quorum
from cloison.errors import CloisonError
from cloison.identity import ledger_origin
from cloison.ledger.checkpoint import verify_checkpoint
from cloison.ledger.note import parse_note
from cloison.ledger.quorum import quorum_seconds
from cloison.ledger.trust_policy import TrustPolicy
from cloison.wire.trust import load_trust_policy

MOST_BYTES = 65_536
_CALL_SECONDS = 3.0
_POLL_SECONDS = 0.1
_LATELY_SECONDS = 300
_FOUND = 200


def wait_witnessed(place: Place, nodes: Sequence[NodeAt], within_seconds: float) -> list[BodyId]:
    """Waits until enough witnesses saw each node's ledger, where enough of them run.

    Returns:
        Whose ledger too few have seen: their questions are refused until they have.
    """
    trust = load_trust_policy(place.keys, read_published(place), read_quorum(place))
    if not trust.asks:
        return []
    left = [node.body for node in nodes if not node.witness]
    running = {name for name, one in trust.witnesses.items() if _answers(one.url)}
    hopeful = [body for body in left if trust.met((running - {body}).__contains__)]
    deadline = time.monotonic() + within_seconds
    while (left := [body for body in left if not _seen(trust, body)]) and (
        set(left) & set(hopeful) and time.monotonic() < deadline
    ):
        time.sleep(_POLL_SECONDS)
    return left


def fetch_note(url: str) -> bytes | None:
    """The note at a URL, of whoever publishes there; None where nobody answers with one."""
    try:
        return fetch(url) if url.startswith("http://") else None
    except (OSError, HTTPException):
        return None


def fetch(url: str) -> bytes | None:
    """What is published there; None where it is not.

    Raises:
        OSError, HTTPException: nobody answers.
    """
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=_CALL_SECONDS)
    try:
        connection.request("GET", parts.path)
        response = connection.getresponse()
        body = response.read(MOST_BYTES)
        return body if response.status == _FOUND else None
    finally:
        connection.close()


def _answers(url: str) -> bool:
    with suppress(OSError, HTTPException):
        fetch(f"{url}/none/checkpoint")
        return True
    return False


def _seen(trust: TrustPolicy, body: BodyId) -> bool:
    """Whether what a node shows of its ledger was seen by enough, lately."""
    known = trust.logs.get(ledger_origin(body, "traces"))
    if known is None:
        return False
    verifier, url = known
    try:
        note = fetch(f"{url}/checkpoint") or b""
        verify_checkpoint(note, verifier)
        seconds = quorum_seconds(parse_note(note), trust, body)
    except (OSError, HTTPException, CloisonError):
        return False
    return seconds is not None and abs(time.time() - seconds) < _LATELY_SECONDS
