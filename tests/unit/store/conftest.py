from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cloison.store import Catalogue, Store, load_catalogue

ROW_KEY = b"r" * 32
VAULT_KEY = b"v" * 32
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ANNE = b"a" * 16
BRUNO = b"b" * 16

CATALOGUE = """
version = 1
body = "essai"

[datasets.pay]
title = "Pay"
description = "Pay by month."
period = "month"
category = "nature"
due = { periods_later = 1, day = 15 }

[datasets.pay.fields]
nature = { type = "code", required = true, description = "kind" }
gross = { type = "cents", description = "gross" }
net = { type = "cents", description = "net" }
paid = { type = "date", description = "day of payment" }

[datasets.pay.table]
columns = ["nir", "month", "nature", "gross", "net", "paid"]
key = ["nir", "month", "nature"]
period = "month"
rows = [{ subject = "nir" }]

[datasets.notices]
title = "Notices"
description = "Notices by year."
period = "year"
due = { periods_later = 1, month = 9, day = 30 }

[datasets.notices.fields]
income = { type = "cents", description = "income" }

[datasets.notices.table]
columns = ["nir", "year", "income"]
key = ["nir", "year"]
period = "year"
rows = [{ subject = "nir" }]

[datasets.files]
title = "Files"
description = "What is in force."
period = "current"

[datasets.files.fields]
status = { type = "code", description = "status" }

[datasets.files.table]
columns = ["nir", "status"]
key = ["nir"]
rows = [{ subject = "nir" }]
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write_catalogue(text: str) -> Path:
        path = tmp_path / "catalogue.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_catalogue


@pytest.fixture
def catalogue(write: Callable[[str], Path]) -> Catalogue:
    return load_catalogue(write(CATALOGUE))


@pytest.fixture
def store(tmp_path: Path, catalogue: Catalogue) -> Iterator[Store]:
    opened = Store.open(tmp_path / "store.sqlite", catalogue, ROW_KEY, VAULT_KEY)
    yield opened
    opened.close()
