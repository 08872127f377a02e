"""Whom a body empowered: a private file, read anew when it changes; nobody if it is not right."""

from pathlib import Path

import pytest

from cloison.errors import CloisonError, InputError, PeerError, StorageError
from cloison.identity import AgentDirectory, agent_pseudonym

KEY = b"\5" * 32
DUPONT = agent_pseudonym(KEY, "dupont")
CONTROL = "caf-individual-control"


@pytest.fixture
def directory(tmp_path: Path) -> AgentDirectory:
    key = tmp_path / "agent.key"
    key.write_bytes(KEY)
    key.chmod(0o600)
    return AgentDirectory(tmp_path / "agents.toml", key)


def write(tmp_path: Path, text: str, mode: int = 0o600) -> None:
    path = tmp_path / "new.toml"
    path.write_text(text, "utf-8")
    path.chmod(mode)
    path.replace(tmp_path / "agents.toml")


def refused(directory: AgentDirectory, pseudonym: str = DUPONT, activity: str = CONTROL) -> str:
    with pytest.raises(CloisonError) as caught:
        directory.check(pseudonym, activity)
    assert pseudonym not in str(caught.value)
    return caught.value.reason


def test_agents_of_the_file_are_empowered_for_what_it_says_alone(
    directory: AgentDirectory, tmp_path: Path
) -> None:
    write(tmp_path, f'[agents]\ndupont = ["{CONTROL}"]\ndurand = []\n')
    directory.check(DUPONT, CONTROL)
    assert refused(directory, DUPONT, "caf-recovery") == "AGENT_NOT_EMPOWERED"
    assert refused(directory, agent_pseudonym(KEY, "durand")) == "AGENT_NOT_EMPOWERED"
    assert refused(directory, agent_pseudonym(b"\6" * 32, "dupont")) == "AGENT_NOT_EMPOWERED"


def test_agents_without_a_file_are_empowered_for_nothing(directory: AgentDirectory) -> None:
    assert refused(directory) == "AGENT_NOT_EMPOWERED"


def test_agents_taken_out_of_the_file_are_refused_from_the_next_question_on(
    directory: AgentDirectory, tmp_path: Path
) -> None:
    write(tmp_path, f'[agents]\ndupont = ["{CONTROL}"]\n')
    directory.check(DUPONT, CONTROL)
    write(tmp_path, "[agents]\n")
    assert refused(directory) == "AGENT_NOT_EMPOWERED"
    write(tmp_path, f'[agents]\ndupont = ["{CONTROL}"]\n')
    directory.check(DUPONT, CONTROL)
    (tmp_path / "agents.toml").unlink()
    assert refused(directory) == "AGENT_NOT_EMPOWERED"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "agents = 1",
        "[agents]\ndupont = 'caf-individual-control'",
        "[agents]\ndupont = [1]",
        "[agents]\n'' = []",
        "[agents]\n[others]",
        "[agents",
    ],
)
def test_agents_file_that_is_not_right_empowers_nobody_even_after_one_that_was(
    directory: AgentDirectory, tmp_path: Path, text: str
) -> None:
    write(tmp_path, f'[agents]\ndupont = ["{CONTROL}"]\n')
    directory.check(DUPONT, CONTROL)
    write(tmp_path, text)
    for _ in range(2):
        with pytest.raises(InputError, match=r"agents\.toml"):
            directory.check(DUPONT, CONTROL)


def test_agents_file_that_others_may_read_empowers_nobody(
    directory: AgentDirectory, tmp_path: Path
) -> None:
    write(tmp_path, f'[agents]\ndupont = ["{CONTROL}"]\n', 0o640)
    with pytest.raises(StorageError, match="chmod 600"):
        directory.check(DUPONT, CONTROL)


def test_agents_refusal_names_the_file_to_change(directory: AgentDirectory) -> None:
    with pytest.raises(PeerError, match=r"agents\.toml"):
        directory.check(DUPONT, CONTROL)
