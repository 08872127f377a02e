"""What the body received, as sealed, with its label; and what its activities deposited."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime

from cloison.errors import IntegrityError
from cloison.months import Month
from cloison.store.database import Database, from_ms, to_ms
from cloison.store.values import Output, ReceivedLabel

_HASH_BYTES = 32
_OUTPUT = b"cloison/v1 store output\n"
_CLAIM = b"cloison/v1 store output claim\n"
_ABOUT = (
    "until_ms IS NULL AND (statement_hash, part) IN"
    " (SELECT statement_hash, part FROM received_person WHERE person = ?)"
)


class Received:
    """Releases received, kept sealed: this room cannot open them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(
        self,
        statement_hash: bytes,
        label: ReceivedLabel,
        person_row_keys: Sequence[bytes],
        fields: Sequence[str],
        first_month: Month,
        last_month: Month,
        sealed: bytes,
        leaf_hash: bytes,
        kept_time: datetime,
        part: int = 0,
        case_leaf_hash: bytes = b"",
    ) -> bool:
        """As `Store.keep_received`."""
        run = self._database.connection.execute
        until = None if label.until_time is None else to_ms(label.until_time)
        with self._database.transaction():
            kept = run(
                "INSERT INTO received VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (
                    statement_hash,
                    part,
                    label.received_by,
                    label.holder,
                    label.dataset,
                    label.received_for,
                    label.text,
                    until,
                    first_month.number,
                    last_month.number,
                    leaf_hash,
                    sealed,
                    to_ms(kept_time),
                    "\n".join(fields),
                    case_leaf_hash,
                ),
            )
            if not kept.rowcount:
                self._check_same(statement_hash, part, sealed)
                return False
            self._database.connection.executemany(
                "INSERT INTO received_person VALUES (?, ?, ?)",
                [(person, statement_hash, part) for person in dict.fromkeys(person_row_keys)],
            )
        return True

    def _check_same(self, statement_hash: bytes, part: int, sealed: bytes) -> None:
        found = self._database.connection.execute(
            "SELECT sealed FROM received WHERE statement_hash = ? AND part = ?",
            (statement_hash, part),
        ).fetchone()
        if found is None or found[0] != sealed:
            raise IntegrityError(
                "RECEIVED_TWICE", "store: another answer is kept for this statement"
            )

    def find(
        self,
        activity: str,
        from_holder: str,
        dataset: str,
        person_row_keys: Sequence[bytes],
        fields: Sequence[str],
        first: Month,
        last: Month,
        received_for: str | None = None,
        now: datetime | None = None,
    ) -> list[bytes]:
        """As `Store.received`."""
        label = (activity, from_holder, dataset, received_for, received_for)
        persons = list(dict.fromkeys(person_row_keys))
        marks = ", ".join("?" * len(persons))
        with self._database.reading():
            rows = self._database.connection.execute(
                "SELECT sealed, fields FROM received AS r WHERE (statement_hash, part) IN"  # noqa: S608 - no input in it
                f" (SELECT statement_hash, part FROM received_person WHERE person IN ({marks}))"
                " AND NOT EXISTS (SELECT 1 FROM received_person AS other"
                " WHERE other.statement_hash = r.statement_hash AND other.part = r.part"
                f" AND other.person NOT IN ({marks}))"
                " AND received_by = ? AND holder = ? AND dataset = ?"
                " AND (? IS NULL OR received_for = ?)"
                " AND first_month >= ? AND last_month <= ?"
                " AND (until_ms IS NULL OR until_ms > ?)"
                " ORDER BY kept_ms, statement_hash, part",
                (
                    *persons,
                    *persons,
                    *label,
                    first.number,
                    last.number,
                    0 if now is None else to_ms(now),
                ),
            )
            return [sealed for sealed, names in rows if set(names.split("\n")) <= set(fields)]

    def label(self, statement_hash: bytes) -> ReceivedLabel | None:
        """As `Store.received_label`."""
        with self._database.reading():
            row = self._database.connection.execute(
                "SELECT holder, dataset, received_for, received_by, text, until_ms FROM received"
                " WHERE statement_hash = ? LIMIT 1",
                (statement_hash,),
            ).fetchone()
        if row is None:
            return None
        holder, dataset, received_for, received_by, text, until = row
        until_time = None if until is None else from_ms(until)
        return ReceivedLabel(holder, dataset, received_for, received_by, text, until_time)


class ReceivedPersons:
    """Whom kept releases are about whose label has no end: until somebody is erased."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def cases(self, person: bytes) -> list[bytes]:
        """The cases that what is kept of a person, by row key, was asked under; empty for none."""
        with self._database.reading():
            rows = self._database.connection.execute(
                f"SELECT DISTINCT case_leaf_hash FROM received WHERE {_ABOUT}",  # noqa: S608 - no input in it
                (person,),
            )
            return [case for (case,) in rows]

    def forget(self, person: bytes, cases: Sequence[bytes]) -> bool:
        """A person is known no more as one that what was asked under these cases is about.

        INVARIANT: nobody stands in their place, so that others of a release are not given it alone.

        Returns:
            As `Store.destroy`.
        """
        with self._database.transaction():
            self._database.connection.executemany(
                "UPDATE received_person AS p SET person = randomblob(16) WHERE person = ?"
                " AND EXISTS (SELECT 1 FROM received AS r WHERE r.statement_hash = p.statement_hash"
                " AND r.part = p.part AND r.until_ms IS NULL AND r.case_leaf_hash = ?)",
                [(person, case) for case in cases],
            )
        return self._database.empty_log()


class Outputs:
    """Deposits: content and claim sealed, the claim looked up by a keyed hash of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, output: Output) -> bool:
        """As `Store.keep_output`."""
        # JSON has no line end of its own: the first one is where the content begins.
        plain = json.dumps(output.reference).encode() + b"\n" + output.content
        sealed = self._database.seal(plain, _OUTPUT + output.deposit_hash)
        with self._database.transaction():
            return (
                self._database.connection.execute(
                    "INSERT INTO output VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT (deposit_hash) DO NOTHING",
                    (
                        output.deposit_hash,
                        output.activity,
                        output.output,
                        self._claim(output.activity, output.output, output.reference),
                        output.case_leaf_hash,
                        output.label,
                        b"".join(output.statement_hashes),
                        output.leaf_hash,
                        sealed,
                        to_ms(output.kept_time),
                        None if output.until_time is None else to_ms(output.until_time),
                    ),
                ).rowcount
                == 1
            )

    def find(self, activity: str, output: str, reference: str | None = None) -> Iterator[Output]:
        """As `Store.outputs`."""
        claim = None if reference is None else self._claim(activity, output, reference)
        with self._database.reading():
            rows = self._database.connection.execute(
                "SELECT deposit_hash, case_leaf_hash, label, statement_hashes,"
                " leaf_hash, sealed, kept_ms FROM output WHERE activity = ? AND output = ?"
                " AND (? IS NULL OR claim = ?) ORDER BY claim, kept_ms",
                (activity, output, claim, claim),
            )
            for deposit, case_leaf, label, statements, leaf, sealed, kept in rows:
                plain = self._database.unseal(sealed, _OUTPUT + deposit)
                name, _, content = plain.partition(b"\n")
                yield Output(
                    deposit_hash=deposit,
                    activity=activity,
                    output=output,
                    reference=json.loads(name),
                    case_leaf_hash=case_leaf,
                    content=content,
                    label=label,
                    statement_hashes=tuple(
                        statements[at : at + _HASH_BYTES]
                        for at in range(0, len(statements), _HASH_BYTES)
                    ),
                    leaf_hash=leaf,
                    kept_time=from_ms(kept),
                )

    def _claim(self, activity: str, output: str, reference: str) -> bytes:
        return self._database.hide(f"{activity}\n{output}\n{reference}", _CLAIM)
