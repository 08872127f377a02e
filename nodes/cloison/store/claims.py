"""Claims and the households they are for, from the datasets the catalogue gives these roles."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from cloison.errors import InputError, shown
from cloison.months import Month
from cloison.store.catalogue import Catalogue, Dataset
from cloison.store.database import Database
from cloison.store.layouts import DatasetIds, Layouts, unpack
from cloison.store.people import People
from cloison.store.sources import ClaimRole, MemberRole
from cloison.store.values import Claim, HouseholdFile, HouseholdMember, Value

_LIVE = (
    # Named, for without statistics SQLite would rather walk through the whole dataset.
    "SELECT subject, layout, payload FROM record INDEXED BY record_lookup"
    " WHERE dataset = ? AND lookup {} AND until_load IS NULL AND payload IS NOT NULL"
    " ORDER BY lookup"
)
_ALL = _LIVE.format("IS NOT NULL")
_ONE = _LIVE.format("= ?")
_NAMES = (
    "SELECT DISTINCT lookup FROM record"
    " WHERE dataset = ? AND lookup IS NOT NULL AND until_load IS NULL AND payload IS NOT NULL"
    " ORDER BY lookup"
)


class Claims:
    """The claims of a store and its households' files, to be read.

    Raises:
        InputError: `NO_CLAIMS`, `NO_HOUSEHOLDS`: the body's catalogue has none.
    """

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        ids: Mapping[str, DatasetIds],
        people: People,
    ) -> None:
        self._database = database
        self._people = people
        self._layouts = Layouts(database)
        self._claims: tuple[int, Dataset, ClaimRole] | None = None
        self._members: tuple[int, Dataset, MemberRole] | None = None
        for name, dataset in catalogue.datasets.items():
            if dataset.claim is not None:
                self._claims = (ids[name].id, dataset, dataset.claim)
            if dataset.member is not None:
                self._members = (ids[name].id, dataset, dataset.member)

    def open_claims(
        self, benefit: str, month: Month, references: Sequence[str] | None
    ) -> Iterator[Claim]:
        """As `Store.claims`."""
        if self._claims is None or self._members is None:
            raise InputError("NO_CLAIMS", "claims: the catalogue of this body has none")
        number, dataset, role = self._claims
        fields = (role.reference, role.household, role.benefit, role.opened, role.status)
        for reference in [None] if references is None else references:
            found = False
            for _, values in self._rows(number, dataset, fields, reference):
                name, household, claimed, opened, status = values
                if claimed != benefit or status != role.open or not _before(opened, month):
                    continue
                found = True
                yield Claim(str(name), str(household), benefit, self._household(household, month))
            if reference is not None and not found:
                raise InputError(
                    "UNKNOWN_CLAIM", f"claim `{shown(reference)}`: no open claim for `{benefit}`"
                )

    def households(
        self, month: Month, references: Sequence[str] | None, without_claim: str | None
    ) -> Iterator[HouseholdFile]:
        """As `Store.households`."""
        if self._members is None:
            raise InputError("NO_HOUSEHOLDS", "households: the catalogue of this body has none")
        claiming = frozenset() if without_claim is None else self._claiming(without_claim)
        for name in self._names(self._members[0]) if references is None else references:
            members = self._household(name, month)
            if members and name not in claiming:
                yield HouseholdFile(name, members)
            elif references is not None:
                why = f"has an open claim for `{without_claim}`" if members else f"none in {month}"
                raise InputError(
                    "HAS_CLAIM" if members else "UNKNOWN_HOUSEHOLD",
                    f"household `{shown(name)}`: {why}",
                )

    def _claiming(self, benefit: str) -> frozenset[str]:
        """Households with an open claim for the benefit, whenever it was opened."""
        if self._claims is None:
            raise InputError("NO_CLAIMS", "claims: the catalogue of this body has none")
        number, dataset, role = self._claims
        fields = (role.household, role.benefit, role.status)
        return frozenset(
            str(household)
            for _, (household, claimed, status) in self._rows(number, dataset, fields, None)
            if claimed == benefit and status == role.open
        )

    def _names(self, number: int) -> Iterator[str]:
        with self._database.reading():
            for (name,) in self._database.connection.execute(_NAMES, (number,)):
                yield name

    def _household(self, household: Value, month: Month) -> tuple[HouseholdMember, ...]:
        if self._members is None:
            return ()
        number, dataset, role = self._members
        ranks = {code: rank for rank, code in enumerate(dataset.fields[role.role].codes)}
        fields = (role.role, role.since, role.until)
        members = []
        for subject, (name, since, until) in self._rows(number, dataset, fields, str(household)):
            if _before(since, month) and not _ended(until, month):
                members.append(HouseholdMember(str(name), *self._people.named(subject)))
        return tuple(
            sorted(members, key=lambda one: (ranks.get(one.role, 0), one.birth_date, one.nir))
        )

    def _rows(
        self, number: int, dataset: Dataset, fields: tuple[str, ...], lookup: str | None
    ) -> Iterator[tuple[bytes, tuple[Value, ...]]]:
        sql, parameters = (_ALL, (number,)) if lookup is None else (_ONE, (number, lookup))
        with self._database.reading():
            for subject, layout, payload in self._database.connection.execute(sql, parameters):
                getter = self._layouts.getter(layout, dataset, fields)
                yield subject, getter(unpack(payload))


def _before(day: Value, month: Month) -> bool:
    """The day is before the month's end."""
    return isinstance(day, int) and day // 100 <= month.number


def _ended(day: Value, month: Month) -> bool:
    """The day is before the month's first."""
    return isinstance(day, int) and day < _number(month.first_day)


def _number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day
