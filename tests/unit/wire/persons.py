"""What tests of persons share: signing in without the issuer's process, and reading."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from tests.federation import CNAV, Federation, Someone

from cloison.bodies import BodyId
from cloison.identity.sign_in import ISSUER_NAME, TOKEN_LIFE, audience_of, sign_token
from cloison.law.trace_rules import TraceRules
from cloison.ledger.trust_policy import TrustPolicy
from cloison.programs.person.verify import Expected, Traces, verify_traces
from cloison.v1 import persons_service_pb2
from cloison.wire.person_door import load_issuer
from cloison.wire.persons import PersonDesk

Part = persons_service_pb2.ListAccessesResponse
NOBODY_SEES = TrustPolicy({}, {}, {}, "none")


@dataclass
class Reader:
    """A person who signs in at a node."""

    federation: Federation
    who: Someone
    body: BodyId = CNAV
    desk: PersonDesk = field(init=False)

    def __post_init__(self) -> None:
        node = self.federation.node(self.body)
        self.desk = PersonDesk(node, load_issuer(self.federation.keys))

    def token(self, nonce: str, changes: Mapping[str, str | int] | None = None) -> str:
        now = int(self.federation.clock().timestamp())
        claims: dict[str, str | int] = {
            "iss": ISSUER_NAME,
            "aud": audience_of(self.body),
            "nonce": nonce,
            "sub": "someone",
            "iat": now,
            "exp": now + int(TOKEN_LIFE.total_seconds()),
            "nir": self.who.nir,
        }
        private = (self.federation.keys / "issuer/signing.jwk").read_bytes()
        return sign_token(private, claims | dict(changes or {}))

    def parts(self) -> tuple[str, list[Part]]:
        nonce = self.desk.begin()
        found = self.desk.accesses(nonce, self.token(nonce))
        return nonce, [Part.FromString(one.SerializeToString()) for one in found]

    @property
    def rules(self) -> TraceRules:
        rules = self.federation.node(self.body).policy.traces
        assert rules is not None
        return rules

    def expected(self, nonce: str) -> Expected:
        verifier = self.federation.node(self.body).traces.verifier
        return Expected(self.body, verifier, NOBODY_SEES, self.rules, nonce)

    def read(self) -> Traces:
        nonce, parts = self.parts()
        return verify_traces(self.expected(nonce), parts)

    def kinds(self) -> list[str]:
        return [one.entry.WhichOneof("kind") or "sealed" for one in self.read().own]

    def contest(self, index: int, says: str = "Je n'ai rien demandé.") -> bytes:
        leaf = next(one.leaf for one in self.read().own if one.index == index)
        nonce = self.desk.begin()
        return self.desk.contest(nonce, self.token(nonce), index, leaf, says).entry


def ask(federation: Federation, *people: Someone, activity: str = "caf-ppa") -> None:
    """The prime d'activité asks the pension fund about the household of the first claim."""
    program = federation.program(activity)
    case = program.open_case()
    persons = [one for one in case.members if not people or one.nir in {p.nir for p in people}]
    program.ask(program.question(case, *persons[:1]))


def next_day(federation: Federation, *bodies: BodyId, days: int = 1) -> None:
    """Days go by, and are closed."""
    from cloison.wire.days import DayBook  # noqa: PLC0415 - one use

    federation.clock.now += timedelta(days=days)
    for body in bodies:
        DayBook(federation.node(body)).close_all()


def of_kind(parts: list[Part], kind: str) -> Iterator[Part]:
    return (one for one in parts if one.WhichOneof("part") == kind)
