"""The catalogue: what loads is consistent; every way to be wrong has a name."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.store.conftest import CATALOGUE

from cloison.errors import InputError
from cloison.store import Catalogue, FieldType, load_catalogue

NODES = Path(__file__).parents[3] / "nodes"
BODIES = sorted(path.parent.name for path in NODES.glob("*/catalogue.toml"))
SUBJECT = 'rows = [{ subject = "nir" }]'
PAY_COLUMNS = 'columns = ["nir", "month", "nature", "gross", "net", "paid"]'

BAD: dict[str, tuple[str, str, str]] = {
    "not TOML": ('body = "essai"', "body = essai", "Invalid value"),
    "an unknown key": ('title = "Pay"', 'title = "Pay"\ncolour = "red"', "colour"),
    "another version": ("version = 1", "version = 2", "version"),
    "not a body": ('body = "essai"', 'body = "Essai"', "Essai"),
    "a least date": ('type = "date"', 'type = "date", minimum = 0', "minimum"),
    "an unknown type": ('type = "date"', 'type = "day"', "paid"),
    "a category that is no field": ('category = "nature"', 'category = "kind"', "kind"),
    "a category that is no code": ('category = "nature"', 'category = "gross"', "category"),
    "a month's due with a month": (
        "periods_later = 1, day",
        "periods_later = 1, month = 2, day",
        "due",
    ),
    "a year's due without": ("month = 9, day = 30", "day = 30", "due"),
    "no source": (
        f'[datasets.files.table]\ncolumns = ["nir", "status"]\nkey = ["nir"]\n{SUBJECT}',
        "",
        "table",
    ),
    "a field without a column": (PAY_COLUMNS, PAY_COLUMNS.replace(', "paid"', ""), "paid"),
    "a column without use": (PAY_COLUMNS, PAY_COLUMNS.replace("paid", 'paid", "name'), "name"),
    "a column twice": (PAY_COLUMNS, PAY_COLUMNS.replace("paid", 'paid", "nir'), "twice"),
    "a table without key": ('key = ["nir", "month", "nature"]', "key = []", "key"),
    "a table without its period": ('period = "month"\nrows', "rows", "period"),
    "names kept without traits": (
        'description = "Pay by month."',
        'description = ""\nkeeps_nir = true',
        "traits",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_load_catalogue_bad_file_is_refused(name: str, write: Callable[[str], Path]) -> None:
    old, new, said = BAD[name]
    assert old in CATALOGUE
    with pytest.raises(InputError, match=said) as caught:
        load_catalogue(write(CATALOGUE.replace(old, new, 1)))
    assert caught.value.reason in {"BAD_CATALOGUE", "BAD_BODY"}


def test_load_catalogue_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_catalogue(tmp_path / "none.toml")
    assert caught.value.reason == "BAD_CATALOGUE"


@pytest.mark.parametrize("body", BODIES)
def test_load_catalogue_of_each_body_states_units_of_its_amounts(body: str) -> None:
    catalogue = load_catalogue(NODES / body / "catalogue.toml")
    assert catalogue.body == body
    fields = [spec for each in catalogue.datasets.values() for spec in each.fields.values()]
    assert all(spec.unit for spec in fields if spec.type is FieldType.CENTS)


def test_bodies_are_found() -> None:
    assert len(BODIES) >= 4


def test_dataset_unknown_is_refused_with_those_known(catalogue: Catalogue) -> None:
    with pytest.raises(InputError, match="pay, notices, files") as caught:
        catalogue.dataset("secrets")
    assert caught.value.reason == "UNKNOWN_DATASET"


def test_check_fields_unknown_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(InputError, match="`iban`") as caught:
        catalogue.check_fields("pay", ("gross", "iban"))
    assert caught.value.reason == "UNKNOWN_FIELD"
