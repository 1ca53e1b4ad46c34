"""What the tables of mailboxes and servers at Microsoft Graph have in common: where it is, and who asks. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from mailwicket.config.model import is_loopback, wrong
from mailwicket.config.oauth import PRESETS

SERVERS: Final[Mapping[str, str]] = {
    name: urlsplit(preset.graph).hostname or "" for name, preset in PRESETS.items() if preset.graph
}
"""Where Microsoft's clouds have Graph, by `provider`. The mail servers of the national ones are written out."""

GRAPH_SERVER: Final = SERVERS["microsoft"]

CLOUD_SAYS: Final = f'that of the cloud in `provider` of the application, else "{GRAPH_SERVER}"'
"""The default in words: see `at_cloud`."""

TLS_PORT: Final = 443
CLEAR_PORT: Final = 80

NAMES: Final = frozenset({"graph", "mapi"})
"""As `protocol`: two names of one thing."""

NOT_TAKEN: Final = {
    "password": 'Microsoft Graph takes no passwords; oauth = "NAME" of an [oauth.NAME]',
    "allow_plaintext": "to another machine a token is never said in the clear",
}
"""Keys of other protocols, each with the reason why there is none here."""

_PATHS: Final = frozenset({"", "/", "/v1.0", "/v1.0/"})


def take_apart(values: Any) -> Any:  # noqa: ANN401 - whatever TOML holds
    """Return *values* with a `server` that is a URL split into `server`, `port` and `security`.

    Documentation names clouds by URLs; errors, status and proxies want host and port.
    """
    server = values.get("server") if isinstance(values, dict) else None
    if not isinstance(server, str) or "://" not in server:
        return values
    try:
        parts = urlsplit(server)
        port = parts.port
    except ValueError:
        raise _no_url() from None
    if parts.scheme not in {"https", "http"} or not parts.hostname or "@" in parts.netloc or parts.query:
        raise _no_url()
    if parts.path not in _PATHS:
        raise wrong("has a server with a path; the version (v1.0) is put behind its host by itself")
    security = "ssl" if parts.scheme == "https" else "none"
    said = {"port": port or port_of(security), "security": security}
    for name, value in said.items():
        if values.get(name, value) != value:
            raise wrong(f"has a server that says another {name} than the key {name}")
    return {**values, **said, "server": parts.hostname}


def _no_url() -> Exception:
    return wrong("has a server that is neither a host name nor a URL such as https://graph.microsoft.us")


def port_of(security: Any) -> int:  # noqa: ANN401 - as far as it was understood
    """Return the port that goes with *security*."""
    return CLEAR_PORT if security == "none" else TLS_PORT


def check_clear(server: str, security: str) -> None:
    """Refuse to say tokens in the clear to another machine, whatever else is configured."""
    if security == "none" and not is_loopback(server):
        raise wrong('has security = "none", and a token is said in the clear on this machine alone')


def check_provider(provider: str, protocol: str) -> None:
    """Refuse a *provider* that has no Graph."""
    if provider not in SERVERS and provider != "other":
        raise wrong(f'has protocol = "{protocol}", which is Microsoft\'s alone, and another provider')


def at_cloud(values: Mapping[str, Any], protocol: str, applications: Any) -> Mapping[str, Any]:  # noqa: ANN401 - as TOML has it
    """Return a table with the `server` of the cloud that its application signs in to, where it names none itself.

    *applications* are the tables `[oauth.NAME]` as they were read. Tokens of one cloud are nothing to another.
    """
    name = values.get("oauth")
    if protocol not in NAMES or "server" in values or not isinstance(applications, dict) or not isinstance(name, str):
        return values
    application = applications.get(name)
    provider = application.get("provider") if isinstance(application, dict) else None
    return {**values, "server": SERVERS[provider]} if isinstance(provider, str) and provider in SERVERS else values
