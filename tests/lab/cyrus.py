"""A Cyrus of one's own on loopback, out of Debian's packages: they cannot be installed beside Dovecot's.

It takes root: its master gives the servers to an account, of which nobody's will do. Everybody's password is PASSWORD;
a mailbox is there once `fill` was asked for it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from imaplib import IMAP4, Time2Internaldate
from pathlib import Path
from typing import Any, Final

import trustme

from tests.lab.imap_server import PASSWORD, ImapServer
from tests.lab.needs import lacking
from tests.lab.processes import free_ports, greets, mortal, until

ROOT: Final = Path(__file__).parents[2] / ".tools" / "cyrus"
PROGRAMS: Final = ROOT / "usr/lib/cyrus/bin"
OWNER: Final = "nobody"
GROUP: Final = "mail"
ADMIN: Final = "admin"
FIRST_MAIL_AT: Final = 1767225600  # 2026-01-01T00:00:00Z

CONFIG: Final = """
configdirectory: {base}/conf
defaultpartition: default
partition-default: {base}/spool
proc_path: {base}/run/proc
mboxname_lockpath: {base}/run/lock
idlesocket: {base}/run/idle
lmtpsocket: {base}/run/lmtp
notifysocket: {base}/run/notify
cyrus_user: {owner}
admins: {admin}
allowplaintext: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {base}/sasldb2
sasl_mech_list: PLAIN
defaultdomain: example.net
servername: example.net
unixhierarchysep: yes
altnamespace: yes
virtdomains: off
tls_server_cert: {base}/server.pem
tls_server_key: {base}/server.key
"""

SERVICES: Final = """
START {{
  recover cmd="{programs}/ctl_cyrusdb -C {base}/imapd.conf -r"
  idled cmd="{programs}/idled -C {base}/imapd.conf"
}}
SERVICES {{
  imap cmd="{programs}/imapd -C {base}/imapd.conf -U 30" listen="127.0.0.1:{imap}" prefork=0
  imaps cmd="{programs}/imapd -C {base}/imapd.conf -s -U 30" listen="127.0.0.1:{imaps}" prefork=0
}}
"""


class Cyrus(ImapServer):
    """A running instance; see `running`."""

    def __init__(self, base: Path) -> None:
        """Start one below *base*."""
        self.base = base
        self.imap, self.imaps = free_ports(2)
        self.ca_file = base / "ca.pem"
        self._laid: Counter[str] = Counter()
        libraries = [ROOT / "usr/lib/x86_64-linux-gnu", ROOT / "lib/x86_64-linux-gnu"]
        self._environment = {
            **os.environ,
            "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
            "SASL_PATH": str(libraries[0] / "sasl2"),
        }
        self._lay_out()
        self.start()

    def _lay_out(self) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        server = authority.issue_cert("localhost", "127.0.0.1")
        server.private_key_pem.write_to_path(self.base / "server.key")
        for number, blob in enumerate(server.cert_chain_pems):
            blob.write_to_path(self.base / "server.pem", append=number > 0)
        for name in ("conf/socket", "conf/proc", "conf/log", "conf/db", "spool", "run"):
            (self.base / name).mkdir(parents=True)
        keys = {"base": self.base, "imap": self.imap, "imaps": self.imaps, "programs": PROGRAMS}
        (self.base / "imapd.conf").write_text(CONFIG.format(**keys, owner=OWNER, admin=ADMIN))
        (self.base / "cyrus.conf").write_text(SERVICES.format(**keys))
        self._give_password(ADMIN)
        for path in (self.base, *self.base.rglob("*")):
            shutil.chown(path, OWNER, GROUP)
        self.base.chmod(0o755)

    def _give_password(self, user: str) -> None:
        program, store = ROOT / "usr/sbin/saslpasswd2", self.base / "sasldb2"
        command = [str(program), "-p", "-c", "-u", "example.net", "-f", str(store), user]
        subprocess.run(command, input=PASSWORD.encode(), env=self._environment, check=True, timeout=15)
        shutil.chown(store, OWNER, GROUP)

    def start(self) -> None:
        """Start it, or start it again: same ports, same mail."""
        conf, services = self.base / "imapd.conf", self.base / "cyrus.conf"
        command = [str(PROGRAMS / "master"), "-C", str(conf), "-M", str(services), "-p", str(self.base / "master.pid")]
        with (self.base / "out").open("ab") as out:
            self._process = subprocess.Popen(
                mortal(command), stdout=out, stderr=out, env=self._environment, start_new_session=True
            )
        until(self._answers, 30, what="Cyrus' answer")

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"Cyrus did not start: {(self.base / 'out').read_text()}")
        return greets(self.imap, b"* OK")

    def stop(self) -> None:
        """End it with all its sessions."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(15)

    def fill(self, user: str, mails: Iterable[bytes], folder: str = "INBOX") -> None:
        """Append *mails* (lines ending in CR LF) to a folder of *user*, one second apart."""
        if not self._laid[user]:
            self._laid[user] = 1
            self._give_password(user)
            with IMAP4("127.0.0.1", self.imap) as admin:
                admin.login(ADMIN, PASSWORD)
                assert admin.create(f"user/{user}")[0] == "OK"
        with self.session(user, readonly=False) as imap:
            if folder != "INBOX":
                imap.create(folder)
            for raw in mails:
                self._laid[user] += 1
                at = Time2Internaldate(time.gmtime(FIRST_MAIL_AT + self._laid[user]))
                assert imap.append(folder, "", at, raw)[0] == "OK"

    def box(self, user: str, security: str = "none", **keys: Any) -> dict[str, Any]:
        """As of any server; names are those of one domain here, without it."""
        return super().box(user, security, **{"username": user, **keys})

    def forget(self, user: str) -> None:
        """Its mail goes with the server."""


@contextmanager
def running() -> Iterator[Cyrus]:
    """Run a Cyrus in a directory of its own, which goes with it."""
    if not PROGRAMS.exists():
        lacking("Cyrus: tests/real/install")
    if os.getuid():
        lacking("Cyrus: only root may start it")
    base = Path(tempfile.mkdtemp(prefix="mailwicket-cy-"))
    try:
        server = Cyrus(base)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(base, ignore_errors=True)
