"""One table from errors to gRPC status and exit code; tested whole."""

import grpc

from cloison.errors import (
    BudgetExceeded,
    CloisonError,
    InputError,
    IntegrityError,
    PeerError,
    PolicyDenied,
    StorageError,
)
from cloison.v1 import receipt_pb2

OK, FAILURE, DENIED, INVALID = 0, 1, 2, 3

_BY_CLASS: tuple[tuple[type[CloisonError], grpc.StatusCode, int], ...] = (
    (InputError, grpc.StatusCode.INVALID_ARGUMENT, INVALID),
    (PolicyDenied, grpc.StatusCode.PERMISSION_DENIED, DENIED),
    (BudgetExceeded, grpc.StatusCode.RESOURCE_EXHAUSTED, DENIED),
    (PeerError, grpc.StatusCode.FAILED_PRECONDITION, FAILURE),
    (IntegrityError, grpc.StatusCode.DATA_LOSS, FAILURE),
    (StorageError, grpc.StatusCode.UNAVAILABLE, FAILURE),
)
BY_REASON = {
    "BAD_CERTIFICATE": grpc.StatusCode.UNAUTHENTICATED,
    "BAD_SIGNATURE": grpc.StatusCode.UNAUTHENTICATED,
    "NOT_YOURS": grpc.StatusCode.PERMISSION_DENIED,
    "TOO_LARGE": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "TOO_OFTEN": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "NOT_WITNESSED": grpc.StatusCode.UNAVAILABLE,
    "PEER_UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
}


def status_of(error: CloisonError) -> grpc.StatusCode:
    """The gRPC status of an error: its reason's if that has one, its class's otherwise."""
    by_reason = BY_REASON.get(error.reason)
    if by_reason is not None:
        return by_reason
    for kind, status, _ in _BY_CLASS:
        if isinstance(error, kind):
            return status
    return grpc.StatusCode.INTERNAL


def exit_code_of(error: CloisonError) -> int:
    """0 ok · 1 failure · 2 denied · 3 invalid input."""
    for kind, _, code in _BY_CLASS:
        if isinstance(error, kind):
            return code
    return FAILURE


def failure_of(error: CloisonError) -> receipt_pb2.Failure:
    """An error as an answer carries it."""
    return receipt_pb2.Failure(reason=error.reason, message=error.message, hint=error.hint)


def error_of(failure: receipt_pb2.Failure) -> CloisonError:
    """A failure as a program reads it."""
    return PeerError(failure.reason, failure.message, failure.hint)
