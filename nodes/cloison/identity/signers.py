"""Who signs policy sets: names as `policy/signers` gives them, or keys as a node trusts them."""

import tomllib
from collections.abc import Callable
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from cloison.errors import InputError

_Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,31}(\+[0-9a-f]{8}\+[^\s]+)?$")]
_MOST_SIGNERS = 16


class PromiseSigner(BaseModel):
    """Who signs besides, and how long it is announced, when a promise is opened."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    signer: _Name
    notice_days: Annotated[int, Field(strict=True, ge=1, le=366)]


class SignersFile(BaseModel):
    """The signers, how many of them it takes, and the one a promise needs.

    Each is a name, or a C2SP verifier key: a name with its key.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    signers: Annotated[tuple[_Name, ...], Field(min_length=1, max_length=_MOST_SIGNERS)]
    threshold: Annotated[int, Field(strict=True, ge=1)]
    promises: PromiseSigner

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        names = [one.partition("+")[0] for one in self.all]
        if len(set(names)) != len(names):
            raise ValueError("a signer is named twice")
        if self.threshold > len(self.signers):
            raise ValueError("`threshold` is more than there are signers")
        return self

    @property
    def all(self) -> tuple[str, ...]:
        """Every signer, the promises' last."""
        return (*self.signers, self.promises.signer)

    def with_keys(self, vkey_of: Callable[[str], str]) -> bytes:
        """The same as a file of verifier keys."""
        listed = ",\n".join(f'  "{vkey_of(name)}"' for name in self.signers)
        return (
            f"signers = [\n{listed},\n]\nthreshold = {self.threshold}\n\n"
            f'[promises]\nsigner = "{vkey_of(self.promises.signer)}"\n'
            f"notice_days = {self.promises.notice_days}\n"
        ).encode("ascii")


def parse_signers(content: bytes) -> SignersFile:
    """The file's content. Raises `InputError` (`BAD_SIGNERS`)."""
    try:
        return SignersFile.model_validate(tomllib.loads(content.decode("utf-8")))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError("BAD_SIGNERS", f"signers: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise InputError("BAD_SIGNERS", f"signers: `{place}`: {first['msg']}") from error
