"""OAuth in the running daemon, and in a command where none runs: grants, sign-ins, and what ends when."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread

from mailwicket.config.incoming import Incoming
from mailwicket.config.oauth import SIGNED_IN, OAuth, resource_of
from mailwicket.config.outgoing import Outgoing
from mailwicket.config.settings import Settings
from mailwicket.errors import MailwicketError, UnknownError
from mailwicket.model import Use
from mailwicket.net.machine import Machine
from mailwicket.net.oauth.bearer import Door
from mailwicket.net.oauth.grant import Kept, Safe
from mailwicket.net.oauth.question import query_of
from mailwicket.net.oauth.signin import Progress, SignIn, SignIns
from mailwicket.net.oauth.tokens import Tokens
from mailwicket.net.oauth.wire import Wire
from mailwicket.service.ending import Ending
from mailwicket.timestamp import timestamp

USES: Final[Mapping[str, frozenset[Use]]] = {
    "imap": frozenset({"imap"}),
    "pop3": frozenset({"pop3"}),
    "smtp": frozenset({"smtp"}),
    "graph": frozenset({"graph"}),
    "mapi": frozenset({"graph"}),
}
"""By `protocol`; a plug-in's is taken for IMAP."""

SENDS: Final = frozenset[Use]({"graph", "graph_send"})

UNUSED: Final = {"microsoft": timedelta(days=90), "google": timedelta(days=180)}
"""So long a refresh token lives without use, by provider; of others nobody knows."""

LOOK_S: Final = 600
TRIED_S: Final = 15
"""An administrator's browser waits so long for what his consent brought."""

REASONS: Final = frozenset({"needs_sign_in", "needs_admin", "oauth_settings", "login_refused", "mailbox_refused"})
"""What blocks a unit until somebody signs in, consents or mends the application."""


class OAuthDesk:
    """Everything of OAuth for one state directory; there is one at a time."""

    def __init__(
        self, settings: Callable[[], Settings], safe: Safe, machine: Machine, granted: Callable[[str], None]
    ) -> None:
        """Serve what *settings* say with the tokens in *safe*; *granted* hears the name of a grant that is good again.

        *machine* brings tokens to the adapters from now on.
        """
        self._settings = settings

        async def trust() -> ssl.SSLContext:
            return await machine.trust(None)

        wire = Wire(trust, lambda: settings().proxy)
        self.tokens = Tokens(lambda: settings().oauth, self.uses, safe, wire, home=self.home)
        machine.tokens = self.tokens
        self._sign_ins = SignIns(self.tokens, granted)
        self._polls: set[asyncio.Task[None]] = set()
        self.endings: Sequence[Ending] = ()
        """As they were seen last."""

    def uses(self, name: str) -> frozenset[Use]:
        """Return what the mailboxes that name an application need of it."""
        settings = self._settings()
        found = [USES.get(one.protocol, USES["imap"]) for one in settings.incoming.values() if one.oauth == name]
        senders = [one for one in settings.outgoing.values() if one.oauth == name]
        found += [SENDS if one.protocol in {"graph", "mapi"} else USES["smtp"] for one in senders]
        return frozenset[Use]().union(*found)

    def _users(self, name: str) -> list[str]:
        settings = self._settings()
        return [
            *(f"incoming/{unit}" for unit, one in settings.incoming.items() if one.oauth == name),
            *(f"outgoing/{unit}" for unit, one in settings.outgoing.items() if one.oauth == name),
        ]

    def forgive(self, unit: str) -> None:
        """Ask anew for the tokens of *unit* that were refused: a person says that this is mended."""
        for name in self._settings().oauth:
            if unit in self._users(name):
                self.tokens.forgive(name)

    def home(self, name: str) -> str | None:
        """Return the proxy by which people's questions of an application go: that of the first server that names it.

        In the order of conf.d, enabled ones before others, mailboxes before what sends.
        """
        settings = self._settings()
        every: list[Incoming | Outgoing] = [*settings.incoming.values(), *settings.outgoing.values()]
        servers = sorted((one for one in every if _names(one, name)), key=lambda one: not one.enabled)
        return servers[0].proxy if servers else None

    # --- signing in -------------------------------------------------------------------------------------------------

    async def begin(self, name: str, how: str) -> Mapping[str, Any]:
        """Begin a sign-in by `browser` or `device`, or ask for an administrator's `consent`; return what to show.

        Raises:
            UnknownError: there is no such application, or no such way.
            ConflictError: it has none that this way is for.
            TransientError, BlockedError: the server does not answer, or refuses.
        """
        oauth = self._application(name)
        told: dict[str, Any] = {"name": name, "how": how, "redirect_url": oauth.redirect_url}
        match how:
            case "browser":
                begun, told["url"] = self._sign_ins.browse(name)
            case "consent":
                begun, told["url"] = self._sign_ins.consent(name)
            case "device":
                begun = await self._sign_ins.type_in(name)
                self._poll(begun)
                assert begun.device is not None  # noqa: S101 - it began so
                told |= {
                    "url": begun.device.verification_uri,
                    "complete_url": begun.device.verification_uri_complete,
                    "user_code": begun.device.user_code,
                    "expires_in_s": begun.device.expires_in_s,
                }
            case _:
                raise UnknownError("a sign-in is one of: browser, device, consent")
        return {**told, "state": begun.state}

    def _poll(self, begun: SignIn) -> None:
        task = asyncio.create_task(self._sign_ins.poll(begun))
        self._polls.add(task)
        task.add_done_callback(self._polls.discard)

    def progress(self, name: str, state: str) -> Mapping[str, Any]:
        """Tell how a sign-in is.

        Raises:
            UnknownError: there is none.
        """
        found = self._sign_ins.find(name, state)
        if found is None:
            raise UnknownError(f"no such sign-in of {name} is under way; after a restart it begins anew")
        return _came_of(found)

    async def come_back(self, query: Mapping[str, str] | str) -> Mapping[str, Any]:
        """Take what a browser brought to the redirect URL, or the URL as a person pasted it; tell what came of it.

        Raises:
            ConflictError: nobody waits for it.
        """
        found = await self._sign_ins.come_back(query_of(query) if isinstance(query, str) else query)
        if found.is_consent and found.progress is Progress.DONE and found.oauth.grant not in SIGNED_IN:
            found.said += f"; {await self._tried(found.name, found.oauth)}"
        self._look_soon()
        return _came_of(found)

    async def _tried(self, name: str, oauth: OAuth) -> str:
        """Say what a token of the application's own allows, after an administrator consented."""
        doors = {resource_of(use): Door(name, use, "", self.home(name)) for use in sorted(self.uses(name))}
        try:
            with anyio.fail_after(TRIED_S):
                for door in doors.values():
                    await self.tokens.access(door)
        except (MailwicketError, TimeoutError) as error:
            return f"no token can be had yet, which may take some minutes: {str(error) or 'no answer in time'}"
        return str(self.tokens.compared(name, oauth, await self.tokens.kept(name, oauth)))

    async def renew(self, opens: Door) -> Mapping[str, Any]:
        """Have a good token in the safe; tell until when it is good.

        Raises:
            UnknownError: there is no such application.
            TransientError, BlockedError: none can be had.
        """
        self._application(opens.name)
        access = await self.tokens.access(opens)
        return {"name": opens.name, "expires_at": _moment(access.expires_at)}

    def _application(self, name: str) -> OAuth:
        known = self._settings().oauth
        if name not in known:
            raise UnknownError(f"there is no [oauth.{name}]; there are: {', '.join(known) or 'none'}")
        return known[name]

    # --- how it is --------------------------------------------------------------------------------------------------

    async def told(self) -> Sequence[Mapping[str, Any]]:
        """Return what `mailwicket oauth status --json` prints."""
        await self.look()
        return [await self._one(name, oauth) for name, oauth in self._settings().oauth.items()]

    async def _one(self, name: str, oauth: OAuth) -> Mapping[str, Any]:
        by_itself = oauth.grant not in SIGNED_IN
        said: str | None = None
        kept = Kept("")
        try:
            kept = await self.tokens.kept(name, oauth)
        except MailwicketError as error:
            said = str(error)
        found = self.tokens.compared(name, oauth, kept)
        is_good = by_itself or kept.refresh is not None
        now = datetime.now(UTC)
        ends = {one.what: one.days_left(now) for one in self.endings if one.name == name}
        refusal = self.tokens.refusal(name)
        if refusal is not None:
            said = str(refusal)
        return {
            "name": name,
            "provider": oauth.provider,
            "grant": oauth.grant,
            "state": "by_itself" if by_itself else "signed_in" if is_good else "needs_sign_in",
            "used_by": self._users(name),
            "needed": list(found.needed),
            "granted": list(found.granted),
            "missing": list(found.missing),
            "signed_in_at": _moment(kept.signed_in_at),
            "renewed_at": _moment(kept.renewed_at),
            "token_expires_at": _moment(max((one.expires_at for one in kept.access.values()), default=None)),
            "days_left": ends,
            "said": said,
        }

    async def run(self) -> None:
        """Look from time to time what ends, until cancelled."""
        while True:
            await self.look()
            self._soon = anyio.Event()
            with anyio.move_on_after(LOOK_S):
                await self._soon.wait()

    _soon: anyio.Event | None = None

    def _look_soon(self) -> None:
        if self._soon is not None:
            self._soon.set()

    async def look(self) -> None:
        """See what ends when."""
        found: list[Ending] = []
        for name, oauth in self._settings().oauth.items():
            if oauth.client_secret_expires is not None:
                day = datetime.combine(oauth.client_secret_expires, time(), UTC)
                found.append(Ending(name, "secret", day))
            if oauth.certificate is not None:
                ends_at = await anyio.to_thread.run_sync(_certificate_ends, oauth.certificate, abandon_on_cancel=True)
                found += [Ending(name, "certificate", ends_at)] if ends_at else []
            if oauth.grant in SIGNED_IN:
                found += await self._grant_ending(name, oauth)
        self.endings = tuple(found)

    async def _grant_ending(self, name: str, oauth: OAuth) -> list[Ending]:
        try:
            kept = await self.tokens.kept(name, oauth)
        except MailwicketError:
            return []  # the units say so
        if kept.refresh is None or kept.renewed_at is None:
            return []
        if kept.ends_at is not None:
            ends_at = datetime.fromtimestamp(kept.ends_at, UTC)
            return [Ending(name, "grant", ends_at, timedelta(seconds=kept.life_s or 0))]
        unused = UNUSED.get("microsoft" if oauth.is_microsoft else oauth.provider)
        return [Ending(name, "grant", datetime.fromtimestamp(kept.renewed_at, UTC) + unused)] if unused else []

    async def close(self) -> None:
        """End what waits; a question that may bring a token is waited for."""
        for task in list(self._polls):
            task.cancel()
        await self.tokens.close()


def _names(server: Incoming | Outgoing, name: str) -> bool:
    """Tell whether *server* logs in by `[oauth.NAME]`."""
    return server.oauth == name


def _came_of(found: SignIn) -> Mapping[str, Any]:
    return {
        "name": found.name,
        "progress": found.progress,
        "said": found.said,
        "wants_consent": found.wants_consent,
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else timestamp(datetime.fromtimestamp(seconds, UTC))


def _certificate_ends(path: Path) -> datetime | None:
    """Return when the certificate in *path* ends; None where there is none: that is told where it is used. Blocking."""
    from cryptography import x509  # noqa: PLC0415 - 20 ms, for the few that have one

    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return None
