"""All nodes asked in turn, each with a token of its own; what they give, verified and compared."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass

from cloison.bodies import BodyId
from cloison.errors import CloisonError, PeerError
from cloison.exchange.receipt import Checked, verify_receipt
from cloison.identity.sign_in import audience_of
from cloison.law.trace_rules import TraceRules
from cloison.ledger.checkpoint import verify_checkpoint
from cloison.ledger.note import NoteVerifier
from cloison.ledger.trust_policy import TrustPolicy
from cloison.programs.person.compare import differences
from cloison.programs.person.verify import Expected, Traces, verify_traces
from cloison.wire.person_client import PersonClient, SignedIn

SignIn = Callable[[str, str], SignedIn]
"""A token for an audience and a nonce."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How a person reaches one node, and what they hold it to."""

    body: BodyId
    connect: Callable[[], PersonClient]
    verifier: NoteVerifier


@dataclass(frozen=True, slots=True)
class Read:
    """What came of asking.

    Attributes:
        traces: Of each body, verified.
        failed: Of each body that did not answer, or whose answer does not hold.
        differences: What two ledgers say differently of the person, in French.
    """

    traces: Mapping[BodyId, Traces]
    failed: Mapping[BodyId, CloisonError]
    differences: tuple[str, ...]


def read_all(nodes: list[Asked], trust: TrustPolicy, rules: TraceRules, sign_in: SignIn) -> Read:
    """Asks each node; one that fails does not keep the others from being read.

    Raises:
        PeerError: `SIGN_IN_REFUSED`: the issuer knows nobody such.
    """
    traces: dict[BodyId, Traces] = {}
    failed: dict[BodyId, CloisonError] = {}
    for node in nodes:
        try:
            with closing(node.connect()) as client:
                signed_in = _sign_in(client, sign_in)
                expected = Expected(node.body, node.verifier, trust, rules, signed_in.nonce)
                traces[node.body] = verify_traces(expected, client.accesses(signed_in))
        except CloisonError as error:
            if error.reason in {"SIGN_IN_REFUSED", "NO_ISSUER"}:
                raise
            failed[node.body] = error
    return Read(traces, failed, tuple(differences(traces)))


def contest(node: Asked, sign_in: SignIn, index: int, leaf: bytes, says: str) -> Checked:
    """Contests one entry of a node; the receipt holds and is of this.

    Raises:
        PeerError: `BAD_RECEIPT`, or as the node says.
    """
    with closing(node.connect()) as client:
        response = client.contest(_sign_in(client, sign_in), index, leaf, says)
    checked = verify_receipt(response.receipt, lambda note: verify_checkpoint(note, node.verifier))
    contested = checked.entry.access_contested
    if (contested.leaf_index, contested.leaf_hash) != (index, leaf):
        raise PeerError("BAD_RECEIPT", "receipt: of another contestation")
    return checked


def _sign_in(client: PersonClient, sign_in: SignIn) -> SignedIn:
    begun = client.begin()
    # INVARIANT: the token is for the body whose certificate was shown, whatever it asks for.
    audience = audience_of(client.body)
    if begun.audience != audience:
        raise PeerError("BAD_TOKEN", f"body `{client.body}`: asks for a token for another")
    return sign_in(audience, begun.nonce)
