"""The certified authorization server of `oidc.mjs`, and a browser with somebody before it who clicks through."""

from __future__ import annotations

import http.cookiejar
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.lab.needs import lacking
from tests.lab.processes import free_ports, mortal

PLACE = Path(__file__).parents[2] / ".tools" / "oidc"
SCRIPT = Path(__file__).with_name("oidc.mjs")


class Oidc:
    """A running server."""

    def __init__(self, port: int, redirect_url: str, callback_url: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.redirect_url = redirect_url
        self.callback_url = callback_url


@contextmanager
def running(redirect_url: str, callback_url: str, client_jwk: str = "") -> Iterator[Oidc]:
    """Run one on a free port, which sends browsers back to *redirect_url* or *callback_url*."""
    node = shutil.which("node")
    if node is None or not (PLACE / "node_modules" / "oidc-provider").exists():
        lacking("oidc-provider is missing: tests/real/install")
    (port,) = free_ports(1)
    command = mortal([node, str(SCRIPT), str(port), redirect_url, callback_url])
    environ = {"PATH": str(Path(node).parent), "CLIENT_JWK": client_jwk}
    with subprocess.Popen(command, cwd=PLACE, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        try:
            while b"listening" not in (line := process.stdout.readline()):
                assert line, "oidc-provider ended"
            yield Oidc(port, redirect_url, callback_url)
        finally:
            process.kill()


class _StayHere(urllib.request.HTTPRedirectHandler):
    """Follows redirects within the server alone: back at the client the browser shows an address that leads nowhere."""

    def __init__(self, *stop_at: str) -> None:
        self.stop_at = stop_at

    def redirect_request(self, *words: Any) -> urllib.request.Request | None:
        newurl = words[-1]
        if newurl.startswith(self.stop_at):
            raise _BackError(newurl)
        return super().redirect_request(*words)


class _BackError(Exception):
    """The browser is sent back to the client."""


def click_through(server: Oidc, url: str) -> str:
    """Open *url*, sign in and consent; return where the browser ended."""
    jar = http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(rfc2965=False))
    browser = urllib.request.build_opener(
        urllib.request.HTTPCookieProcessor(jar),
        _StayHere(server.redirect_url, server.callback_url),
        urllib.request.ProxyHandler({}),
    )
    try:
        with browser.open(url, timeout=10) as page:
            text, here = page.read().decode(), page.geturl()
        for _ in range(8):
            form = re.search(r'<form[^>]*action="([^"]*)"', text)
            if form is None:
                return here
            fields = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', text))
            fields |= dict.fromkeys(re.findall(r'<input[^>]*name="(login|password)"', text), "desk")
            posted = urllib.parse.urlencode(fields).encode()
            with browser.open(urllib.parse.urljoin(here, form[1]), posted, timeout=10) as page:
                text, here = page.read().decode(), page.geturl()
    except _BackError as back:
        return str(back)
    return here
