"""Many persons at once: the answers of `Records` and `People`, in columns."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from cloison.months import Month
from cloison.store.catalogue import Catalogue
from cloison.store.many import (
    TRAITS_BYTES,
    Bytes,
    ManyData,
    ManyIdentities,
    answer_schema,
    from_persons,
    join_named,
    person_keys,
    split_keys,
)
from cloison.store.people import People
from cloison.store.records import Records


class Columns:
    """The columns of a store, to be read."""

    def __init__(self, catalogue: Catalogue, records: Records, people: People) -> None:
        self._catalogue = catalogue
        self._records = records
        self._people = people

    def fetch(
        self,
        dataset: str,
        persons: bytes | Bytes,
        fields: Sequence[str],
        first: Month,
        last: Month,
        granularity: str,
        now: datetime,
    ) -> ManyData:
        """As `Store.fetch_many`."""
        keys = split_keys(person_keys(persons))
        found = self._records.fetch(dataset, keys, fields, first, last, granularity, now)
        schema = answer_schema(self._catalogue.dataset(dataset), fields)
        named = [key for one in found for key in one.named]
        return ManyData(from_persons(schema, found), join_named(named, keys))

    def identities(self, persons: bytes | Bytes) -> ManyIdentities:
        """As `Store.identities`."""
        keys = split_keys(person_keys(persons))
        flags = np.zeros((4, len(keys)), np.bool_)
        traits = np.zeros((len(keys), TRAITS_BYTES), np.uint8)
        for place, key in enumerate(keys):
            known = self._people.identity(key)
            if known is not None:
                flags[:, place] = True, known.permanent, known.dead, known.objected
                traits[place] = np.frombuffer(known.traits_digest, np.uint8)
        found, permanent, dead, objected = flags
        return ManyIdentities(found, permanent, dead, objected, traits)
