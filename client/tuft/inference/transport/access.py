"""What a client and a server show each other: certificates, a token, headers. No message and no repr has secrets."""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tuft.errors import OptionError

if TYPE_CHECKING:
    from tuft.settings import Settings

TOKEN_HEADER: Final = "authorization"
KEY_VARIABLE: Final = "TUFT_KEY"

# What HTTP/2 and gRPC allow; names that end in -bin hold bytes, and grpc- is gRPC's own.
_NAME: Final = re.compile(r"(?!grpc-|:)[0-9a-z_.-]+(?<!-bin)")
_VALUE: Final = re.compile(r"[\x20-\x7e]+")


@dataclass(frozen=True)
class Access:
    """Certificates, token and headers of the connections to servers.

    Attributes:
        root_certificates: PEM file of the authorities that may have signed the server's certificate; empty for the
            public ones.
        client_certificate: PEM file of the certificate, with its chain, that is shown to the server; empty for none.
        client_key: PEM file of its private key; empty if `client_certificate` holds it, too.
        token: Sent as `authorization: Bearer TOKEN` with every call; empty for none.
        headers: Sent with every call, each as `name: value`.
        shared_memory: Whether pictures go through memory that is shared with a server on this machine, if it allows it.
        key: The key of the server's restricted APIs, which shared memory is one of; empty for none.
    """

    root_certificates: str = ""
    client_certificate: str = ""
    client_key: str = ""
    token: str = field(default="", repr=False)
    headers: tuple[str, ...] = field(default=(), repr=False)
    shared_memory: bool = False
    key: str = field(default="", repr=False)

    @classmethod
    def of(cls, settings: Settings) -> Access:
        """The access that settings, and the variable of the key, give."""
        return cls(
            str(settings.root_certificates),
            str(settings.client_certificate),
            str(settings.client_key),
            settings.token,
            tuple(settings.headers),
            settings.shared_memory,
            os.environ.get(KEY_VARIABLE, ""),
        )

    def require_fits(self, server: str, *, secure: bool, loopback: bool) -> None:
        """Checks that nothing is given that the connection would not use, or would give away.

        Args:
            server: Address of the server, for messages.
            secure: Whether the connection is encrypted.
            loopback: Whether it stays on this machine.

        Raises:
            OptionError: Certificates are given for a connection without TLS, or a token that anyone on the way may
                read.
        """
        if secure:
            return
        for name in ("root_certificates", "client_certificate", "client_key"):
            if getattr(self, name):
                raise OptionError(f"{name} is for TLS, which {server} is not asked for: write grpcs://{server}.")
        if self.token and not loopback:
            raise OptionError(f"The token would be sent to {server} unencrypted: write grpcs://{server}.")

    def tls_arguments(self) -> dict[str, Any]:
        """The TLS arguments of `tritonclient.grpc.InferenceServerClient`, from files that were read and fit together.

        Raises:
            OptionError: A file cannot be read or is not what it should be.
        """
        self.context()
        key = self.client_key or self.client_certificate
        return {
            "ssl": True,
            "root_certificates": self.root_certificates or None,
            "certificate_chain": self.client_certificate or None,
            "private_key": key or None,
        }

    def context(self) -> ssl.SSLContext:
        """Python's TLS context with these certificates, which verifies nothing.

        Raises:
            OptionError: A file cannot be read or is not what it should be.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if self.root_certificates:
            _require_readable("root_certificates", self.root_certificates)
            try:
                context.load_verify_locations(self.root_certificates)
            except ssl.SSLError as exc:
                raise OptionError(
                    f"root_certificates, {self.root_certificates}, holds no certificates: give a PEM file."
                ) from exc
        if self.client_key and not self.client_certificate:
            raise OptionError("client_key is given without a certificate: give client_certificate, too.")
        if self.client_certificate:
            self._load_chain(context)
        return context

    def _load_chain(self, context: ssl.SSLContext) -> None:
        key = self.client_key or self.client_certificate
        _require_readable("client_certificate", self.client_certificate)
        if "ENCRYPTED" in _require_readable("client_key", key):
            raise OptionError(f"client_key, {key}, is encrypted: give a key without a password.")
        try:
            context.load_cert_chain(self.client_certificate, key)
        except ssl.SSLError as exc:
            differ = exc.reason == "KEY_VALUES_MISMATCH"
            said = f"is not the key of {self.client_certificate}" if differ else "and its certificate are no PEM files"
            raise OptionError(f"client_key, {key}, {said}: give the two files that belong together.") from exc

    def metadata(self) -> dict[str, str]:
        """What is sent with every call: from names of headers to values.

        Raises:
            OptionError: A header cannot be sent, or is given twice.
        """
        pairs = [_header(header) for header in self.headers]
        if self.token:
            _require_sendable("token", self.token)
            pairs.append((TOKEN_HEADER, f"Bearer {self.token}"))
        found = dict(pairs)
        if len(found) < len(pairs):
            raise OptionError("headers, or token and headers, give a header twice: give each once.")
        return found


def _require_readable(name: str, file: str) -> str:
    try:
        return Path(file).read_text("latin-1")
    except OSError as exc:
        raise OptionError(f"{name}, {file}, cannot be read ({exc.strerror}): give a PEM file.") from exc


def _header(header: object) -> tuple[str, str]:
    """Name and value; messages give the name at most, as the value may be a secret."""
    name, colon, value = header.partition(":") if isinstance(header, str) else ("", "", "")
    name, value = name.strip().lower(), value.strip()
    if not colon or not value:
        raise OptionError("headers has an entry without name and value: write each as `name: value`.")
    if _NAME.fullmatch(name) is None:
        raise OptionError("headers has an entry whose name gRPC does not allow: use letters, digits, - and _.")
    _require_sendable(f"The header {name}", value)
    return name, value


def _require_sendable(what: str, value: str) -> None:
    if _VALUE.fullmatch(value) is None:
        raise OptionError(f"{what} has characters that cannot be sent: give one line of ASCII.")
