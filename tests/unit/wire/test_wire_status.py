"""One table from errors to status and exit code, held against every error the code can raise."""

import ast
from pathlib import Path

import grpc
import pytest

import cloison
from cloison import errors
from cloison.errors import CloisonError, InputError, IntegrityError, PeerError, StorageError
from cloison.wire import status

ROOT = Path(cloison.__file__).parent
CLASSES = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, CloisonError) and kind is not CloisonError
}


def _raised() -> set[tuple[str, str]]:
    """(class, reason) of every error made with a literal reason anywhere in the code."""
    found = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                reason = node.args[0] if node.args else None
                if node.func.id in CLASSES and isinstance(reason, ast.Constant):
                    found.add((node.func.id, str(reason.value)))
    return found


RAISED = sorted(_raised())


def test_every_error_of_the_code_was_found() -> None:
    assert len(RAISED) > 80
    assert ("PeerError", "REPLAYED") in RAISED


@pytest.mark.parametrize(("kind", "reason"), RAISED)
def test_status_of_every_error_raised_is_one_of_the_table(kind: str, reason: str) -> None:
    error = CLASSES[kind](reason, "message")
    assert status.status_of(error) not in {
        grpc.StatusCode.OK,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
    assert status.exit_code_of(error) in {status.FAILURE, status.DENIED, status.INVALID}
    assert reason == reason.upper()
    assert reason.replace("_", "").isalnum()


def test_every_class_of_error_has_its_row() -> None:
    assert {kind for kind, _, _ in status._BY_CLASS} == set(CLASSES.values())


def test_every_reason_with_a_row_of_its_own_is_raised_somewhere() -> None:
    reasons = {reason for _, reason in RAISED}
    assert set(status.BY_REASON) <= reasons


@pytest.mark.parametrize(
    ("error", "code", "exit_code"),
    [
        (InputError("MALFORMED", ""), grpc.StatusCode.INVALID_ARGUMENT, 3),
        (PeerError("REPLAYED", ""), grpc.StatusCode.FAILED_PRECONDITION, 1),
        (PeerError("NOT_YOURS", ""), grpc.StatusCode.PERMISSION_DENIED, 1),
        (PeerError("BAD_SIGNATURE", ""), grpc.StatusCode.UNAUTHENTICATED, 1),
        (errors.PolicyDenied("NO_TEXT", ""), grpc.StatusCode.PERMISSION_DENIED, 2),
        (errors.BudgetExceeded("SPENT", ""), grpc.StatusCode.RESOURCE_EXHAUSTED, 2),
        (IntegrityError("BAD_SEAL", ""), grpc.StatusCode.DATA_LOSS, 1),
        (StorageError("LEDGER_WRITE", ""), grpc.StatusCode.UNAVAILABLE, 1),
        (InputError("TOO_LARGE", ""), grpc.StatusCode.RESOURCE_EXHAUSTED, 3),
        (CloisonError("OTHER", ""), grpc.StatusCode.INTERNAL, 1),
    ],
)
def test_status_of_an_error_is_its_reasons_then_its_classs(
    error: CloisonError, code: grpc.StatusCode, exit_code: int
) -> None:
    assert (status.status_of(error), status.exit_code_of(error)) == (code, exit_code)


def test_failure_travels_and_comes_back_the_same() -> None:
    sent = PeerError("REPLAYED", "statement: answered before", "sign a new one")
    back = status.error_of(status.failure_of(sent))
    assert (back.reason, back.message, back.hint) == (sent.reason, sent.message, sent.hint)
