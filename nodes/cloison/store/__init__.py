"""What a body holds, on its own disk.

* All that is known about one body's data is its `catalogue.toml`; no body, dataset or field is
  named in Python.
* Rows are keyed by a keyed hash of the NIR; the NIR itself is kept, sealed, only where the
  catalogue says `keeps_nir`.
* A correction is a new version; nothing is overwritten, and the past can be read `as_of` a load.
* Absent is not zero: every period asked has a status, and one without records is empty only once
  those who declare the person have declared it.
* Money is integer cents.
* Lines of blocks that nobody reads are kept as sent, sealed; what is read and has no field is not.
* Received releases are kept as sealed: the store cannot open them.
"""

from cloison.store.arrays import to_arrow, to_numpy
from cloison.store.catalogue import Catalogue, Dataset, FieldSpec, FieldType, Period, load_catalogue
from cloison.store.changes import Change
from cloison.store.contested import DeclaredLine, Redeclared
from cloison.store.database import Database
from cloison.store.held_columns import PeriodColumns
from cloison.store.kept_lines import KeptLine
from cloison.store.layouts import pack
from cloison.store.loading import MOST_PLACE, Loading, NewRecord
from cloison.store.many import STATUS_NUMBERS, ManyData, ManyIdentities
from cloison.store.node_file import NodeFile, load_nodes
from cloison.store.slots import Kind, Slot, SlotName
from cloison.store.store import Store
from cloison.store.values import (
    Claim,
    Doomed,
    HouseholdFile,
    HouseholdMember,
    IdentityFacts,
    Output,
    PeriodData,
    PersonData,
    ReceivedLabel,
    RecordData,
    Status,
    Value,
)

__all__ = [
    "MOST_PLACE",
    "STATUS_NUMBERS",
    "Catalogue",
    "Change",
    "Claim",
    "Database",
    "Dataset",
    "DeclaredLine",
    "Doomed",
    "FieldSpec",
    "FieldType",
    "HouseholdFile",
    "HouseholdMember",
    "IdentityFacts",
    "KeptLine",
    "Kind",
    "Loading",
    "ManyData",
    "ManyIdentities",
    "NewRecord",
    "NodeFile",
    "Output",
    "Period",
    "PeriodColumns",
    "PeriodData",
    "PersonData",
    "ReceivedLabel",
    "RecordData",
    "Redeclared",
    "Slot",
    "SlotName",
    "Status",
    "Store",
    "Value",
    "load_catalogue",
    "load_nodes",
    "pack",
    "to_arrow",
    "to_numpy",
]
