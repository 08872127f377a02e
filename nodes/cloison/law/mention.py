"""The shape of `mention.toml`: what a decision based on an algorithm must say, clause by clause."""

import re
from typing import Annotated, Self

from pydantic import Field, model_validator

from cloison.law.records import FileShape, Id, Read, Words


class Clause(FileShape):
    """A sentence of the mention that a decision based on an algorithm carries, and its article.

    `{activity}`, `{controller}` and `{dpo}` in it stand for what the activity's record says.
    """

    id: Id
    title: Words
    fr: Words
    article: Words
    source: Words
    """Code of `reference/law.md`, §12."""
    read: Read

    @model_validator(mode="after")
    def _known_places(self) -> Self:
        if unknown := set(re.findall(r"\{([^}]*)\}", self.fr)) - {"activity", "controller", "dpo"}:
            raise ValueError(f"`{{{min(unknown)}}}` stands for nothing")
        return self


class MentionFile(FileShape):
    """`mention.toml`."""

    clause: Annotated[tuple[Clause, ...], Field(min_length=1)]
