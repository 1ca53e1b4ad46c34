"""The whole configuration: what stands behind every table of conf.d but those of servers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, InstanceOf, Strict, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from mailwicket.config.directory import Category, Company, Group, Requester, Technician
from mailwicket.config.incoming import Incoming
from mailwicket.config.model import AddrSpec, DirectoryPath, FilePath, Says, Table, Text, is_address, is_loopback, wrong
from mailwicket.config.notification import Notification
from mailwicket.config.oauth import OAuth
from mailwicket.config.outgoing import Outgoing, OutgoingRule
from mailwicket.config.preferences import Msp, Preferences
from mailwicket.config.proxy import Proxy
from mailwicket.config.secret import Secret

UNIX_PATH_BYTES: Final = 107
"""unix(7): sun_path holds 108 bytes, the last a NUL."""

DEFAULT_BACKEND: Final = "desk"


class Daemon(Table):
    """The process."""

    state_dir: DirectoryPath = Field(
        default=Path("/var/lib/mailwicket"),
        description="Where everything is kept. One daemon for each.",
        json_schema_extra={"default": '$STATE_DIRECTORY, which systemd sets, else "/var/lib/mailwicket"'},
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least that is logged."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto", description="`auto`: for people on a terminal and in the journal, JSON otherwise."
    )
    stop_timeout_s: int = Field(
        default=10, ge=1, le=3600, description="Seconds that an orderly stop may take after SIGTERM."
    )
    alert_to: Annotated[tuple[AddrSpec, ...], Strict(strict=False)] = Field(
        default=(),
        description="Addresses of people who mend what no daemon can. What they are told of is logged and counted too.",
    )


def _listen(value: str) -> str:
    if value.startswith("unix:"):
        path = value.removeprefix("unix:")
        if not path.startswith("/") or "\0" in path:
            raise wrong("is no path from the root")
        if len(path.encode()) > UNIX_PATH_BYTES:
            raise wrong(f"is longer than the {UNIX_PATH_BYTES} bytes that a socket's path may have")
        return value
    host, _, port = value.rpartition(":")
    if not (host and port.isascii() and port.isdigit() and int(port) <= 65535):
        raise wrong('is no "HOST:PORT"')
    bare = host.removeprefix("[").removesuffix("]") if host.startswith("[") and host.endswith("]") else host
    if (":" in bare) != (bare is not host):
        raise wrong("is no address with port (IPv6 addresses stand in brackets)")
    if not is_loopback(bare) and not is_address(bare):
        raise wrong("is no IP address")
    return value


def is_foreign(address: str) -> bool:
    """Tell whether others than this machine can reach *address*, an item of `listen`."""
    return not address.startswith("unix:") and not is_loopback(address.rpartition(":")[0].strip("[]"))


def _public_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise wrong("is no URL with https:// and a host")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise wrong("is http, which is for this machine alone")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise wrong("has more than scheme, host, port and path")
    return value


PublicUrl = Annotated[Text, AfterValidator(_public_url), Says('a URL such as "https://desk.example.org"')]


def _listens(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise wrong("is empty")
    if len(set(value)) < len(value):
        raise wrong("names an address twice")
    return value


class Http(Table):
    """The endpoint for health, metrics and the command line."""

    listen: Annotated[
        tuple[
            Annotated[
                str,
                AfterValidator(_listen),
                Says('"unix:/PATH", or "HOST:PORT" with localhost or an IP address; port 0 is any free one'),
            ],
            ...,
        ],
        Strict(strict=False),
        AfterValidator(_listens),
    ] = Field(
        default=("unix:/run/mailwicket/admin.sock", "127.0.0.1:8025"),
        description="Where it listens. The command line asks the first unix socket, which the daemon's user, its group "
        "and root may open. Anything but that and loopback needs `admin_token`, `tls_certificate` and `tls_key`.",
    )
    admin_token: Secret | None = Field(
        default=None, description="A secret that opens `/api/v1/` over TCP; without it only the unix socket does."
    )
    tls_certificate: FilePath | None = Field(
        default=None,
        description="Certificate chain (PEM) to serve TCP with. A reload takes up one that was renewed in its file.",
    )
    tls_key: FilePath | None = Field(
        default=None, description="Its private key (PEM), where that has a file of its own."
    )
    public_url: (
        Annotated[Text, AfterValidator(_public_url), Says('a URL such as "https://desk.example.org"')] | None
    ) = Field(default=None, description="Under which address people reach the endpoint; its host is served.")

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        """Listening for others without lock and seal is refused; see `docs/decisions.md`."""
        if self.tls_key is not None and self.tls_certificate is None:
            raise wrong("has tls_key and no tls_certificate")
        if any(map(is_foreign, self.listen)):
            missing = [key for key in ("admin_token", "tls_certificate") if getattr(self, key) is None]
            if missing:
                raise wrong(f"listens for other machines without {' and '.join(missing)}")
        return self


class Store(Table):
    """Where the journal is, and how long mail is kept."""

    url: Literal["sqlite:mailwicket.db"] = Field(
        default="sqlite:mailwicket.db", description="The database, under `state_dir`. SQLite is the only kind for now."
    )

    raw_keep_days: int = Field(
        default=90,
        ge=1,
        le=36_500,
        description="Days for which the raw bytes of a mail are kept after it came, and the words of one that we sent.",
    )
    quarantine_keep_days: int = Field(
        default=30, ge=1, le=36_500, description="Days for which a parked mail waits for a person."
    )


class Backend(Table):
    """Where the tickets are. The keys of the chosen type stand in the same table."""

    type: Text = Field(
        default=DEFAULT_BACKEND,
        description="`desk`, the embedded one, `webhook`, or a plug-in's name. That type's keys follow.",
    )


@dataclass(frozen=True, slots=True)
class BackendChoice:
    """The type of desk, and that type's own keys."""

    type: str
    keys: BaseModel


class Settings(BaseSettings):
    """Everything of conf.d. Made by `load.load`; made directly, it reads neither files nor environment."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    daemon: Daemon = Field(default_factory=Daemon)
    http: Http = Field(default_factory=Http)
    store: Store = Field(default_factory=Store)
    backend: InstanceOf[BackendChoice]
    incoming: dict[str, Incoming] = Field(default_factory=dict)
    outgoing: dict[str, Outgoing] = Field(default_factory=dict)
    outgoing_rule: tuple[OutgoingRule, ...] = ()
    notification: dict[str, Notification] = Field(default_factory=dict)
    proxy: dict[str, Proxy] = Field(default_factory=dict)
    oauth: dict[str, OAuth] = Field(default_factory=dict)
    preferences: Preferences = Field(default_factory=Preferences)
    msp: Msp = Field(default_factory=Msp)
    technician: dict[str, Technician] = Field(default_factory=dict)
    group: dict[str, Group] = Field(default_factory=dict)
    category: dict[str, Category] = Field(default_factory=dict)
    company: dict[str, Company] = Field(default_factory=dict)
    requester: dict[str, Requester] = Field(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library's contract
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave out what the library would read by itself."""
        return (init_settings,)
