"""A Postfix of one's own on loopback, in front of a Dovecot: three doors, and no way to any other machine.

`relay` takes mail from loopback without login; `submission` wants STARTTLS and a login, `submissions` is TLS from the
first byte and wants a login. Whoever is `NAME` at Dovecot may send as `NAME@example.net` alone. Mail to example.net is
delivered to Dovecot; to `refused@example.net` it is refused at RCPT, to any other domain it is bounced.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.lab.dovecot import Dovecot
from tests.lab.imap_server import PASSWORD
from tests.lab.needs import lacking
from tests.lab.processes import free_ports, greets, mortal, until

BINARY = Path("/usr/sbin/postfix")
SIZE_LIMIT_BYTES = 2_000_000

MAIN = """
compatibility_level = 3.6
queue_directory = {base}/queue
data_directory = {base}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = {base}/postfix.log
maillog_file_prefixes = {base}
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.example.net
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
local_recipient_maps =
virtual_mailbox_domains = example.net
virtual_mailbox_maps = static:yes
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
default_transport = smtp:[127.0.0.1]:9
maximal_queue_lifetime = 0
bounce_queue_lifetime = 0
smtpd_tls_cert_file = {dovecot}/server.pem
smtpd_tls_key_file = {dovecot}/server.key
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {dovecot}/run/auth-postfix
smtpd_sender_login_maps = pcre:{base}/logins
smtpd_recipient_restrictions = check_recipient_access pcre:{base}/refused, permit
message_size_limit = {limit}
smtpd_delay_reject = yes
header_checks = pcre:{base}/stripped
"""

MASTER = """
127.0.0.1:{relay} inet n - n - - smtpd
127.0.0.1:{submission} inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
  -o smtpd_sender_restrictions=reject_authenticated_sender_login_mismatch
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
127.0.0.1:{submissions} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
  -o smtpd_sender_restrictions=reject_authenticated_sender_login_mismatch
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
lmtp unix - - n - - lmtp
smtp unix - - n - - smtp
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""

DOVECOT_MORE = """
service auth {{
  unix_listener {base}/run/auth-postfix {{
    mode = 0666
  }}
}}
"""


class AuthDovecot(Dovecot):
    """A Dovecot that tells Postfix who may log in."""

    def _config(self) -> str:
        return super()._config() + DOVECOT_MORE.format(base=self.base)


class Postfix:
    """A running instance; see `running`."""

    def __init__(self, base: Path, dovecot: AuthDovecot) -> None:
        """Start one below *base*, which must be short: it holds sockets."""
        self.base = base
        self.dovecot = dovecot
        self.relay, self.submission, self.submissions = free_ports(3)
        self._conf = base / "conf"
        for name in ("conf", "queue", "data"):
            (base / name).mkdir()
            (base / name).chmod(0o755)  # a store that was opened here has narrowed the umask
        base.chmod(0o755)
        shutil.chown(base / "data", "postfix")
        (base / "logins").write_text("/^([^@+]+)@example\\.net$/ $1\n/./ nobody\n")
        (base / "refused").write_text("/^refused@/ 550 5.1.1 nobody of that name\n/^later@/ 450 4.2.0 greylisted\n")
        (base / "stripped").write_text("")
        keys = {"base": base, "dovecot": dovecot.base, "lmtp": dovecot.lmtp, "limit": SIZE_LIMIT_BYTES}
        (self._conf / "main.cf").write_text(MAIN.format(**keys))
        ports = {"relay": self.relay, "submission": self.submission, "submissions": self.submissions}
        (self._conf / "master.cf").write_text(MASTER.format(**ports))
        for file in (base / "logins", base / "refused", base / "stripped", *self._conf.iterdir()):
            file.chmod(0o644)
        self.start()

    def start(self) -> None:
        """Start it, or start it again after `stop`: same ports, same queue."""
        command = mortal([str(BINARY), "-c", str(self._conf), "start-fg"])
        with (self.base / "out").open("ab") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True, umask=0o022)
        until(self._answers, 20, what="Postfix's answer")

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            log = self.base / "postfix.log"
            said = (self.base / "out").read_text() + (log.read_text() if log.exists() else "")
            raise RuntimeError(f"Postfix did not start: {said}")
        return greets(self.relay, b"220 ")

    def stop(self) -> None:
        """End it with all its sessions."""
        subprocess.run([str(BINARY), "-c", str(self._conf), "stop"], check=False, capture_output=True, timeout=30)
        self._process.terminate()
        self._process.wait(15)

    def strip(self, *headers: str) -> None:
        """Lose *headers* of all mail from now on, as gateways do."""
        names = "|".join(map(re.escape, headers))
        (self.base / "stripped").write_text(f"/^({names}):/ IGNORE\n")
        self.stop()
        self.start()

    def log(self) -> str:
        """Everything that it logged."""
        return (self.base / "postfix.log").read_text(errors="replace")

    def token_server(self, user: str, security: str = "tls", **keys: Any) -> dict[str, Any]:
        """Return `[outgoing.NAME]` for *user*, with tokens of `[oauth.office]`."""
        return self.server(user, security, password=None, auth="oauth", oauth="office", **keys)

    def server(self, user: str, security: str = "tls", **keys: Any) -> dict[str, Any]:
        """Return `[outgoing.NAME]` for *user*; *keys* add to it or replace."""
        port = {"none": self.relay, "tls": self.submission, "ssl": self.submissions}[security]
        login = {"authentication": False} if security == "none" else {"username": user, "password": PASSWORD}
        trust = {} if security == "none" else {"ca_file": str(self.dovecot.ca_file)}
        place = {"email": f"{user}@example.net", "server": "127.0.0.1", "port": port, "security": security}
        return {**place, **login, **trust, **keys}


@contextmanager
def running(kind: type[AuthDovecot] = AuthDovecot) -> Iterator[Postfix]:
    """Run a Postfix and its Dovecot, which is of this *kind*, in directories of their own, which go with them."""
    from tests.lab import dovecot

    if not BINARY.exists():
        lacking("Postfix: tests/real/install")
    if os.getuid():
        lacking("root: Postfix changes to users of its own")
    base = Path(tempfile.mkdtemp(prefix="mailwicket-mx-"))
    try:
        with dovecot.running(kind=kind) as behind:
            server = Postfix(base, behind)
            try:
                yield server
            finally:
                server.stop()
    finally:
        shutil.rmtree(base, ignore_errors=True)
