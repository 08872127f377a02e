"""Policy sets that follow the federation's first one, signed by its own signers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from tests.federation import ROOT, Federation

from cloison.bodies import BodyId
from cloison.cli.first_set import first_set, load_signers
from cloison.cli.root import read_policy
from cloison.exchange.policy_manifest import Manifest, sign_manifest
from cloison.ledger.note import parse_note
from cloison.wire.policy_desk import PolicyDesk
from cloison.wire.policy_sets import PolicySets
from cloison.wire.settings import quorum_of

DAY = date(2026, 6, 16)
ENOUGH = ("ministere", "controle")
_TEXT = """id = "decret-test"
title = "Décret d'essai"
read = "whole"

sources = [{ code = "essai", where = "tests", part = "tout" }]

[in_force]
from = 2026-06-16
until = 2026-06-17
"""
_RULE = """@id("closed")
@article("1")
forbid (principal, action == Action::"ask", resource)
when { context.purpose == Purpose::"calculation" };
"""
_EXAMPLE = """- name: "Le jour du décret, plus de calcul"
  day: 2026-06-16
  activity: caf-ppa
  purpose: calculation
  basis: decret-2025-1288
  asks: cnav/monthly_resources
  fields: [mns, nature]
  months: 2026-02..2026-04
  granularity: month
  case: {type: claim, month: 2026-06}
  expect: deny
  reason: FORBIDDEN
"""


def plain() -> dict[str, bytes]:
    """The files of the first set."""
    return read_policy(ROOT)


def with_decree(files: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """A new decree, in force on the federation's day alone: nothing is calculated on it."""
    folder = "texts/decret-test"
    return {
        **(plain() if files is None else files),
        f"{folder}/text.toml": _TEXT.encode(),
        f"{folder}/rules.cedar": _RULE.encode(),
        f"{folder}/examples.yaml": _EXAMPLE.encode(),
    }


def opening() -> dict[str, bytes]:
    """The text that opens a promise opens it a year longer."""
    files, path = plain(), "texts/decret-2024-50/text.toml"
    changed = files[path].replace(b"until = 2025-02-01", b"until = 2025-06-01")
    assert changed != files[path]
    return {**files, path: changed}


def renamed() -> dict[str, bytes]:
    """The first set but for a title: another set that decides alike."""
    files, path = plain(), "texts/loi-51-711/text.toml"
    return {**files, path: files[path].replace(b'title = "', b'title = "Projet. ', 1)}


def breaking() -> dict[str, bytes]:
    """A permit in a text that opens no promise, for a question no example puts."""
    files, path = plain(), "texts/decret-2025-1288/rules.cedar"
    rule = """
@id("quiet")
@article("1")
permit (principal, action == Action::"ask", resource == Dataset::"cnav/pensions")
when { context.purpose == Purpose::"control-targeting" };
"""
    return {**files, path: files[path] + rule.encode()}


@dataclass(frozen=True, slots=True)
class Signing:
    """A federation's signers, and the manifest a set follows."""

    federation: Federation

    def first(self) -> Manifest:
        note = (first_set(self.federation.keys) / "manifest").read_bytes()
        return Manifest.parse(parse_note(note).text)

    def sign(
        self,
        files: Mapping[str, bytes],
        *names: str,
        after: Manifest | None = None,
        day: date = DAY,
    ) -> bytes:
        return self.note(Manifest.of(files, after or self.first(), day), names or ENOUGH)

    def note(self, manifest: Manifest, names: Sequence[str] = ENOUGH) -> bytes:
        keys = self.federation.keys
        files = [keys / "signers" / f"{name}.key" for name in names]
        return sign_manifest(manifest.text(), load_signers(files, quorum_of(keys)))

    def desk(self, body: BodyId) -> PolicyDesk:
        federation = self.federation
        sets = PolicySets(federation.settings(body).state)
        return PolicyDesk(federation.node(body), sets, quorum_of(federation.keys))
