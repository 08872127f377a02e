"""A federation that did something, read as an auditor reads it; made once for the report."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.federation import (
    ANNE,
    CAF,
    CNAV,
    ROOT,
    Federation,
    Template,
    opened_federation,
)

from cloison.bodies import BodyId
from cloison.cli.places import Place
from cloison.ledger.checkpoint import parse_checkpoint_text
from cloison.ledger.note import Note, NoteSignature, parse_note
from cloison.ledger.reader import WITNESSED
from cloison.ledger.witness import Submission, Witness
from cloison.wire.settings import open_witness


@dataclass(frozen=True, slots=True)
class Audited:
    """A federation, where it lies on disk."""

    federation: Federation
    place: Place

    def options(self, *more: str) -> list[str]:
        """As typed after a command."""
        return [*self.place.state_options(), "--only", CAF, "--only", CNAV, *more]


@pytest.fixture(scope="module")
def audited(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    """Three permits, four refusals; every head cosigned by a peer, by MSA and by the CNIL."""
    folder = tmp_path_factory.mktemp("audited")
    with opened_federation(template, folder) as federation:
        program = federation.program("caf-ppa")
        case = program.open_case()
        program.ask(program.question(case), program.question(case, purpose="eligibility"))
        program.ask(program.question(None, ANNE.member()))
        targeting = federation.program("caf-dmde")
        asked = targeting.question(None, ANNE.member(), purpose="control-targeting")
        for _ in range(3):
            targeting.ask(asked)
        place = Place(ROOT, federation.keys, folder)
        for body in (CAF, CNAV):
            cosign(federation, folder, body)
        yield Audited(federation, place)


def cosign(federation: Federation, folder: Path, body: BodyId) -> None:
    """Both heads of a body's node go to real witnesses; the node keeps what they answer."""
    node = federation.node(body)
    for name in (other for other in ("caf", "cnav", "msa", "cnil") if other != body):
        own = federation.node(BodyId(name)).witness if name in {"caf", "cnav", "msa"} else None
        witness = own or open_witness(
            BodyId(name), federation.keys, folder / name, federation.clock
        )
        try:
            for log in (node.traces, node.register):
                _cosigned_by(witness, log.directory / WITNESSED, log.checkpoint())
        finally:
            if own is None:
                witness.close()


def _cosigned_by(witness: Witness, path: Path, head: bytes) -> None:
    kept = path.read_bytes() if path.exists() else head
    note = parse_note(kept)
    assert parse_checkpoint_text(note.text) == parse_checkpoint_text(parse_note(head).text)
    reply = witness.add_checkpoint(Submission(0, (), head).encode())
    assert reply.status == 200
    (line,) = parse_note(f"{note.text}\n{reply.body.decode()}".encode()).signatures
    assert isinstance(line, NoteSignature)
    path.write_bytes(Note(note.text, (*note.signatures, line)).encode())


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()
