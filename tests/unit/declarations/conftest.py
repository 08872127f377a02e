from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.unit.declarations.written import ANNE, Folder

from cloison.declarations import Fault, FileRejectedError, LoadReport, load_files
from cloison.identity import Nir, row_key
from cloison.months import Month
from cloison.store import Catalogue, PersonData, Store, load_catalogue

ROW_KEY = b"r" * 32
VAULT_KEY = b"v" * 32
NODES = Path(__file__).parents[3] / "nodes"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    path = tmp_path / "files"
    path.mkdir()
    return Folder(path)


def said(file: Path, fault: Fault) -> str:
    """A fault as it is shown, without its reason."""
    place = f"{fault.place}: " if fault.place else ""
    return f"{file.name}:{fault.line}: {place}{fault.what}\n{fault.remedy}"


class Body:
    """A body's store and catalogue, and the two things tests do with them."""

    def __init__(self, path: Path, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.path = path
        self.store = Store.open(path, catalogue, ROW_KEY, VAULT_KEY)

    def load(self, *files: Path, now: datetime = NOW, month: Month | None = None) -> LoadReport:
        return load_files(self.store, self.catalogue, files, now, month=month)

    def faults(self, file: Path, month: Month | None = None) -> tuple[Fault, ...]:
        """What is wrong with a file that is rejected."""
        with pytest.raises(FileRejectedError) as caught:
            self.load(file, month=month)
        assert (caught.value.file, caught.value.more) == (file.name, 0)
        return caught.value.faults

    def fault(self, file: Path, month: Month | None = None) -> Fault:
        """The one thing wrong with a file."""
        faults = self.faults(file, month)
        assert len(faults) == 1, faults
        return faults[0]

    def fetch(
        self,
        dataset: str,
        fields: Sequence[str],
        first: str,
        last: str,
        granularity: str = "month",
        nir: str = ANNE,
        now: datetime = NOW,
        as_of: datetime | None = None,
    ) -> PersonData:
        months = Month.parse(first), Month.parse(last)
        person = [row_key(ROW_KEY, Nir(nir))]
        load = None if as_of is None else self.store.last_load(as_of)
        (data,) = self.store.fetch(dataset, person, fields, *months, granularity, now, load)
        return data


@pytest.fixture
def body_of(tmp_path: Path) -> Iterator[Callable[[str], Body]]:
    """Opens the store of a body of this house."""
    opened: list[Body] = []

    def open_body(name: str, nodes: Path = NODES) -> Body:
        catalogue = load_catalogue(nodes / name / "catalogue.toml")
        opened.append(Body(tmp_path / f"{name}.sqlite", catalogue))
        return opened[-1]

    yield open_body
    for each in opened:
        each.store.close()


@pytest.fixture
def cnav(body_of: Callable[[str], Body]) -> Body:
    return body_of("cnav")


@pytest.fixture
def dgfip(body_of: Callable[[str], Body]) -> Body:
    return body_of("dgfip")


@pytest.fixture
def caf(body_of: Callable[[str], Body]) -> Body:
    return body_of("caf")
