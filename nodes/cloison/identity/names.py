"""How bodies and activities are named in certificates and key files."""

import re
from dataclasses import dataclass

from cloison.bodies import BodyId, parse_body
from cloison.errors import InputError, shown

_ACTIVITY = re.compile(r"[a-z][a-z0-9-]{1,63}")
_URI = re.compile(r"cloison://([a-z0-9-]+)(?:/activity/([a-z0-9-]+))?")


def parse_activity(text: str) -> str:
    """An activity id as written in `policy/activities`, certificates and statements.

    Raises:
        InputError: `BAD_ACTIVITY`: not lower-case letters, digits and hyphens, 2 to 64 of them.
    """
    if _ACTIVITY.fullmatch(text) is None:
        raise InputError(
            "BAD_ACTIVITY", f"activity `{shown(text)}`: not an activity id", "use a-z, 0-9 and `-`"
        )
    return text


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom a certificate names: a body's node, or one activity of that body.

    Attributes:
        activity: None for the node itself.
    """

    body: BodyId
    activity: str | None = None

    @property
    def uri(self) -> str:
        """The name as it stands in the certificate's SAN."""
        return f"cloison://{self.body}" + (f"/activity/{self.activity}" if self.activity else "")

    @property
    def host(self) -> str:
        """The name a node's certificate answers to in a TLS handshake."""
        return f"{self.body}.cloison.local"


def parse_uri(uri: str) -> Peer:
    """The one accepted spelling: `cloison://caf`, `cloison://caf/activity/caf-ppa`.

    Raises:
        InputError: `BAD_URI`, `BAD_BODY`, `BAD_ACTIVITY`.
    """
    match = _URI.fullmatch(uri)
    if match is None:
        raise InputError(
            "BAD_URI", f"name `{shown(uri)}`: not a cloison name", "use cloison://BODY"
        )
    activity = None if match[2] is None else parse_activity(match[2])
    return Peer(parse_body(match[1]), activity)
