"""Certificates, tokens and the kubeconfig: what lets a client in, made once and kept."""

import base64
import ipaddress
import json
import os
import secrets
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import jwt
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.cluster.registry.addresses import API_ADDRESS

ADMIN, ADMIN_GROUP = "kubernetes-admin", "system:masters"
CLUSTER, CONTEXT = "kubernetes", "kubernetes-admin@kubernetes"
STUDENT, STUDENT_GROUP = "student", "course:students"
AUTHORITY = "kubernetes"
ISSUER = "https://kubernetes.default.svc.cluster.local"
DAYS = 3650
NAMES = (
    "localhost kubernetes kubernetes.default kubernetes.default.svc "
    "kubernetes.default.svc.cluster.local"
).split()


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, both PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True)
class Credentials:
    """All that the server keeps of secrets.

    ``token`` is the administrator's; tokens of service accounts are signed with ``signer``.
    """

    authority: Pair
    server: Pair
    admin: Pair
    signer: bytes
    token: str


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def _issue(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    extensions: list[tuple[x509.ExtensionType, bool]],
) -> Pair:
    moment = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - timedelta(minutes=5))
        .not_valid_after(moment + timedelta(days=DAYS))
    )
    identities: list[tuple[x509.ExtensionType, bool]] = [
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False),
    ]
    for extension, critical in [*identities, *extensions]:
        builder = builder.add_extension(extension, critical)
    certificate = builder.sign(signer, hashes.SHA256())
    return Pair(certificate.public_bytes(serialization.Encoding.PEM), _pem(key))


def _name(common: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def create() -> Credentials:
    """An authority, and from it the server's and the administrator's certificates."""
    root = _key()
    authority_name = _name(AUTHORITY)
    usage = x509.KeyUsage(True, False, True, False, False, True, False, False, False)
    is_authority = x509.BasicConstraints(ca=True, path_length=None)
    authority = _issue(
        authority_name, authority_name, root, root, [(is_authority, True), (usage, True)]
    )
    addresses = [x509.IPAddress(ipaddress.ip_address(a)) for a in ("127.0.0.1", "::1", API_ADDRESS)]
    names = x509.SubjectAlternativeName([*(x509.DNSName(name) for name in NAMES), *addresses])
    serving = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    server = _issue(
        _name("kube-apiserver"), authority_name, _key(), root, [(names, False), (serving, False)]
    )
    admin = _client(ADMIN, ADMIN_GROUP, root)
    return Credentials(authority, server, admin, _pem(_key()), secrets.token_urlsafe(32))


def _client(name: str, group: str, authority: ec.EllipticCurvePrivateKey) -> Pair:
    """A certificate with which a client is that user, of that group."""
    asking = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    return _issue(_name(name, group), _name(AUTHORITY), _key(), authority, [(asking, False)])


def load(folder: Path | None) -> Credentials:
    """Those of the data folder, made there on the first start; without a folder, new ones."""
    if folder is None:
        return create()
    path = folder / "credentials.json"
    if path.exists():
        kept = json.loads(path.read_text())
        pairs = {
            name: Pair(*(text.encode() for text in kept[name]))
            for name in ("authority", "server", "admin")
        }
        return Credentials(**pairs, signer=kept["signer"].encode(), token=kept["token"])
    credentials = create()
    pairs_out = {
        name: [
            getattr(credentials, name).certificate.decode(),
            getattr(credentials, name).key.decode(),
        ]
        for name in ("authority", "server", "admin")
    }
    write_private(
        path,
        json.dumps(pairs_out | {"signer": credentials.signer.decode(), "token": credentials.token}),
    )
    return credentials


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone can read; readers see the old one or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    partial.replace(path)


def kubeconfig(credentials: Credentials, server: str, context: str = CONTEXT) -> str:
    """The file that ``kubectl`` reads, with the administrator's certificate and token."""
    return _kubeconfig(
        credentials,
        server,
        context,
        ADMIN,
        {**_shown(credentials.admin), "token": credentials.token},
    )


def student_kubeconfig(credentials: Credentials, server: str, context: str = CONTEXT) -> str:
    """The same for the user ``student``, with a new certificate; RBAC says what it may do."""
    authority = cast(
        ec.EllipticCurvePrivateKey,
        serialization.load_pem_private_key(credentials.authority.key, None),
    )
    own = _client(STUDENT, STUDENT_GROUP, authority)
    return _kubeconfig(credentials, server, context, STUDENT, _shown(own))


def _shown(pair: Pair) -> dict[str, str]:
    return {"client-certificate-data": _data(pair.certificate), "client-key-data": _data(pair.key)}


def _data(pem: bytes) -> str:
    return base64.b64encode(pem).decode()


def _kubeconfig(
    credentials: Credentials, server: str, context: str, user: str, proof: dict[str, str]
) -> str:
    cluster = {
        "certificate-authority-data": _data(credentials.authority.certificate),
        "server": server,
    }
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "preferences": {},
            "current-context": context,
            "clusters": [{"name": CLUSTER, "cluster": cluster}],
            "contexts": [{"name": context, "context": {"cluster": CLUSTER, "user": user}}],
            "users": [{"name": user, "user": proof}],
        }
    )


def server_context(credentials: Credentials, folder: Path) -> ssl.SSLContext:
    """TLS for the server: clients may show a certificate of the authority.

    ``folder`` holds the files that ssl insists on.
    """
    chain = folder / "server.pem"
    write_private(chain, (credentials.server.certificate + credentials.server.key).decode())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    context.load_verify_locations(cadata=credentials.authority.certificate.decode())
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    return context


def service_account_token(
    credentials: Credentials,
    account: dict[str, str],
    seconds: int,
    audiences: list[str],
    pod: dict[str, str] | None,
) -> str:
    """A signed token of a service account, bound to a Pod; both are given by name and uid."""
    moment = int(time.time())
    own: dict[str, object] = {
        "namespace": account["namespace"],
        "serviceaccount": {"name": account["name"], "uid": account["uid"]},
    }
    if pod:
        own["pod"] = pod
    subject = f"system:serviceaccount:{account['namespace']}:{account['name']}"
    claims = {
        "aud": audiences,
        "exp": moment + seconds,
        "iat": moment,
        "iss": ISSUER,
        "jti": secrets.token_hex(16),
        "nbf": moment,
        "kubernetes.io": own,
        "sub": subject,
    }
    return jwt.encode(claims, credentials.signer, algorithm="ES256")


def token_claims(credentials: Credentials, token: str) -> dict[str, object] | None:
    """What a service account's token says, when it is genuine and has not run out."""
    key = serialization.load_pem_private_key(credentials.signer, None)
    public = cast(ec.EllipticCurvePublicKey, key.public_key())
    try:
        return dict(
            jwt.decode(
                token, public, algorithms=["ES256"], issuer=ISSUER, options={"verify_aud": False}
            )
        )
    except jwt.PyJWTError:
        return None
