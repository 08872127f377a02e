"""INVARIANT: no ledger, log, error or path holds a NIR or an income: raw, hex or base64."""

import base64
import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from tests.system.conftest import CANARY_EUROS, ROOT, Federation, cloison

from cloison.months import Month
from cloison.programs.entitlement.needs import Needs
from cloison.programs.entitlement.run import Result, run

MONTH = Month.of(2026, 6)
CANARY_CENTS = CANARY_EUROS.replace(".", "")
AMOUNTS = (CANARY_EUROS, CANARY_CENTS)


def spellings(text: str) -> Iterator[bytes]:
    """A text as it could be found: raw, hex in both cases, base64 at each of three places."""
    raw = text.encode("ascii")
    yield from (raw, raw.hex().encode(), raw.hex().upper().encode())
    for before in range(3):
        # Characters that also hold bits of what stands before or after are left out.
        first, last = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        inner = base64.b64encode(bytes(before) + raw)[first:last]
        yield from (inner, inner.translate(bytes.maketrans(b"+/", b"-_")))


def found(secrets: Iterable[str], files: Iterable[Path]) -> list[str]:
    """Names of the files that hold a secret in any spelling; never the secret."""
    needles = {spelling for secret in secrets for spelling in spellings(secret)}
    return [file.name for file in files if any(one in file.read_bytes() for one in needles)]


def all_numbers(federation: Federation) -> set[str]:
    """Every NIR without its key, as declarations hold it: a whole NIR holds it too."""
    rows = (federation.people / "caf/identities.csv").read_text("utf-8").splitlines()[2:-1]
    return {row[0][:13] for row in csv.reader(rows, delimiter=";")}


@pytest.fixture(scope="module")
def result(federation: Federation) -> Result:
    """The canary's own benefit, computed from the canary's own income."""
    record = federation.policy.activities["caf-ppa"]
    with federation.gateway(record.id) as gateway:
        outcome = run(gateway, Needs.of(record), MONTH, [federation.canary.claim])
    return outcome.results[0]


def state_files(federation: Federation) -> list[Path]:
    return [path for path in federation.place.var.rglob("*") if path.is_file()]


def written_files(federation: Federation) -> list[Path]:
    """Ledgers, their index and the logs: everything but what holds the data themselves."""
    return [
        path
        for path in state_files(federation)
        if path.suffix == ".log" or "ledger" in path.relative_to(federation.place.var).parts
    ]


@pytest.mark.parametrize("secret", ["1234567890123", CANARY_EUROS])
@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
def test_spellings_find_a_secret_wherever_it_stands(secret: str, before: str) -> None:
    text = f"{before}{secret}xyz".encode()
    forms = (text, text.hex().encode(), base64.b64encode(text), base64.urlsafe_b64encode(text))
    assert all(any(one in form for one in spellings(secret)) for form in forms)


def test_canary_income_was_asked_and_received(federation: Federation, result: Result) -> None:
    """Without this the other tests would find nothing because nothing was there."""
    amounts = {source.row.values.get("mns") for source in result.sources}
    assert int(CANARY_CENTS) in amounts
    assert found([CANARY_EUROS], (federation.people / "cnav").iterdir())


def test_no_ledger_index_or_log_holds_an_income(federation: Federation, result: Result) -> None:
    assert result
    files = written_files(federation)
    assert {"node.log", "checkpoint"} <= {file.name for file in files}
    assert found(AMOUNTS, files) == []


def test_no_file_of_any_node_holds_a_nir(federation: Federation, result: Result) -> None:
    """Stores and vaults included: a NIR is kept encrypted or not at all."""
    assert result
    numbers = all_numbers(federation)
    assert federation.canary.nir[:13] in numbers
    assert found(numbers, state_files(federation)) == []


def test_no_path_holds_a_nir_or_an_income(federation: Federation, result: Result) -> None:
    assert result
    paths = "\n".join(map(str, federation.place.var.rglob("*"))).encode()
    secrets = {*all_numbers(federation), *AMOUNTS}
    assert not any(one in paths for secret in secrets for one in spellings(secret))


def private(path: Path, text: str) -> Path:
    path.write_text(text, "latin-1")
    path.chmod(0o600)
    return path


def asked_of(federation: Federation, file: Path) -> str:
    done = cloison(
        "ask", "--activity", "caf-ppa", "--holder", "cnav", "--dataset", "monthly_resources",
        "--fields", "mns", "--months", "2026-03:2026-03", "--nir-file", str(file),
        "--keys", str(federation.place.keys), "--address", federation.node("caf").address,
    )  # fmt: skip
    assert done.returncode, done.stdout
    return done.stdout + done.stderr


def loaded(federation: Federation, body: str, file: Path) -> str:
    place = federation.place
    done = cloison(
        "load", body, str(file), "--root", str(ROOT), "--keys", str(place.keys),
        "--var", str(file.parent / "spare"),
    )  # fmt: skip
    assert done.returncode == 3, done.stdout
    return done.stdout + done.stderr


def said_of_bad_input(federation: Federation, folder: Path) -> Iterator[str]:
    """What commands say when it is the canary's own data that are bad."""
    nir = federation.canary.nir
    wrong_key = f"{nir[:13]}{(int(nir[13:]) + 1) % 97:02d}"
    for name, line in (
        ("no-case", f"{nir};NOM;1980-01-01"),
        ("bad-nir", f"{wrong_key};NOM;1980-01-01"),
        ("bad-line", f"{nir};{CANARY_EUROS}"),
    ):
        yield asked_of(federation, private(folder / name, f"{line}\n"))
    number, impossible = nir[:13], f"{nir[:3]}13{nir[5:13]}"
    dsn = next(f for f in (federation.people / "cnav").glob("*.dsn") if found([number], [f]))
    text = dsn.read_text("latin-1")
    contract = re.search(f"30.001,'{number}'.*?40.009,'([^']*)'", text, re.DOTALL)
    assert contract
    for name, bad in (
        ("with-key", text.replace(number, nir)),
        ("bad-number", text.replace(number, impossible)),
        ("contract", text.replace(f"'{contract[1]}'", f"'{number}'")),
        ("two-files", text + text.splitlines()[0]),
    ):
        yield loaded(federation, "cnav", private(folder / f"{name}.dsn", bad))
    rows = (federation.people / "caf/identities.csv").read_text("utf-8")
    yield loaded(federation, "caf", private(folder / "c.csv", rows.replace(nir, wrong_key)))


def test_no_error_holds_a_nir_or_an_income(federation: Federation, tmp_path: Path) -> None:
    nir = federation.canary.nir
    secrets = (nir[:13], f"{nir[:3]}13{nir[5:13]}", *AMOUNTS)
    said = "\n".join(said_of_bad_input(federation, tmp_path)).encode()
    assert said
    assert not any(one in said for secret in secrets for one in spellings(secret)), "a secret"
