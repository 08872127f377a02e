"""What both clients of a program share: keys and address loaded, answers opened."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import grpc

from cloison.errors import PeerError
from cloison.identity import ActivityKeys, load_activity_keys, load_certificate, load_tls
from cloison.v1 import gateway_service_pb2
from cloison.wire.gateway import AskFor, Reply
from cloison.wire.node import Heads
from cloison.wire.questions import Opener, Question, check_and_open
from cloison.wire.server import channel_credentials, channel_options
from cloison.wire.settings import default_addresses, known_ledgers

CALL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Program:
    """What a program needs to speak to its node."""

    keys: ActivityKeys
    heads: Heads
    address: str
    credentials: grpc.ChannelCredentials
    options: tuple[tuple[str, str | int], ...]

    @classmethod
    def load(cls, keys: Path, activity: str, root: Path, address: str | None) -> "Program":
        """From the key folder. Raises `StorageError`, `InputError` as `connect` does."""
        folder = next(keys.glob(f"*/activities/{activity}"), keys / "activities" / activity)
        own = load_activity_keys(folder)
        ca = load_certificate(keys / "public" / "ca.crt")
        return cls(
            own,
            Heads(known_ledgers(keys)),
            address or default_addresses(root)[own.body],
            channel_credentials(ca, load_tls(folder)),
            channel_options(own.body),
        )


def open_answers(
    opener: Opener,
    heads: Heads,
    questions: Sequence[AskFor],
    built: Sequence[Question],
    response: gateway_service_pb2.GatewayServiceAskResponse,
) -> list[Reply]:
    """Each answer checked, then opened. Raises `PeerError` (`BAD_ANSWER`) if one is missing."""
    if len(response.answers) != len(questions):
        raise PeerError("BAD_ANSWER", "node: not one answer for each statement")
    return [
        replace(
            check_and_open(opener, asked.holder, one.statement, answer, heads.of(asked.holder)),
            salts=tuple(person.salt for person in one.persons),
        )
        for asked, one, answer in zip(questions, built, response.answers, strict=True)
    ]
