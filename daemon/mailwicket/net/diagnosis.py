"""Why a connection was not made, in plain words, and what a person does about it. For the tests of all adapters."""

from __future__ import annotations

import socket
import ssl
from datetime import datetime
from typing import Final

from mailwicket.errors import StageError
from mailwicket.net.certificate import Certificate
from mailwicket.net.dial import why
from mailwicket.net.proxy import Way

NO_SUCH_NAME: Final = frozenset({socket.EAI_NONAME, socket.EAI_NODATA})

# Verification codes of OpenSSL, openssl-verification-options(1)
NOT_YET_VALID, EXPIRED = 9, 10
NAME_MISMATCHES: Final = frozenset({62, 64})  # of a host, of an IP address
SIGNED_BY_ITSELF: Final = frozenset({18, 19})
ISSUER_UNKNOWN: Final = frozenset({20, 21})

NEVER_OFF: Final = "verification cannot be switched off"


def name_not_found(host: str, error: OSError) -> StageError:
    """Judge a lookup that failed."""
    if error.errno in NO_SUCH_NAME:
        fix = "mend server: DNS has no address for this name"
    else:
        fix = "look at the resolver of this machine (/etc/resolv.conf): it gives no answer about any such name now"
    return StageError(f"{host}: {why(error)}", fix=fix)


def not_connected(peer: str, error: OSError, usual: str) -> StageError:
    """Judge addresses that do not answer; *usual* names the ports that are usual."""
    if isinstance(error, ConnectionRefusedError):
        fix = f"nobody listens there: mend server or port ({usual}), or start the server"
    elif isinstance(error, TimeoutError):
        fix = f"a firewall may drop it on the way, or server or port is another ({usual})"
    else:
        fix = f"look at the network of this machine; server and port ({usual}) may be wrong, too"
    return StageError(f"{peer} is not reachable: {why(error)}", fix=fix)


def proxy_refused(way: Way, error: OSError, *, credentials: bool) -> StageError:
    """Judge a proxy that was reached and did not lead to the server; *credentials*: it wants others."""
    if credentials:
        fix = f"mend username and password in [proxy.{way.name}]"
    elif isinstance(error, TimeoutError):
        fix = "the proxy may not reach the server, or url names another kind of proxy"
    else:
        fix = "have the proxy allow this server and port; or mend server or port, or the kind of proxy that url names"
    return StageError(str(error), fix=fix)


def certificate_refused(
    host: str, error: ssl.SSLCertVerificationError, shown: Certificate | None, now: datetime
) -> StageError:
    """Judge a certificate that does not stand the test; *shown* is what it says of itself."""
    code = error.verify_code
    what = f"the certificate is refused: {error.verify_message}"
    if shown is not None:
        what += f"; {describe(shown, now)}"
    if code == EXPIRED:
        fix = f"have the server's certificate renewed, or set this machine's clock right; {NEVER_OFF}"
    elif code == NOT_YET_VALID:
        fix = f"set this machine's clock right, or have the server's certificate made anew; {NEVER_OFF}"
    elif code in NAME_MISMATCHES:
        named = f"one of its names ({shown.names_shown})" if shown is not None and shown.names else "a name it bears"
        fix = f"set server to {named}, if that is the machine you mean, or have a certificate made for {host}"
    elif code in SIGNED_BY_ITSELF:
        fix = f"if it is your own, name the certificate of its authority in ca_file; {NEVER_OFF}"
    elif code in ISSUER_UNKNOWN:
        fix = (
            "name the certificate of its authority in ca_file, or have the server send the certificates between "
            f"(its chain); {NEVER_OFF}"
        )
    else:
        fix = f"have it mended by who runs the server; {NEVER_OFF}"
    return StageError(what, fix=fix)


def describe(shown: Certificate, now: datetime) -> str:
    """Say for whom a certificate is, by whom, and for how long."""
    left = shown.days_left(now)
    days = f"{left} days left" if left >= 0 else f"ended {shown.ends:%Y-%m-%d}"
    issuer = "itself" if shown.signs_itself else shown.issuer
    return f"for {shown.names_shown}, issued by {issuer}, {days}"
