"""Whom a body empowered for which of its activities: a private file of the body, read by its node.

    [agents]
    dupont = ["caf-individual-control", "caf-recovery"]

A change counts from the next question on. Who is not in it is empowered for nothing, and so is
everybody where there is no file.
"""

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from cloison.errors import InputError, PeerError
from cloison.identity.digests import agent_pseudonym
from cloison.identity.secrets import load_private_file, load_secret

_MOST_BYTES = 4 * 1024 * 1024
_Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    agents: dict[_Name, list[str]]


class AgentDirectory:
    """The agents of one body, under the pseudonyms that stand in statements.

    Args:
        path: The private file; it need not be there.
        key: Path of the body's agent key: 32 bytes, private.
    """

    def __init__(self, path: Path, key: Path) -> None:
        self._path = path
        self._key = key
        self._read: tuple[int, int, int] | None = None
        self._empowered: dict[str, frozenset[str]] = {}

    def check(self, pseudonym: str, activity: str) -> None:
        """Returns if that agent is empowered for the activity.

        Raises:
            PeerError: `AGENT_NOT_EMPOWERED`.
            InputError: `BAD_AGENTS`: the file is not as it must be; nobody is empowered.
            StorageError: `LOOSE_MODE`, `NO_SECRET`, `BAD_SECRET`.
        """
        self._refresh()
        if activity not in self._empowered.get(pseudonym, ()):
            raise PeerError(
                "AGENT_NOT_EMPOWERED",
                f"agent: this body did not empower them for `{activity}`",
                f"who is empowered stands in the node's `{self._path.name}`",
            )

    def _refresh(self) -> None:
        try:
            found = self._path.stat()
        except OSError:
            self._read, self._empowered = None, {}
            return
        version = (found.st_ino, found.st_mtime_ns, found.st_size)
        if version != self._read:
            self._read, self._empowered = None, {}
            self._empowered = self._load()
            self._read = version

    def _load(self) -> dict[str, frozenset[str]]:
        content = load_private_file(self._path, _MOST_BYTES)
        try:
            read = _File.model_validate(tomllib.loads(content.decode("utf-8")))
        except (UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
            raise InputError(
                "BAD_AGENTS",
                f"agents `{self._path.name}`: not a table `agents` of names with their activities",
                'write `[agents]`, then lines `name = ["activity"]`',
            ) from error
        key = load_secret(self._key)
        return {agent_pseudonym(key, name): frozenset(may) for name, may in read.agents.items()}
