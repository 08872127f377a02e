"""When enough witnesses had seen a head: what a trust policy makes of a note's cosignatures."""

from dataclasses import dataclass

from cloison.ledger.checkpoint import Checkpoint
from cloison.ledger.note import Note
from cloison.ledger.trust_policy import TrustPolicy


@dataclass(frozen=True, slots=True)
class SeenHead:
    """A signed head, and when enough witnesses had seen it.

    Attributes:
        seconds: Since 1970; None: not enough of them did, or the trust policy asks for none.
    """

    head: Checkpoint
    seconds: int | None


def quorum_seconds(note: Note, trust: TrustPolicy, own: str) -> int | None:
    """When the last cosignature that made enough of them was given; the newest ones count.

    One witness that lies about its time can only make a head look older, unless the quorum is it
    alone.

    Args:
        note: A head, whose ledger's signature was verified.
        trust: Which witnesses there are, and how many are enough.
        own: Name of the witness of the ledger's own body, which never counts.

    Returns:
        Seconds since 1970; None where too few saw it, or the policy asks for none.

    Raises:
        IntegrityError: `BAD_SIGNATURE`: a line claims to be a witness's and is not, or two do.
    """
    if not trust.asks:
        return None
    times: dict[str, int] = {}
    for name, witness in trust.witnesses.items():
        seen = None if name == own else witness.verifier.seen(note)
        if seen is not None:
            times[name] = seen
    newest = sorted(times, key=lambda name: times[name], reverse=True)
    for count, name in enumerate(newest, 1):
        if trust.met(set(newest[:count]).__contains__):
            return times[name]
    return None
