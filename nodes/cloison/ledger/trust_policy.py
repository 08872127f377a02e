"""Which ledgers, which witnesses, and how many of these must have seen a head.

Source: c2sp.org/tlog-policy. One file says it for everybody: nodes, auditors, and programs that
nobody here wrote.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cloison.errors import InputError
from cloison.ledger.cosignature import CosignatureVerifier
from cloison.ledger.note import NoteVerifier

_MOST_LINES = 200
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_NUMBER = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)
_NONE = "none"
_Verifier = TypeVar("_Verifier", NoteVerifier, CosignatureVerifier)


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness of the policy; `url` is where heads are submitted, empty where none is given."""

    name: str
    verifier: CosignatureVerifier
    url: str


@dataclass(frozen=True, slots=True)
class Group:
    """Members of which at least `needed` must have seen a head."""

    needed: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """A policy file, read.

    Attributes:
        logs: Verifier key and URL of each ledger, by origin.
        witnesses: By name.
        groups: By name; members stand before what names them.
        quorum: A witness, a group, or `none`.
    """

    logs: Mapping[str, tuple[NoteVerifier, str]]
    witnesses: Mapping[str, Witness]
    groups: Mapping[str, Group]
    quorum: str

    @property
    def asks(self) -> bool:
        """Whether any witness is asked for: `quorum none` asks for none."""
        return self.quorum != _NONE

    def met(self, seen: Callable[[str], bool], name: str | None = None) -> bool:
        """Whether those who saw a head are enough.

        Args:
            seen: Whether the witness of this name did.
            name: A witness or a group to ask about; by default the quorum.
        """
        wanted = self.quorum if name is None else name
        if wanted == _NONE:
            return True
        group = self.groups.get(wanted)
        if group is None:
            return wanted in self.witnesses and seen(wanted)
        return sum(self.met(seen, member) for member in group.members) >= group.needed


def parse_trust_policy(text: str) -> TrustPolicy:
    """A policy file.

    Raises:
        InputError: `BAD_TRUST_POLICY`, with the line: an unknown word, a name or key given twice, a
            member not defined above, a group that asks for more than it has, no quorum.
    """
    lines = text.split("\n")
    if len(lines) > _MOST_LINES:
        raise _bad(0, f"more than {_MOST_LINES} lines")
    reader = _Reader()
    for number, line in enumerate(lines, 1):
        words = line.split()
        if words and not words[0].startswith("#"):
            if _CONTROL.search(line):
                raise _bad(number, "a control character")
            reader.read(number, words)
    if reader.quorum is None:
        raise _bad(len(lines), "no quorum line")
    return TrustPolicy(reader.logs, reader.witnesses, reader.groups, reader.quorum)


class _Reader:
    def __init__(self) -> None:
        self.logs: dict[str, tuple[NoteVerifier, str]] = {}
        self.witnesses: dict[str, Witness] = {}
        self.groups: dict[str, Group] = {}
        self.quorum: str | None = None
        self._keys: set[bytes] = set()
        self._members: set[str] = set()

    def read(self, number: int, words: Sequence[str]) -> None:
        match words:
            case ["log", vkey, *url] if len(url) <= 1:
                self._log(number, vkey, "".join(url))
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._witness(number, name, vkey, "".join(url))
            case ["group", name, needed, *members] if members:
                self._group(number, name, needed, members)
            case ["quorum", name] if self.quorum is None:
                if name != _NONE:
                    self._known(number, name)
                self.quorum = name
            case _:
                raise _bad(number, f"`{words[0]}`: not understood")

    def _log(self, number: int, vkey: str, url: str) -> None:
        verifier = _parsed(number, NoteVerifier.parse, vkey)
        self._new_key(number, verifier.public_key)
        if verifier.name in self.logs:
            raise _bad(number, f"log `{verifier.name}`: given twice")
        self.logs[verifier.name] = verifier, url

    def _witness(self, number: int, name: str, vkey: str, url: str) -> None:
        verifier = _parsed(number, CosignatureVerifier.parse, vkey)
        self._new_key(number, verifier.public_key)
        self._new_name(number, name)
        self.witnesses[name] = Witness(name, verifier, url)

    def _group(self, number: int, name: str, needed: str, members: Sequence[str]) -> None:
        for member in members:
            self._known(number, member)
            if member in self._members:
                raise _bad(number, f"`{member}`: is a member already")
            self._members.add(member)
        self._new_name(number, name)
        count = {"any": "1", "all": str(len(members))}.get(needed, needed)
        if _NUMBER.fullmatch(count) is None or int(count) > len(members):
            raise _bad(number, f"group `{name}`: `{needed}` of {len(members)} members")
        self.groups[name] = Group(int(count), tuple(members))

    def _new_key(self, number: int, key: bytes) -> None:
        if key in self._keys:
            raise _bad(number, "this public key is given twice")
        self._keys.add(key)

    def _new_name(self, number: int, name: str) -> None:
        if name == _NONE or name in self.witnesses or name in self.groups:
            raise _bad(number, f"`{name}`: given twice, or `none`")

    def _known(self, number: int, name: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise _bad(number, f"`{name}`: no witness or group above")


def _parsed(number: int, parse: Callable[[str], _Verifier], vkey: str) -> _Verifier:
    try:
        return parse(vkey)
    except InputError as error:
        raise _bad(number, error.message) from error


def _bad(line: int, why: str) -> InputError:
    return InputError("BAD_TRUST_POLICY", f"trust policy, line {line}: {why}")
