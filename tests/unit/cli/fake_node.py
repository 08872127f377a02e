"""Serves gRPC health over mutual TLS, and nothing else: `fake_node.py KEYS ADDRESS BODY VAR`.

`VAR` only stands on its command line, as it does on a node's.
"""

import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2_grpc


def serve(keys: Path, body: str, address: str) -> None:
    """Until SIGTERM."""
    own = keys / body / "node"
    pair = ((own / "tls.key").read_bytes(), (own / "tls.crt").read_bytes())
    ca = (keys / "public/ca.crt").read_bytes()
    server = grpc.server(ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    server.add_secure_port(
        address, grpc.ssl_server_credentials([pair], ca, require_client_auth=True)
    )
    signal.signal(signal.SIGTERM, lambda *_: server.stop(0))
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[3], sys.argv[2])
