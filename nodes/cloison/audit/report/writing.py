"""The report's files: page, paper, tables, JSON, evidence; the same for the same ledgers."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cloison.audit.report.document import report_document
from cloison.audit.report.report import Report
from cloison.errors import StorageError
from cloison.pages.notice import notice_page
from cloison.pages.notice_pdf import notice_pdf

PAGE, PAPER, JSON, EVIDENCE = "rapport.html", "rapport.pdf", "rapport.json", "evidence"
_SUMS = "SHA256SUMS"


Files = Iterator[tuple[str, bytes]]
"""Path and bytes of each."""


def report_files(report: Report, evidence: Files) -> Files:
    """Path and bytes of each file; their sums last.

    Raises:
        InputError: `PDF_NOT_MADE`. As `evidence_files`.
    """
    sums = []
    for name, data in _files(report, evidence):
        sums.append(f"{sha256(data).hexdigest()}  {name}\n")
        yield name, data
    yield f"{EVIDENCE}/{_SUMS}", "".join(sorted(sums, key=lambda line: line[66:])).encode()


def write_files(folder: Path, made: Files) -> int:
    """Writes them for their owner alone, all or none; returns how many.

    Raises:
        StorageError: `REPORT_EXISTS`: something is there. `REPORT_WRITE`.
    """
    if folder.exists() and any(folder.iterdir()):
        raise StorageError("REPORT_EXISTS", f"folder `{folder}`: not empty", "name a new one")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".report-", dir=folder.parent) as part:
            count = _write_all(Path(part), made)
            Path(part).rename(folder)
            Path(part).mkdir()  # for the block to remove
    except OSError as error:
        raise StorageError("REPORT_WRITE", f"folder `{folder}`: {error.strerror}") from error
    return count


def _write_all(folder: Path, made: Files) -> int:
    count = 0
    for name, data in made:
        path = folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("xb") as file:
            path.chmod(0o600)
            file.write(data)
        count += 1
    return count


def report_json(report: Report) -> dict[str, Any]:
    """Everything the tables hold, and the findings as `cloison audit run --json` has them."""
    examined, replayed = report.examined, report.examined.replayed
    return {
        "period": {
            "since": report.period.since.isoformat(),
            "until": report.period.until.isoformat(),
        },
        "bodies": list(report.bodies),
        "findings": [asdict(one) for one in examined.findings],
        "checked": {
            **examined.checked,
            "replayed": replayed.decisions,
            "differing": replayed.differing,
            "obligations": dict(replayed.obligations),
            "unmet": dict(replayed.unmet),
        },
        "series": [asdict(one) for one in examined.series],
        "tables": {name: one.objects() for name, one in report.sheets.items()},
    }


def _files(report: Report, evidence: Files) -> Files:
    document = report_document(report)
    yield PAGE, notice_page(document).encode()
    yield PAPER, notice_pdf(document, report.period.until)
    text = json.dumps(report_json(report), ensure_ascii=False, indent=1)
    yield JSON, f"{text}\n".encode()
    for name, one in report.sheets.items():
        yield f"tables/{name}.csv", one.csv()
    for name, data in evidence:
        yield f"{EVIDENCE}/{name}", data
