"""Bodies: the organisations that run nodes, known only by their id."""

import re
from typing import NewType

from cloison.errors import InputError, shown

BodyId = NewType("BodyId", str)
"""`caf`, `cnav`, …: the name of a folder under `nodes/` and of a certificate's SAN."""

_BODY = re.compile(r"[a-z][a-z0-9-]{1,31}", re.ASCII)


def parse_body(text: str) -> BodyId:
    """A body id as written in folders, certificates and statements.

    Raises:
        InputError: `BAD_BODY`: not lower-case letters, digits and hyphens, 2 to 32 of them.
    """
    if _BODY.fullmatch(text) is None:
        raise InputError("BAD_BODY", f"body `{shown(text)}`: not a body id", "use a-z, 0-9 and `-`")
    return BodyId(text)
