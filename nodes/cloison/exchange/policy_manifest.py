"""A signed policy set: which files, in which order of sets, and who signed.

The manifest is a C2SP signed note. Its text names every file by SHA-256, size and path, in path
order, and the set by its content hash: the same law signed twice is the same set. The number and
the hash of the set before say which set it follows.

    cloison/v1 policy set
    number 2
    signed 2026-11-26
    previous <hex, or `none`>
    set <hex>
    <sha256> <size> <path>
    …
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Self

from cloison.errors import InputError, IntegrityError
from cloison.identity import SignersFile, parse_signers
from cloison.law.policy_set import content_hash
from cloison.ledger.note import MAX_NOTE_BYTES, Note, NoteSigner, NoteVerifier, parse_note

MANIFEST = "manifest"
"""The manifest's name, beside the files it signs."""
SET_BYTES = 3 * 1024 * 1024
"""All files of a set together: one message to a node."""
_TITLE = "cloison/v1 policy set"
_HEAD = re.compile(
    _TITLE + r"\nnumber ([1-9][0-9]{0,8})\nsigned (\d{4}-\d{2}-\d{2})"
    r"\nprevious (none|[0-9a-f]{64})\nset ([0-9a-f]{64})\n",
    re.ASCII,
)
_LINE = re.compile(r"([0-9a-f]{64}) (0|[1-9][0-9]{0,8}) ([a-z0-9./-]+)\n", re.ASCII)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is signed.

    Attributes:
        previous: Hash of the set this one follows; empty for a first set.
        set_hash: Of these files, as `law.content_hash` gives it.
        files: By path: SHA-256 and size in bytes.
    """

    number: int
    signed: date
    previous: bytes
    set_hash: bytes
    files: Mapping[str, tuple[bytes, int]]

    @classmethod
    def of(cls, files: Mapping[str, bytes], after: "Manifest | None", day: date) -> Self:
        """The manifest of these files, following another set or none."""
        return cls(
            number=after.number + 1 if after else 1,
            signed=day,
            previous=after.set_hash if after else b"",
            set_hash=content_hash(files),
            files={
                path: (sha256(files[path]).digest(), len(files[path])) for path in sorted(files)
            },
        )

    def text(self) -> str:
        """The one spelling. Raises `InputError` (`TOO_LARGE`): more files than a note holds."""
        head = (
            f"{_TITLE}\nnumber {self.number}\nsigned {self.signed}\n"
            f"previous {self.previous.hex() or 'none'}\nset {self.set_hash.hex()}\n"
        )
        lines = (f"{hashed.hex()} {size} {path}\n" for path, (hashed, size) in self.files.items())
        text = head + "".join(lines)
        if len(text) > MAX_NOTE_BYTES - 4096:  # room for the signatures
            raise InputError("TOO_LARGE", f"policy set: {len(self.files)} files, too many to list")
        return text

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `IntegrityError` (`BAD_MANIFEST`): any spelling but that of `text`."""
        head = _HEAD.match(text)
        lines = _LINE.findall(text, head.end()) if head else []
        try:
            found = head and cls(
                number=int(head[1]),
                signed=date.fromisoformat(head[2]),
                previous=b"" if head[3] == "none" else bytes.fromhex(head[3]),
                set_hash=bytes.fromhex(head[4]),
                files={path: (bytes.fromhex(hashed), int(size)) for hashed, size, path in lines},
            )
        except ValueError as error:
            raise _bad("its date is no day") from error
        if not found or list(found.files) != sorted(found.files) or found.text() != text:
            raise _bad("not the one accepted spelling")
        return found

    def check(self, files: Mapping[str, bytes]) -> None:
        """These are the files, to the byte: none changed, none missing, none besides.

        Raises:
            IntegrityError: `SET_ALTERED`; it names the file.
        """
        for path in sorted(self.files.keys() | files.keys()):
            if path not in files:
                raise _altered(path, "signed, and not there")
            if path not in self.files:
                raise _altered(path, "there, and not signed")
            if (sha256(files[path]).digest(), len(files[path])) != self.files[path]:
                raise _altered(path, "not as it was signed")
        if content_hash(files) != self.set_hash:
            raise _bad("its set hash is not that of its files")


class Quorum:
    """The keys a node trusts, how many it takes, and the one a promise needs.

    Args:
        file: With verifier keys.

    Raises:
        InputError: `BAD_VKEY`.
    """

    def __init__(self, file: SignersFile) -> None:
        self.signers = tuple(map(NoteVerifier.parse, file.signers))
        self.promise_signer = NoteVerifier.parse(file.promises.signer)
        self.threshold = file.threshold
        self.notice_days = file.promises.notice_days
        keys = [one.public_key for one in self.all]
        if len(set(keys)) != len(keys):
            raise InputError("BAD_SIGNERS", "signers: one key stands under two names")

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """From `public/signers.toml`. Raises `InputError` (`BAD_SIGNERS`, `BAD_VKEY`)."""
        return cls(parse_signers(content))

    @property
    def all(self) -> tuple[NoteVerifier, ...]:
        """Every key."""
        return (*self.signers, self.promise_signer)

    def name_of(self, public_key: bytes) -> str | None:
        """The signer whose key this is."""
        return next((one.name for one in self.all if one.public_key == public_key), None)


@dataclass(frozen=True, slots=True)
class SignedManifest:
    """A manifest whose quorum was verified.

    Attributes:
        note: As received.
        signers: Names of the known signers whose signature verified, sorted.
        for_promises: The promises' signer is among them.
    """

    manifest: Manifest
    note: bytes
    signers: tuple[str, ...]
    for_promises: bool


def verify_manifest(note: bytes, quorum: Quorum) -> SignedManifest:
    """The manifest, signed by enough of the quorum.

    Raises:
        IntegrityError: `BAD_NOTE`, `BAD_MANIFEST`. `BAD_SIGNATURE`: a known key's fails, or stands
            twice. `TOO_FEW_SIGNERS`.
    """
    parsed = parse_note(note)
    names = [one.name for one in quorum.signers if _signed_by(note, one)]
    for_promises = _signed_by(note, quorum.promise_signer)
    if len(names) < quorum.threshold:
        raise IntegrityError(
            "TOO_FEW_SIGNERS",
            f"policy set: signed by {len(names)} of the {quorum.threshold} signers it takes",
            f"have it signed by more of {', '.join(one.name for one in quorum.signers)}",
        )
    if for_promises:
        names.append(quorum.promise_signer.name)
    return SignedManifest(Manifest.parse(parsed.text), note, tuple(sorted(names)), for_promises)


def sign_manifest(text: str, signers: Iterable[NoteSigner], note: bytes = b"") -> bytes:
    """The manifest as a note with these signatures, after those of `note` by others.

    Args:
        text: A manifest's.
        signers: Whose signatures are added; one of the same name is replaced.
        note: The same text, signed by others already; empty if nobody did.
    """
    made = {signer.name: parse_note(signer.sign(text)).signatures[0] for signer in signers}
    before = parse_note(note).signatures if note else ()
    kept = tuple(one for one in before if one.name not in made)
    return Note(text, (*kept, *made.values())).encode()


def _signed_by(note: bytes, verifier: NoteVerifier) -> bool:
    parsed = parse_note(note)
    known = [
        one
        for one in parsed.signatures
        if (one.name, one.key_id) == (verifier.name, verifier.key_id)
    ]
    if len(known) > 1:
        raise IntegrityError("BAD_SIGNATURE", f"policy set: `{verifier.name}` signed twice")
    for one in known:
        verifier.verify(parsed.text.encode(), one.signature)
    return bool(known)


def _bad(why: str) -> IntegrityError:
    return IntegrityError("BAD_MANIFEST", f"manifest: {why}", "sign the set anew")


def _altered(path: str, why: str) -> IntegrityError:
    return IntegrityError(
        "SET_ALTERED", f"policy file `{path}`: {why}", "sign the set anew, or restore the file"
    )
