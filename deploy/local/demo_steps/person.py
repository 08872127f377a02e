"""A person signs in, and reads what was done with their data at every body."""

import csv
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloison.cli.federation import CLOISON
from cloison.cli.places import ISSUER_PORT
from demo_steps.stage import BODY, ROOT, Demo, DemoFailedError

_READY_SECONDS = 20.0
_IDENTITIES = "identities.csv"


def read_accesses(demo: Demo, claim: str, port: int = ISSUER_PORT) -> dict[str, int]:
    """What the applicant of a claim is shown: printed, and counted.

    Args:
        demo: Whose nodes run.
        claim: Number of a claim of the family fund.
        port: Where the local issuer listens meanwhile.

    Raises:
        DemoFailedError: the issuer does not start, or a node's answer does not hold.
    """
    identity = demo.place.var / "person.json"
    _write_identity(demo, claim, identity)
    options = ["--identity", str(identity), "--issuer", f"127.0.0.1:{port}"]
    options += ["--keys", str(demo.place.keys), "--root", str(ROOT)]
    if demo.place.addresses is not None:
        options += ["--addresses", str(demo.place.addresses)]
    try:
        with _issuer(demo, port):
            first = _run("accesses", *options, "--json")
            shown = _run("accesses", *options)
    finally:
        identity.unlink(missing_ok=True)
    demo.say(shown.rstrip())
    content = json.loads(first)
    return {
        "accesses": len(content["accesses"]),
        "refused": sum(one["outcome"] == "refused" for one in content["accesses"]),
        "ledgers": len(content["ledgers"]),
        "failed": len(content["failed"]) + len(content["differences"]),
    }


def _write_identity(demo: Demo, claim: str, path: Path) -> None:
    """The applicant's number and date of birth, in a private file."""
    nir = next(
        row["applicant"]
        for row in _rows(demo.people / BODY / "claims.csv")
        if row["claim"] == claim
    )
    born = next(
        row["birth_date"] for row in _rows(demo.people / BODY / _IDENTITIES) if row["nir"] == nir
    )
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"nir": nir, "birth_date": born}, file)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    lines = [line for line in path.read_text("utf-8").splitlines() if line[:1] != "#"]
    return iter(csv.DictReader(lines, delimiter=";"))


@contextmanager
def _issuer(demo: Demo, port: int) -> Iterator[None]:
    command = [*CLOISON, "person", "issuer", "--port", str(port), "--keys", str(demo.place.keys)]
    people = ["--people", str(demo.people / BODY)]
    process = subprocess.Popen([*command, *people], stdout=subprocess.PIPE, text=True)
    try:
        begin = time.monotonic()
        line = process.stdout.readline() if process.stdout else ""
        if "ready" not in line or time.monotonic() - begin > _READY_SECONDS:
            raise DemoFailedError("the issuer does not start")
        yield
    finally:
        process.terminate()
        process.wait()
        if process.stdout:
            process.stdout.close()


def _run(*words: str) -> str:
    command = [*CLOISON, "person", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DemoFailedError(f"cloison person {words[0]}: {done.stderr.strip() or done.stdout}")
    return done.stdout
