"""What adapters may use of the machine: its trust store, and directories beside the store."""

from __future__ import annotations

import ssl
from pathlib import Path

from mailwicket.errors import BlockedError


class Machine:
    """The machine as `ports.Net`."""

    def __init__(self, state_dir: Path) -> None:
        """Place everything under *state_dir*. Touches nothing yet."""
        self.spool_dir = state_dir / "spool"
        self.attachment_dir = state_dir / "attachments"

    def tls_context(self, ca_file: Path | None) -> ssl.SSLContext:
        """Return a context that verifies chain and name, TLS 1.2 or later (RFC 8314 4.1).

        `SSL_CERT_FILE` and `SSL_CERT_DIR` stand in for the system's store, as OpenSSL has it; *ca_file* is
        trusted beside that.

        Raises:
            BlockedError: *ca_file* cannot be read or holds no certificate.
        """
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if ca_file is None:
            return context
        try:
            context.load_verify_locations(cafile=ca_file)
        except ssl.SSLError as error:
            raise BlockedError(f"ca_file {ca_file}: holds no certificate in PEM form", reason="certificate") from error
        except OSError as error:
            raise BlockedError(f"ca_file {ca_file}: {error.strerror}", reason="certificate") from error
        return context
