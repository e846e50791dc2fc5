"""An authority and the certificates that it signs, made with openssl: valid, out of date, for other names."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tuft.errors import ServerUnreachableError
from tuft.inference.transport.access import Access
from tuft.inference.transport.triton import TritonTransport

_KEY: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, in PEM files."""

    certificate: Path
    key: Path


def unreachable(url: str, access: Access | None = None) -> ServerUnreachableError:
    """The error of a connection that has to fail."""
    transport = TritonTransport(url, access=access)
    try:
        with pytest.raises(ServerUnreachableError) as caught:
            transport.server_info()
    finally:
        transport.close()
    return caught.value


def authority(folder: Path, name: str) -> Pair:
    """A certificate that signs itself and others."""
    pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    _openssl("req", "-x509", *_KEY, "-keyout", pair.key, "-out", pair.certificate, "-days", 2, "-subj", f"/CN={name}")
    return pair


def signed(by: Pair, name: str, *, alternatives: str, days: int = 2) -> Pair:
    """A certificate for `alternatives`, as openssl's subjectAltName writes them; out of date if `days` is 0."""
    folder = by.certificate.parent
    pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    extensions.write_text(f"subjectAltName={alternatives}")
    _openssl("req", *_KEY, "-keyout", pair.key, "-out", request, "-subj", f"/CN={name}")
    _openssl(
        "x509", "-req", "-in", request, "-CA", by.certificate, "-CAkey", by.key, "-CAcreateserial", "-days", days,
        "-extfile", extensions, "-out", pair.certificate,
    )  # fmt: skip
    return pair


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
