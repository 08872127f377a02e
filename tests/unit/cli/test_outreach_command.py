"""`cloison outreach`: what it reads and writes of its own, without a node."""

import json
from pathlib import Path

import pytest

from cloison.bodies import BodyId
from cloison.cli.app import run
from cloison.cli.outreach import _write, campaign_to_json, read_nir
from cloison.errors import CloisonError
from cloison.identity import Nir
from cloison.pages.document import Document
from cloison.programs.outreach.letter import Letter
from cloison.programs.outreach.run import Campaign, Ending, Result
from cloison.wire.gateway import ReceiptRef

NIR = "190019999900163"
LETTER = Document("Titre", (("De", "la caisse"),), ())


def test_read_nir_takes_one_number_and_its_line_end(tmp_path: Path) -> None:
    file = tmp_path / "nir"
    file.write_text(f"{NIR}\n", "ascii")
    assert read_nir(file) == Nir(NIR)


@pytest.mark.parametrize("text", [NIR[:-1] + "4", f"{NIR}\n{NIR}\n", "", "é", NIR + "\0" * 99])
def test_read_nir_of_anything_else_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    file = tmp_path / "nir"
    file.write_text(text, "utf-8")
    with pytest.raises(CloisonError) as caught:
        read_nir(file)
    assert NIR[:13] not in str(caught.value)


@pytest.mark.parametrize("reference", ["../../outside", "/etc/x", "a/b", "", ".hidden", "x" * 300])
def test_write_letter_stays_in_its_folder_whatever_its_reference(
    tmp_path: Path, reference: str
) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    _write(folder, Letter(reference, LETTER))
    written = [path.relative_to(folder) for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(path.suffix for path in written) == [".html", ".txt"]
    assert all(len(path.parts) == 1 for path in written)
    assert all((folder / path).stat().st_mode & 0o777 == 0o600 for path in written)


def test_run_into_a_folder_that_is_there_is_refused_before_anything_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["outreach", "run", "--month", "2026-06", "--letters", str(tmp_path)]
    assert run(words) == 3
    assert "OUT_EXISTS" in capsys.readouterr().err


def test_json_of_a_campaign_says_each_outcome_and_its_entry() -> None:
    receipt = ReceiptRef(BodyId("caf"), 7, bytes(32), 9)
    result = Result("H1", Ending.NO_ENTITLEMENT, receipt)
    printed = json.loads(campaign_to_json(Campaign((result,), 0, 1, {}, 2, 2, 0)))
    assert printed["results"] == [
        {"household": "H1", "outcome": "no-entitlement", "set_aside": None, "leaf": 7}
    ]
    assert printed["summary"]["no_entitlement"] == 1
