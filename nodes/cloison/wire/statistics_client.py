"""A statistical program's client: to the node that holds the data, for its body may have none."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc

from cloison.bodies import BodyId, parse_body
from cloison.errors import BudgetExceeded, InputError, IntegrityError, PeerError
from cloison.exchange import limits
from cloison.exchange.receipt import Checked, verify_receipt
from cloison.exchange.statement import TableQuestion, to_milliseconds
from cloison.exchange.values import decision_from_proto
from cloison.identity import (
    ActivityKeys,
    sign_batch,
)
from cloison.law.question import Decision
from cloison.law.records import Activity
from cloison.ledger.checkpoint import verify_checkpoint
from cloison.ledger.note import NoteVerifier
from cloison.statistics.document import loss_of, read_document
from cloison.statistics.table import Table
from cloison.v1 import receipt_pb2, statement_pb2, statistics_service_pb2_grpc
from cloison.v1 import statistics_service_pb2 as wire
from cloison.wire.holder_channels import HolderChannels
from cloison.wire.refusal import told
from cloison.wire.statistics_desk import months_of

_SECONDS = 600.0
BY_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: InputError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: BudgetExceeded,
}


Proof = tuple[receipt_pb2.Receipt, receipt_pb2.Receipt]
"""A holder's `budget_reserved` entry and its `table_published` one."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A published table with the proof of its budget; verified when it is made.

    Attributes:
        content: The document, read.
        also: Of a table of several holders, the proofs of all but the first.
    """

    document: bytes
    reserved: receipt_pb2.Receipt
    published: receipt_pb2.Receipt
    content: Mapping[str, Any]
    also: tuple[Proof, ...] = ()

    @classmethod
    def verified(
        cls,
        document: bytes,
        reserved: receipt_pb2.Receipt,
        published: receipt_pb2.Receipt,
        register: NoteVerifier,
    ) -> "Publication":
        """As `verified_at_all`, of a table of one holder."""
        return cls.verified_at_all(document, [(reserved, published)], lambda _: register)

    @classmethod
    def verified_at_all(
        cls,
        document: bytes,
        proofs: Sequence[Proof],
        register_of: Callable[[BodyId], NoteVerifier],
    ) -> "Publication":
        """Both entries stand in each holder's register, and are of this document and its cost.

        Raises:
            IntegrityError: `BAD_DOCUMENT`. PeerError: `BAD_RECEIPT`.
        """
        content = read_document(document)
        parts = [content, *content.get("also", ())]
        if len(parts) != len(proofs):
            raise IntegrityError("BAD_DOCUMENT", "table: not a proof of each of its holders")
        for part, proof in zip(parts, proofs, strict=True):
            register = register_of(parse_body(str(part["holder"])))
            _check_proof(content, str(part["population"]), document, proof, register)
        return cls(document, *proofs[0], content, tuple(proofs[1:]))


def _check_proof(
    content: Mapping[str, Any],
    population: str,
    document: bytes,
    proof: Proof,
    register: NoteVerifier,
) -> None:
    """One holder's two entries are of this document and its cost."""
    spent = _entry(proof[0], register, "budget_reserved")
    told_of = _entry(proof[1], register, "table_published")
    one, other = spent.entry.budget_reserved, told_of.entry.table_published
    also = content.get("also")
    holders = None if also is None else [content["holder"], *(part["holder"] for part in also)]
    facts = (
        (one.question_hash.hex(), content["question"]),
        (other.question_hash.hex(), content["question"]),
        (other.document_hash, sha256(document).digest()),
        ((other.reserved_index, other.reserved_leaf_hash), (spent.leaf_index, spent.leaf_hash)),
        ((one.epsilon, one.rho), loss_of(content)),
        ((one.table, one.period), (content["table"], content["period"])),
        (one.population, population),
        (list(one.holders), holders or []),
    )
    if any(said != found for said, found in facts):
        raise IntegrityError("BAD_DOCUMENT", "table: not the one its entries are about")
    if spent.leaf_index >= told_of.leaf_index:
        raise IntegrityError("BAD_DOCUMENT", "table: published before its budget was reserved")


def _entry(receipt: receipt_pb2.Receipt, register: NoteVerifier, kind: str) -> Checked:
    checked = verify_receipt(receipt, lambda note: verify_checkpoint(note, register))
    if checked.entry.WhichOneof("kind") != kind:
        raise PeerError("BAD_RECEIPT", f"receipt: not of a `{kind}` entry")
    return checked


@dataclass(frozen=True, slots=True)
class TableReply:
    """What came: a publication, or the refusal."""

    publication: Publication | None
    refusal: Decision | None
    kept: bool


class StatisticsClient:
    """One holder's tables. `close` when done."""

    def __init__(
        self, keys: ActivityKeys, channel: grpc.Channel, holder: BodyId, register: NoteVerifier
    ) -> None:
        self._keys, self._channel, self._holder = keys, channel, holder
        self._register = register
        self._stub = statistics_service_pb2_grpc.StatisticsServiceStub(channel)

    @classmethod
    def connect(cls, keys: Path, activity: str, holder: BodyId, address: str) -> "StatisticsClient":
        """From the key folder. Raises `StorageError` where keys are missing."""
        found = HolderChannels.connect(keys, activity, {holder: address})
        return cls(found.keys, found.channels[holder], holder, found.registers[holder])

    def price(self, asked: TableQuestion) -> wire.PriceResponse:
        """What it would cost. Raises as the node says."""
        question = table_question(asked)
        with told(BY_STATUS):
            return self._stub.Price(wire.PriceRequest(question=question), timeout=_SECONDS)

    def budget(self) -> wire.BudgetResponse:
        """What is granted and spent. Raises as the node says."""
        with told(BY_STATUS):
            return self._stub.Budget(wire.BudgetRequest(), timeout=_SECONDS)

    def publish(
        self, table: Table, asked: TableQuestion, record: Activity, now: datetime
    ) -> TableReply:
        """The table, checked. Raises as the node says, and as `Publication.verified`."""
        request = build_request(self._keys, self._holder, table, asked, record, now)
        with told(BY_STATUS):
            response = self._stub.Publish(request, timeout=_SECONDS)
        if response.HasField("refusal"):
            return TableReply(None, decision_from_proto(response.refusal), kept=False)
        publication = Publication.verified(
            response.document, response.reserved, response.published, self._register
        )
        content = publication.content
        if (content["table"], content["period"]) != (asked.table, asked.period):
            raise PeerError("BAD_ANSWER", "node: not the table that was asked")
        return TableReply(publication, None, kept=response.kept)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()


def build_request(
    keys: ActivityKeys,
    holder: BodyId,
    table: Table,
    asked: TableQuestion,
    record: Activity,
    now: datetime,
) -> wire.PublishRequest:
    """A signed statement for each dataset the table is made of."""
    return wire.PublishRequest(statements=build_statements(keys, holder, table, asked, record, now))


def table_question(asked: TableQuestion) -> statement_pb2.TableQuestion:
    """A table question as it travels."""
    return statement_pb2.TableQuestion(
        table=asked.table, period=asked.period, epsilon=asked.epsilon, holders=asked.holders
    )


def build_statements(
    keys: ActivityKeys,
    holder: BodyId,
    table: Table,
    asked: TableQuestion,
    record: Activity,
    now: datetime,
) -> list[statement_pb2.SignedStatement]:
    """As they are signed, for one holder."""
    first, last = months_of(table, table.check_period(asked.period))
    raw = [
        statement_pb2.Statement(
            version=1,
            requester=keys.body,
            holder=holder,
            activity=keys.activity,
            purpose=record.purposes[0],
            legal_basis=record.legal_bases[0],
            agent="batch",
            selection=statement_pb2.Selection(
                dataset=dataset,
                fields=fields,
                first_month=first.number,
                last_month=last.number,
                granularity=statement_pb2.GRANULARITY_TABLE,
            ),
            sealing_key_id=keys.public.sealing_key_id,
            signed_time_ms=to_milliseconds(now),
            nonce=os.urandom(limits.NONCE_BYTES),
            table=table_question(asked),
        ).SerializeToString(deterministic=True)
        for dataset, fields in table.held_by(holder).items()
    ]
    parts = sign_batch(keys, raw)
    return [
        statement_pb2.SignedStatement(
            statement=statement,
            signature=part.signature,
            batch_index=part.batch_index,
            batch_size=part.batch_size,
            batch_path=part.batch_path,
        )
        for statement, part in zip(raw, parts, strict=True)
    ]
