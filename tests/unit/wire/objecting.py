"""An objection as the program of an activity signs it."""

from hashlib import sha256

from tests.federation import Program

from cloison.exchange.statement import to_milliseconds
from cloison.v1 import store_service_pb2
from cloison.wire import demands


def objection(
    program: Program, nonce: bytes = bytes(16), **who: str
) -> store_service_pb2.SignedDemand:
    """`who` is a `nir`, or a `household`."""
    demand = store_service_pb2.Objection(
        version=1,
        activity=program.activity,
        signed_time_ms=to_milliseconds(program.federation.clock()),
        nonce=nonce,
        **who,
    ).SerializeToString(deterministic=True)
    signature = program.keys.sign(demands.OBJECTION + sha256(demand).digest())
    return store_service_pb2.SignedDemand(demand=demand, signature=signature)
