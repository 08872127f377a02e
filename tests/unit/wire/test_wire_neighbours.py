"""Record and replay across nodes, on data with one person more: what leaves, and how, is the same.

After Re:cord-play: whatever is random is fixed, and every message, every input of a mechanism and
every step is recorded on both data sets. Inputs differ by no more than the declared distance; what
leaves differs in noised figures alone; nothing else differs at all.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.federation import (
    ANNE,
    BRUNO,
    CAF,
    DENIS,
    ELSA,
    MSA,
    Federation,
    Someone,
    Template,
    opened_federation,
)
from tests.unit.wire.across import Analysts, load
from tests.unit.wire.study import ORDER, Studying

from cloison.exchange.entries import parse_entry
from cloison.statistics.noise import Mechanism
from cloison.statistics.noise.shares import NoiseShare

Inputs = list[list[int]]
Paid = dict[str, Sequence[Someone]]
WITHOUT: Paid = {"ppa": (ANNE,), "rsa": (ANNE, DENIS)}
WITH: Paid = {"ppa": (ANNE, ELSA), "rsa": (ANNE, DENIS, ELSA)}


@pytest.fixture
def neighbours(template: Template, tmp_path: Path) -> Iterator[list[Federation]]:
    """Two federations, alike but for one person of CAF's."""
    folders = [tmp_path / name for name in ("without", "with")]
    with (
        opened_federation(template, folders[0]) as one,
        opened_federation(template, folders[1]) as other,
    ):
        for federation, paid in ((one, WITHOUT), (other, WITH)):
            load(federation, CAF, paid)
            load(federation, MSA, {"ppa": (BRUNO,), "rsa": (BRUNO,)})
        yield [one, other]


def frozen(inputs: Inputs, scales: list[Any]) -> Callable[[Any, Sequence[int]], list[int]]:
    """A mechanism that records what it is given, and answers the same whatever that is."""

    def draw(mechanism: Any, exact: Sequence[int]) -> list[int]:
        inputs.append(list(exact))
        scales.append((mechanism, len(exact)))
        return [(place * 7919) % 1000 - 300 for place in range(len(exact))]

    return draw


def entered(federation: Federation, bodies: Sequence[Any]) -> list[tuple[str | None, int]]:
    """Kind and size of every entry of the registers."""
    found: list[tuple[str | None, int]] = []
    for body in bodies:
        register = federation.node(body).register
        entries = register.entries(0, register.size)
        found += [(parse_entry(one).WhichOneof("kind"), len(one)) for one in entries]
    return found


def moved(one: Inputs, other: Inputs) -> list[int]:
    return [
        sum(abs(a - b) for a, b in zip(*both, strict=True)) for both in zip(one, other, strict=True)
    ]


def test_masked_sum_of_neighbours_differs_in_what_mechanisms_are_given_alone(
    neighbours: list[Federation], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs: list[Inputs] = [[], []]
    scales: list[list[Any]] = [[], []]
    documents, messages = [], []
    for place, federation in enumerate(neighbours):
        monkeypatch.setattr(NoiseShare, "draw", frozen(inputs[place], scales[place]))
        analysts = Analysts(federation, "amounts")
        publication = analysts.publish().publication
        assert publication is not None
        documents.append(publication.document)
        told = [
            (body, name, [one.ByteSize() for one in answers])
            for body, part in analysts.parts.items()
            for name, answers in part.seen.items()
        ]
        messages.append((told, entered(federation, (CAF, MSA))))
    assert documents[0] == documents[1]
    assert messages[0] == messages[1]
    assert scales[0] == scales[1]
    # Three cells a person at most, each by one person or by the clip; of MSA's, by nothing.
    clip = neighbours[0].policy.statistics.table("amounts").measure.clip or 0
    most = [3 * step for step in (1, clip) for _ in range(3)]
    found = moved(*inputs)
    assert all(a <= b for a, b in zip(found, most + [0] * len(most), strict=True))
    assert sum(found) > 0


def test_study_of_neighbours_differs_in_what_mechanisms_are_given_alone(
    neighbours: list[Federation], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs: list[Inputs] = [[], []]
    scales: list[list[Any]] = [[], []]
    documents, messages = [], []
    for place, federation in enumerate(neighbours):
        monkeypatch.setattr(Mechanism, "draw", frozen(inputs[place], scales[place]))
        studying = Studying(federation)
        publication = studying.publish().publication
        assert publication is not None
        documents.append(publication.document)
        told = [
            (body, name, [one.ByteSize() for one in requests])
            for body, part in studying.parts.items()
            for name, requests in part.sent.items()
        ]
        messages.append((told, entered(federation, ORDER)))
    assert documents[0] == documents[1]
    assert messages[0] == messages[1]
    assert scales[0] == scales[1]
    assert moved(*inputs) == [1, 1, 1]
