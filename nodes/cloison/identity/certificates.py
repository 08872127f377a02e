"""X.509 certificates whose one URI names a body's node or an activity.

ECDSA P-256: what every TLS library takes. Nodes serve and call; activities only call. Chain, dates
and host name are TLS's to check; who the peer is, is read here and nowhere else.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cloison.errors import InputError, PeerError, StorageError
from cloison.identity.names import Peer, parse_uri
from cloison.identity.secrets import load_private_file

VALID_DAYS = 825
_EARLIER = timedelta(days=1)  # a peer whose clock is behind must not refuse a new certificate
_PEM = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Issued:
    """A key and its certificate, both PEM."""

    key: bytes
    certificate: bytes

    def __repr__(self) -> str:
        return "Issued(…)"


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority of our own; elsewhere a body's PKI stands in its place."""

    issued: Issued
    _key: ec.EllipticCurvePrivateKey
    _certificate: x509.Certificate

    @classmethod
    def create(cls, now: datetime) -> "Authority":
        """A new self-signed authority, valid from a day before `now`."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Cloison local authority")
        builder = _builder(name, name, key, now)
        builder = builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        certificate = builder.sign(key, hashes.SHA256())
        return cls(_issued(key, certificate), key, certificate)

    def issue(self, peer: Peer, now: datetime) -> Issued:
        """A new key and the certificate that says it is `peer`'s."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(peer.activity or peer.host), self._certificate.subject, key, now)
        for extension, critical in self._extensions(peer):
            builder = builder.add_extension(extension, critical=critical)
        return _issued(key, builder.sign(self._key, hashes.SHA256()))

    def _extensions(self, peer: Peer) -> list[tuple[x509.ExtensionType, bool]]:
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(peer.uri)]
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if peer.activity is None:
            names += [x509.DNSName(peer.host), x509.DNSName("localhost")]
            uses.append(ExtendedKeyUsageOID.SERVER_AUTH)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_usage(signs_certificates=False), True),
            (x509.ExtendedKeyUsage(uses), False),
            (x509.SubjectAlternativeName(names), False),
            (issuer, False),
        ]


@lru_cache(maxsize=256)
def body_of_certificate(certificate: bytes) -> Peer:
    """Whom a peer's certificate, already verified by TLS, names.

    Args:
        certificate: One certificate, PEM or DER.

    Raises:
        PeerError: `BAD_CERTIFICATE`: not exactly one certificate, an authority's, or not exactly
            one URI among its names, or one in another spelling.
    """
    parsed = _parse(certificate)
    try:
        constraints = parsed.extensions.get_extension_for_class(x509.BasicConstraints).value
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError) as error:
        raise _bad("names nobody") from error
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if constraints.ca or len(uris) != 1:
        raise _bad("must name exactly one body, and be no authority's")
    try:
        return parse_uri(uris[0])
    except InputError as error:
        raise _bad(error.message) from error


def peer_of_certificate_file(path: Path) -> Peer:
    """As `body_of_certificate`, of a file; raises also `StorageError` `NO_CERTIFICATE`."""
    return body_of_certificate(load_certificate(path))


def load_certificate(path: Path) -> bytes:
    """The bytes of a certificate file. Raises `StorageError` `NO_CERTIFICATE`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError("NO_CERTIFICATE", f"certificate `{path}`: {error.strerror}") from error


def load_tls(directory: Path) -> Issued:
    """`tls.key`, whose mode is checked, and `tls.crt` of a node's or an activity's folder."""
    return Issued(load_private_file(directory / "tls.key"), load_certificate(directory / "tls.crt"))


def _parse(certificate: bytes) -> x509.Certificate:
    try:
        if not certificate.lstrip().startswith(_PEM):
            return x509.load_der_x509_certificate(certificate)
        (one,) = x509.load_pem_x509_certificates(certificate)
    except ValueError as error:
        raise _bad("not one certificate") from error
    return one


def _bad(why: str) -> PeerError:
    return PeerError("BAD_CERTIFICATE", f"certificate: {why}")


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    start = now.replace(microsecond=0) - _EARLIER
    builder = x509.CertificateBuilder(issuer, subject, key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(start).not_valid_after(start + timedelta(days=VALID_DAYS))
    return builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _issued(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> Issued:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Issued(private, certificate.public_bytes(Encoding.PEM))
