"""Certificates: exactly one name of ours, and real mutual TLS over loopback."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from cloison.bodies import BodyId, parse_body
from cloison.errors import InputError, PeerError
from cloison.identity import (
    Authority,
    Issued,
    Peer,
    body_of_certificate,
    load_tls,
    parse_activity,
    parse_uri,
)
from cloison.months import Month

NOW = datetime(2026, 11, 21, 12, 30, 15, 999, tzinfo=UTC)
CAF = Peer(BodyId("caf"))
PPA = Peer(BodyId("caf"), "caf-ppa")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create(NOW)


@pytest.mark.parametrize("peer", [CAF, PPA])
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_body_of_certificate_issued_names_its_peer(
    authority: Authority, peer: Peer, encoding: Encoding
) -> None:
    pem = authority.issue(peer, NOW).certificate
    encoded = x509.load_pem_x509_certificate(pem).public_bytes(encoding)
    assert body_of_certificate(encoded) == peer


def made(*extensions: x509.ExtensionType) -> bytes:
    """A certificate with just these extensions, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(x509.Name([]), x509.Name([]), key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def named(*uris: str) -> x509.SubjectAlternativeName:
    names = [x509.UniformResourceIdentifier(uri) for uri in uris]
    return x509.SubjectAlternativeName([*names, x509.DNSName("caf.cloison.local")])


LEAF = x509.BasicConstraints(ca=False, path_length=None)
AUTHORITY = x509.BasicConstraints(ca=True, path_length=0)
BAD: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "noise": lambda: b"\x30\x03\x02\x01\x01",
    "broken PEM": lambda: made(LEAF, named("cloison://caf"))[:-60],
    "two certificates": lambda: made(LEAF, named("cloison://caf")) * 2,
    "no names": lambda: made(LEAF),
    "no constraints": lambda: made(named("cloison://caf")),
    "an authority": lambda: made(AUTHORITY, named("cloison://caf")),
    "no URI": lambda: made(LEAF, named()),
    "two bodies": lambda: made(LEAF, named("cloison://caf", "cloison://cnav")),
    "a second URI": lambda: made(LEAF, named("cloison://caf", "https://caf.fr/")),
    "another scheme": lambda: made(LEAF, named("spiffe://caf")),
    "scheme in capitals": lambda: made(LEAF, named("CLOISON://caf")),
    "body in capitals": lambda: made(LEAF, named("cloison://CAF")),
    "no body": lambda: made(LEAF, named("cloison://")),
    "a user before": lambda: made(LEAF, named("cloison://x@caf")),
    "a port": lambda: made(LEAF, named("cloison://caf:7412")),
    "slash after": lambda: made(LEAF, named("cloison://caf/")),
    "no activity": lambda: made(LEAF, named("cloison://caf/activity/")),
    "activity too long": lambda: made(LEAF, named("cloison://caf/activity/" + "a" * 65)),
    "a part more": lambda: made(LEAF, named("cloison://caf/activity/caf-ppa/x")),
    "line end": lambda: made(LEAF, named("cloison://caf\n")),
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD.keys())
def test_body_of_certificate_wrong_in_one_thing_is_refused(make: Callable[[], bytes]) -> None:
    with pytest.raises(PeerError) as caught:
        body_of_certificate(make())
    assert caught.value.reason == "BAD_CERTIFICATE"


def test_issue_is_valid_from_a_day_before_for_825_days(authority: Authority) -> None:
    certificate = x509.load_pem_x509_certificate(authority.issue(CAF, NOW).certificate)
    start = NOW.replace(microsecond=0) - timedelta(days=1)
    dates = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    assert dates == (start, start + timedelta(days=825))


def test_issue_activity_cannot_serve(authority: Authority) -> None:
    certificate = x509.load_pem_x509_certificate(authority.issue(PPA, NOW).certificate)
    uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(uses) == [x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]
    assert names.get_values_for_type(x509.DNSName) == []


def test_issued_shown_holds_no_key(authority: Authority) -> None:
    assert "PRIVATE" not in repr(authority) + repr(authority.issue(CAF, NOW))


ids = st.from_regex(r"[a-z][a-z0-9-]{1,31}", fullmatch=True)


@given(ids, st.none() | ids)
def test_parse_uri_what_was_printed_is_the_same(body: str, activity: str | None) -> None:
    peer = Peer(BodyId(body), activity)
    assert parse_uri(peer.uri) == peer


@given(st.text(max_size=30) | st.from_regex(r"cloison://[a-z/-]{1,20}", fullmatch=True))
def test_parse_uri_any_text_is_refused_or_printed_again(text: str) -> None:
    try:
        assert parse_uri(text).uri == text
    except InputError:
        return


@pytest.mark.parametrize("text", ["", "a", "A-b", "1a", "a_b", "a" * 65, "caf-ppa\n", "é-b"])
def test_parse_activity_not_an_id_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_activity(text)
    assert caught.value.reason == "BAD_ACTIVITY"


@pytest.mark.parametrize("parse", [parse_activity, parse_uri, parse_body, Month.parse])
def test_parse_nir_in_the_wrong_place_is_not_quoted(parse: Callable[[str], object]) -> None:
    with pytest.raises(InputError) as caught:
        parse("255081416802538")
    assert "25508" not in str(caught.value)


def who_asks(_: bytes, context: grpc.ServicerContext) -> bytes:
    """The name in the caller's certificate."""
    (certificate,) = context.auth_context()["x509_pem_cert"]
    return body_of_certificate(certificate).uri.encode()


def as_it_is(content: bytes) -> bytes:
    return content


@contextmanager
def serving(own: Issued, ca: bytes) -> Iterator[int]:
    server = grpc.server(ThreadPoolExecutor(1))
    method = grpc.unary_unary_rpc_method_handler(who_asks, as_it_is, as_it_is)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("x", {"Who": method})])
    credentials = grpc.ssl_server_credentials(
        [(own.key, own.certificate)], ca, require_client_auth=True
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait()


def call(port: int, own: Issued, ca: bytes, host: str = "cnav.cloison.local") -> bytes:
    credentials = grpc.ssl_channel_credentials(ca, own.key, own.certificate)
    options = [("grpc.ssl_target_name_override", host)]
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials, options) as channel:
        answer: bytes = channel.unary_unary("/x/Who", as_it_is, as_it_is)(b"", timeout=10)
        return answer


@pytest.fixture(scope="module")
def ca(made_keys: Path) -> bytes:
    return (made_keys / "public/ca.crt").read_bytes()


@pytest.fixture(scope="module")
def port(made_keys: Path, ca: bytes) -> Iterator[int]:
    """A node of `cnav` that tells who calls."""
    with serving(load_tls(made_keys / "cnav/node"), ca) as open_port:
        yield open_port


@pytest.mark.parametrize(
    ("folder", "uri"),
    [
        ("caf/node", b"cloison://caf"),
        ("caf/activities/caf-ppa", b"cloison://caf/activity/caf-ppa"),
    ],
)
def test_mutual_tls_caller_is_known_by_its_certificate(
    made_keys: Path, ca: bytes, port: int, folder: str, uri: bytes
) -> None:
    assert call(port, load_tls(made_keys / folder), ca) == uri


def test_mutual_tls_by_localhost_is_accepted(made_keys: Path, ca: bytes, port: int) -> None:
    assert call(port, load_tls(made_keys / "caf/node"), ca, "localhost") == b"cloison://caf"


def test_mutual_tls_node_of_another_name_is_refused(made_keys: Path, ca: bytes, port: int) -> None:
    with pytest.raises(grpc.RpcError):
        call(port, load_tls(made_keys / "caf/node"), ca, "dgfip.cloison.local")


def test_mutual_tls_activity_as_server_is_refused(made_keys: Path, ca: bytes) -> None:
    impostor = load_tls(made_keys / "caf/activities/caf-ppa")
    with serving(impostor, ca) as open_port, pytest.raises(grpc.RpcError):
        call(open_port, load_tls(made_keys / "caf/node"), ca, "caf.cloison.local")


def test_mutual_tls_certificate_of_another_authority_is_refused(ca: bytes, port: int) -> None:
    stranger = Authority.create(datetime.now(UTC)).issue(CAF, datetime.now(UTC))
    with pytest.raises(grpc.RpcError):
        call(port, stranger, ca)


def test_mutual_tls_expired_certificate_is_refused_where_a_valid_one_is_not() -> None:
    now = datetime.now(UTC)
    authority = Authority.create(now)
    node = authority.issue(Peer(BodyId("cnav")), now)
    valid, expired = (authority.issue(CAF, now - timedelta(days=days)) for days in (820, 826))
    with serving(node, authority.issued.certificate) as open_port:
        assert call(open_port, valid, authority.issued.certificate) == b"cloison://caf"
        with pytest.raises(grpc.RpcError):
            call(open_port, expired, authority.issued.certificate)


def test_mutual_tls_caller_without_certificate_is_refused(ca: bytes, port: int) -> None:
    options = [("grpc.ssl_target_name_override", "cnav.cloison.local")]
    credentials = grpc.ssl_channel_credentials(ca)
    with (
        grpc.secure_channel(f"127.0.0.1:{port}", credentials, options) as channel,
        pytest.raises(grpc.RpcError),
    ):
        channel.unary_unary("/x/Who", as_it_is, as_it_is)(b"", timeout=10)
