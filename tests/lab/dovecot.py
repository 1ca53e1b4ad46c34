"""A Dovecot of one's own on loopback: IMAP, IMAPS, LMTP; its own certificate authority; mail below its directory.

Every user name exists, the password is `PASSWORD`. Nothing of the machine is changed: as root the mail
belongs to the number `MAIL_UID`, which needs no account; otherwise everything runs as the caller.
"""

from __future__ import annotations

import getpass
import os
import resource
import shutil
import signal
import smtplib
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import trustme

from tests.lab.imap_server import PASSWORD, ImapServer
from tests.lab.processes import free_ports, greets, mortal, until

BINARY = Path("/usr/sbin/dovecot")
MAIL_UID = os.getuid() or 5000
MAIL_GID = os.getgid() or 5000
LOOPBACK = ("localhost", "127.0.0.1")
FIRST_MAIL_AT = 1767225600  # 2026-01-01T00:00:00Z, the INTERNALDATE of the first mail of a mailbox

CONFIG = """
base_dir = {base}/run
state_dir = {base}/run
log_path = {base}/dovecot.log
instance_name = mailwicket-{imap}
protocols = imap lmtp{pop3_protocol}
listen = 127.0.0.1
ssl = yes
ssl_cert = <{base}/server.pem
ssl_key = <{base}/server.key
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_username_format = %Ln
auth_failure_delay = 0
auth_cache_size = 1M
mail_location = maildir:~/Maildir
mail_max_userip_connections = 10000
mailbox_idle_check_interval = 1s
imap_hibernate_timeout = 0
postmaster_address = postmaster@example.net
default_vsz_limit = 0
default_client_limit = 4000
default_process_limit = 1000
first_valid_uid = 1
namespace inbox {{
  inbox = yes
  separator = /
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={base}/mail/%n allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
  service_count = 0
  process_min_avail = 2
  process_limit = 4
}}
{pop3_service}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
"""

POP3_BINARY = Path("/usr/lib/dovecot/pop3")
POP3_SERVICE = """
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
  {chroot}
}}
protocol pop3 {{
  pop3_lock_session = yes
  mail_max_userip_connections = 10000
}}
"""

AS_CALLER = """
default_login_user = {user}
default_internal_user = {user}
default_internal_group = {group}
service imap-login {{
  chroot =
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


class Dovecot(ImapServer):
    """A running instance; see `running`."""

    def __init__(self, base: Path, names: Sequence[str] = LOOPBACK) -> None:
        """Start one below *base*, which must be short: it holds sockets. Its certificate bears *names*."""
        self.base = base
        self.imap, self.imaps, self.lmtp, self.pop3, self.pop3s = free_ports(5)
        self.ca_file = base / "ca.pem"
        self._laid: Counter[Path] = Counter()
        base.chmod(0o755)
        (base / "run").mkdir()
        (base / "mail").mkdir()
        os.chown(base / "mail", MAIL_UID, MAIL_GID)
        self._make_certificates(names)
        self._conf = base / "dovecot.conf"
        self._conf.write_text(self._config())
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
        self.start()

    def start(self) -> None:
        """Start it, or start it again after `stop` or `crash`: same ports, same mail."""
        command = mortal([str(BINARY), "-F", "-c", str(self._conf)])
        with (self.base / "out").open("wb") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
        until(self._answers, 15, what="Dovecot's answer")

    def _make_certificates(self, names: Sequence[str]) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        server = authority.issue_cert(*names)
        server.private_key_pem.write_to_path(self.base / "server.key")
        for number, blob in enumerate(server.cert_chain_pems):
            blob.write_to_path(self.base / "server.pem", append=number > 0)

    def _config(self) -> str:
        keys: dict[str, Any] = {"base": self.base, "imap": self.imap, "imaps": self.imaps, "lmtp": self.lmtp}
        chroot = "chroot =" if os.getuid() else ""
        has_pop3 = POP3_BINARY.exists()
        keys["pop3_protocol"] = " pop3" if has_pop3 else ""
        keys["pop3_service"] = POP3_SERVICE.format(pop3=self.pop3, pop3s=self.pop3s, chroot=chroot) if has_pop3 else ""
        text = CONFIG.format(**keys, password=PASSWORD, uid=MAIL_UID, gid=MAIL_GID)
        if os.getuid():
            import grp

            text += AS_CALLER.format(user=getpass.getuser(), group=grp.getgrgid(os.getgid()).gr_name)
        return text

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"Dovecot did not start: {(self.base / 'out').read_text()}")
        return greets(self.imap, b"* OK")

    def stop(self) -> None:
        """End it with all its sessions."""
        self._process.terminate()
        self._process.wait(15)

    def crash(self) -> None:
        """End it with all its sessions in the middle of whatever they do."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(15)

    def kick(self, user: str) -> None:
        """Cut the connections of *user*."""
        self._doveadm("kick", user)

    def logins(self, user: str) -> int:
        """How often *user* logged in since the server was first started, by its own log."""
        return (self.base / "dovecot.log").read_text(errors="replace").count(f"Login: user=<{user}>")

    def _doveadm(self, *words: str) -> None:
        """Run an administrator's command; what it did shows on the server, its exit code says other things too."""
        subprocess.run(["doveadm", "-c", str(self._conf), *words], check=False, capture_output=True, timeout=15)

    def home(self, user: str) -> Path:
        """Where the mail of *user* lies."""
        return self.base / "mail" / user

    def owner(self, _user: str) -> int:
        """Which number the mail of a user belongs to."""
        return MAIL_UID

    def forget(self, user: str) -> None:
        """Remove the mail of *user*."""
        shutil.rmtree(self.home(user), ignore_errors=True)

    def fill(self, user: str, mails: Iterable[bytes], folder: str = "INBOX") -> None:
        """Lay *mails* (lines ending in CR LF) into a folder of *user*, one second apart, without asking the server."""
        maildir = self.home(user) / "Maildir" / ("" if folder == "INBOX" else f".{folder}")
        for name in ("cur", "new", "tmp"):
            (maildir / name).mkdir(parents=True, exist_ok=True)
        owned = [self.home(user), self.home(user) / "Maildir", maildir, *(maildir / n for n in ("cur", "new", "tmp"))]
        for path in owned:
            os.chown(path, self.owner(user), MAIL_GID)
        for raw in mails:
            number = self._laid[maildir]
            self._laid[maildir] += 1
            stored = raw.replace(b"\r\n", b"\n")
            name = f"{FIRST_MAIL_AT + number}.M{number:06}P1.lab,S={len(stored)},W={len(raw)}"
            path = maildir / "tmp" / name
            path.write_bytes(stored)
            os.chown(path, self.owner(user), MAIL_GID)
            os.utime(path, (FIRST_MAIL_AT + number,) * 2)
            path.rename(maildir / "new" / name)

    def deliver(self, user: str, *mails: bytes) -> None:
        """Deliver *mails* to *user* by LMTP, as a mail server does."""
        with smtplib.LMTP("127.0.0.1", self.lmtp) as lmtp:
            for raw in mails:
                lmtp.sendmail("sender@example.org", [f"{user}@example.net"], raw)

    def renumber(self, user: str) -> None:
        """Give the mails in INBOX new numbers under a new UIDVALIDITY, as a restore from a backup does.

        Sessions are cut: Dovecot's own would go on with the index files that they have open, for ever.
        """
        maildir = self.home(user) / "Maildir"
        before = self.uidvalidity(user)
        for pattern in ("dovecot-uidlist*", "dovecot.index*", "dovecot.list.index*"):
            for path in maildir.glob(pattern):
                path.unlink()
        (maildir / "dovecot-uidlist").write_text(f"3 V{before + 1000} N1\n")
        os.chown(maildir / "dovecot-uidlist", MAIL_UID, MAIL_GID)
        self.kick(user)
        assert self.uidvalidity(user) != before

    @contextmanager
    def renumbered_for_a_while(self, user: str) -> Iterator[None]:
        """Renumber, and take the old numbers back in the end."""
        numbers = self.home(user) / "Maildir" / "dovecot-uidlist"
        before = numbers.read_bytes()
        self.renumber(user)
        yield
        for path in numbers.parent.glob("dovecot.index*"):
            path.unlink()
        numbers.write_bytes(before)
        self.kick(user)

    def revalidate(self, user: str) -> None:
        """Give INBOX a new UIDVALIDITY in which every mail keeps the UID that it had, as an administrator may."""
        before = self.uidvalidity(user)
        self._doveadm("mailbox", "update", "-u", user, "--uid-validity", str(before + 1000), "INBOX")
        assert self.uidvalidity(user) != before

    def popped_box(self, user: str, security: str = "none", **keys: Any) -> dict[str, Any]:
        """As `box`, over POP3."""
        port = self.pop3s if security == "ssl" else self.pop3
        return self.box(user, security, protocol="pop3", port=port, poll_s=1, **keys)


Kind = TypeVar("Kind", bound=Dovecot)


@contextmanager
def running(*names: str, kind: type[Kind] = Dovecot) -> Iterator[Kind]:  # type: ignore[assignment]
    """Run a Dovecot in a directory of its own, which goes with it. Its certificate bears *names*, else loopback's."""
    base = Path(tempfile.mkdtemp(prefix="mailwicket-lab-"))
    try:
        server = kind(base, names or LOOPBACK)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(base, ignore_errors=True)
