"""Where persons reach a node: a server of its own, over TLS, that asks for no certificate.

Apart from the other one, so that nothing else of the node is open to who shows none.
"""

from pathlib import Path

import grpc

from cloison.errors import StorageError
from cloison.exchange import limits
from cloison.identity import load_tls
from cloison.identity.sign_in import Issuer
from cloison.v1 import persons_service_pb2_grpc
from cloison.wire.node import Node
from cloison.wire.persons import PersonDesk
from cloison.wire.persons_servicers import Person

_MOST_CALLS = 64
_MESSAGE_BYTES = 64 * 1024
_OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_concurrent_streams", 16),
    ("grpc.max_receive_message_length", _MESSAGE_BYTES),
    ("grpc.max_send_message_length", limits.MESSAGE_BYTES),
)


async def open_door(node: Node, issuer: Issuer, own_keys: Path, address: str) -> grpc.aio.Server:
    """Listens; `stop` of what is given back ends it.

    Raises:
        StorageError: `PORT_IN_USE`.
    """
    own = load_tls(own_keys)
    server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=_MOST_CALLS)
    persons_service_pb2_grpc.add_PersonServiceServicer_to_server(
        Person(node, PersonDesk(node, issuer)), server
    )
    try:
        server.add_secure_port(address, grpc.ssl_server_credentials([(own.key, own.certificate)]))
    except RuntimeError as error:
        raise StorageError(
            "PORT_IN_USE",
            f"address `{address}`: cannot listen, the port is taken",
            f"stop what listens there, or change `person_port` of `{node.body}`",
        ) from error
    await server.start()
    return server


def load_issuer(keys: Path) -> Issuer:
    """The issuer the nodes of a federation trust: `KEYS/public/issuer.json`.

    Raises:
        StorageError: `NO_ISSUER`. InputError: `BAD_ISSUER`.
    """
    path = keys / "public" / "issuer.json"
    try:
        return Issuer.parse(path.read_bytes())
    except OSError as error:
        raise StorageError(
            "NO_ISSUER",
            f"issuer `{path}`: {error.strerror}",
            "put the issuer's name and public keys there, or take `person_port` out",
        ) from error
