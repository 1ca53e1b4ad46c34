"""A browser without a window, spoken to over a pipe (Chrome DevTools protocol), and a proxy that sees its requests.

Pages are plain: no policy and no sandbox holds back what they hold. Every host leads to the proxy, so that nothing
that a page asks for goes unseen.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

from tests.lab.needs import lacking

BINARY: Final = Path("/usr/bin/chromium")
SITE: Final = "http://lab.example"
ANSWER_S: Final = 20
FLAGS: Final = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --disable-default-apps --disable-extensions --disable-dev-shm-usage --remote-debugging-pipe "
    "--disable-features=OptimizationHints,MediaRouter,Translate,HttpsUpgrades "
    "--autoplay-policy=no-user-gesture-required --disable-popup-blocking --proxy-bypass-list=<-loopback>"
).split()
OWN_HOSTS: Final = ("google.com", "googleapis.com", "gstatic.com", "gvt1.com")
"""The browser's, whatever it shows."""


class Site:
    """What the browser is served: the pages of `SITE`; all else is noted in `hits`, as `HOST/PATH`."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.hits: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = site.pages.get(self.path.removeprefix(SITE)) if self.path.startswith(SITE + "/") else None
                if page is None:
                    site.note(self.path.partition("://")[2])
                content = (page or "").encode("utf-8", "replace")
                self.send_response(404 if page is None else 200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_HEAD = do_GET  # noqa: N815 - the names are http.server's

            def do_CONNECT(self) -> None:
                site.note(self.path)
                self.send_error(502)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        Thread(target=self.server.serve_forever, daemon=True).start()

    def note(self, address: str) -> None:
        host = address.partition("/")[0].partition(":")[0]
        if not host.endswith(OWN_HOSTS) and address != "lab.example/favicon.ico":
            self.hits.append(address)


class Browser:
    """One browser with one page: events are kept as they come."""

    def __init__(self, site: Site, home: Path) -> None:
        self.site = site
        self.events: list[dict[str, Any]] = []
        self._number = 0
        self._rest = b""
        ours, theirs = os.pipe(), os.pipe()  # what it reads, what it writes
        command = [
            str(BINARY),
            *FLAGS,
            f"--proxy-server=127.0.0.1:{site.port}",
            f"--user-data-dir={home}",
            "about:blank",
        ]
        self.process = subprocess.Popen(
            ["sh", "-c", f'exec "$0" "$@" 3</proc/self/fd/{ours[0]} 4>/proc/self/fd/{theirs[1]}', *command],
            pass_fds=(ours[0], theirs[1]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(home)},
        )
        os.close(ours[0])
        os.close(theirs[1])
        self._write, self._read = ours[1], theirs[0]
        self._session: str | None = None
        try:
            self._open_page()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def _open_page(self) -> None:
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        self._number += 1
        number = self._number
        told: dict[str, object] = {"id": number, "method": method, "params": parameters}
        if self._session:
            told["sessionId"] = self._session
        os.write(self._write, json.dumps(told).encode() + b"\0")
        deadline = time.monotonic() + ANSWER_S
        while time.monotonic() < deadline:
            for answer in self._receive(0.2):
                if answer.get("id") == number:
                    assert "error" not in answer, (method, answer["error"])
                    return dict(answer["result"])
        raise TimeoutError(method)

    def wait(self, seconds: float) -> None:
        """Let the page do what it does."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._receive(left)

    def until_quiet(self, quiet_s: float = 0.7, at_most_s: float = 15) -> None:
        """Wait until nothing has happened for *quiet_s*."""
        deadline, quiet_from = time.monotonic() + at_most_s, time.monotonic()
        while time.monotonic() < min(deadline, quiet_from + quiet_s):
            if self._receive(0.1):
                quiet_from = time.monotonic()

    def show(self, path: str) -> None:
        """Go to a page of the site, and wait until it is at rest."""
        self.ask("Page.navigate", url=SITE + path)
        self.until_quiet()

    def run(self, script: str) -> Any:
        """Run *script* in the page and return what it gives."""
        return self.ask("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def told(self, method: str) -> list[Mapping[str, Any]]:
        """Return the parameters of the events of that name."""
        return [one["params"] for one in self.events if one.get("method") == method]

    def end(self) -> None:
        self._session = None
        try:
            self.ask("Browser.close")
        finally:
            os.close(self._write)
            os.close(self._read)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def _receive(self, seconds: float) -> list[dict[str, Any]]:
        if not select.select([self._read], [], [], seconds)[0]:
            return []
        *whole, self._rest = (self._rest + os.read(self._read, 1 << 20)).split(b"\0")
        come = [json.loads(one) for one in whole]
        for one in come:
            if one.get("method") == "Page.javascriptDialogOpening":
                self._number += 1
                answer = {"id": self._number, "method": "Page.handleJavaScriptDialog", "params": {"accept": True}}
                os.write(self._write, json.dumps({**answer, "sessionId": one["sessionId"]}).encode() + b"\0")
        self.events += [one for one in come if "method" in one]
        return come


@contextmanager
def browser() -> Iterator[Browser]:
    """Start one, with a site of its own."""
    if not BINARY.exists():
        lacking("Chromium is missing: apt-get install chromium")
    site = Site()
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as home:
        one = Browser(site, Path(home))
        try:
            yield one
        finally:
            one.end()
            site.server.shutdown()
            site.server.server_close()
