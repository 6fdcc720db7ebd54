"""Certificates of one test run, made by ``openssl``: a CA, a server, a client."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from batchwire.testing.kafka.programs import program

_NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
_CA = [
    *("-addext", "basicConstraints=critical,CA:TRUE"),
    *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
]
_LEAF = """\
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth,clientAuth
subjectAltName=DNS:localhost,IP:127.0.0.1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Paths of PEM files; ``server`` is certificate and key in one, as Kafka reads it."""

    ca: Path
    server: Path
    client_certificate: Path
    client_key: Path


def made_certificates(folder: Path) -> Certificates:
    """
    Make them, valid for two days, for ``localhost`` and 127.0.0.1.

    Raises:
        KafkaUnavailable: there is no ``openssl``.

    """
    folder.mkdir(parents=True, exist_ok=True)
    _openssl(folder, ["req", "-x509", *_files("ca"), *_NEW_KEY, *_CA, *_subject("ca")])
    for name in ("server", "client"):
        _sign(folder, name)
    key, certificate = folder / "server.key", folder / "server.pem"
    both = folder / "server-and-key.pem"
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return Certificates(
        ca=folder / "ca.pem",
        server=both,
        client_certificate=folder / "client.pem",
        client_key=folder / "client.key",
    )


def _sign(folder: Path, name: str) -> None:
    (folder / "leaf.cnf").write_text(_LEAF)
    request = ["-keyout", f"{name}.key", "-out", f"{name}.csr"]
    _openssl(folder, ["req", "-new", *request, *_NEW_KEY, *_subject(name)])
    files = ["-in", f"{name}.csr", "-out", f"{name}.pem", "-extfile", "leaf.cnf"]
    by_ca = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"]
    _openssl(folder, ["x509", "-req", *files, *by_ca])


def _files(name: str) -> list[str]:
    return ["-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2"]


def _subject(name: str) -> list[str]:
    return ["-subj", f"/CN={name}"]


def _openssl(folder: Path, arguments: list[str]) -> None:
    command = [program("openssl", "openssl for its certificates"), *arguments]
    subprocess.run(command, check=True, cwd=folder, capture_output=True)  # noqa: S603 - our own command
