"""Cases as the vault keeps them: whom they are about, and where they stand in the ledger."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from cloison.identity import Nir
from cloison.months import Month


@dataclass(frozen=True, slots=True)
class CaseMember:
    """A person of a case file, with the salt of their digest in the entry."""

    role: str
    nir: Nir
    birth_name: str
    birth_date: str
    salt: bytes


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A case this body opened."""

    leaf_hash: bytes
    leaf_index: int
    renewal_index: int | None
    activity: str
    type: str
    month: Month
    reference: str
    valid_until: datetime
    closed: bool
    members: tuple[CaseMember, ...]


class CasePlace(NamedTuple):
    """Where a case stands in this body's ledger: its entry, and that of its latest renewal."""

    leaf_index: int
    renewal_index: int | None
    closed: bool


def members_to_json(reference: str, members: Sequence[CaseMember]) -> bytes:
    """What a case file says of whom, before it is sealed."""
    rows = [[m.role, m.nir, m.birth_name, m.birth_date, m.salt.hex()] for m in members]
    return json.dumps([reference, rows]).encode("utf-8")


def members_from_json(data: bytes) -> tuple[str, tuple[CaseMember, ...]]:
    """The reference and the members of a case file."""
    reference, rows = json.loads(data)
    return reference, tuple(
        CaseMember(role, Nir(nir), name, born, bytes.fromhex(salt))
        for role, nir, name, born, salt in rows
    )
