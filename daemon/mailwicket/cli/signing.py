"""Who does what `mailwicket oauth` asks for: the running daemon, or where none runs this process itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol
from urllib.parse import quote, urlencode

from mailwicket.cli.asking import Answer, Door, door
from mailwicket.cli.terminal import give_up
from mailwicket.errors import BlockedError, TransientError, UnknownError

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from mailwicket.config.settings import Settings
    from mailwicket.net.oauth.bearer import Door as TokenDoor
    from mailwicket.service.oauth import OAuthDesk

ROOT = "/api/v1/oauth"


class Signing(Protocol):
    """What the commands need. Where it cannot be had, each ends the command with a line why."""

    def told(self) -> Sequence[Mapping[str, Any]]: ...  # noqa: D102
    def begin(self, name: str, how: str) -> Mapping[str, Any]: ...  # noqa: D102
    def progress(self, name: str, state: str) -> Mapping[str, Any]: ...  # noqa: D102
    def come_back(self, url: str) -> tuple[Mapping[str, Any] | None, str]:
        """Take the URL that a browser came back to; return what came of it, or None and why nobody waits for it."""
        ...

    def renew(self, opens: TokenDoor) -> None:
        """Have a good token in the safe.

        Raises:
            TransientError: there is none now.
            BlockedError: there is none, and a human must act.
        """
        ...


class Remote:
    """The running daemon. It alone writes: two that refresh one grant would invalidate each other's tokens."""

    def __init__(self, way: Door) -> None:
        """Ask by *way*."""
        self._way = way

    def told(self) -> Sequence[Mapping[str, Any]]:
        """See `Signing`."""
        found: Sequence[Mapping[str, Any]] = _good(self._way.ask("GET", ROOT))
        return found

    def begin(self, name: str, how: str) -> Mapping[str, Any]:
        """See `Signing`."""
        route = "admin-consent" if how == "consent" else f"login?how={how}"
        told: Mapping[str, Any] = _good(self._way.ask("POST", f"{ROOT}/{quote(name, safe='')}/{route}"))
        return told

    def progress(self, name: str, state: str) -> Mapping[str, Any]:
        """See `Signing`."""
        told: Mapping[str, Any] = _good(self._way.ask("GET", f"{ROOT}/{quote(name, safe='')}/login/{quote(state)}"))
        return told

    def come_back(self, url: str) -> tuple[Mapping[str, Any] | None, str]:
        """See `Signing`."""
        answer = self._way.ask("POST", f"{ROOT}/answer", url)
        return (answer.told, "") if answer.is_good else (None, answer.problem)

    def renew(self, opens: TokenDoor) -> None:
        """See `Signing`."""
        query = urlencode({"use": opens.use, "mailbox": opens.mailbox, "proxy": opens.proxy or ""})
        answer = self._way.ask("POST", f"{ROOT}/{quote(opens.name, safe='')}/renew?{query}")
        if answer.is_good:
            return
        told = answer.told if isinstance(answer.told, dict) else {}
        reason = str(told.get("reason", "oauth_settings"))
        if told.get("passes"):
            raise TransientError(answer.problem, reason=reason)
        if answer.status == HTTPStatus.NOT_FOUND:
            words = f"the running daemon does not know it yet: {answer.problem}"
            raise BlockedError(words, reason=reason, fix='"mailwicket reload", then sign in where nobody has')
        raise BlockedError(answer.problem, reason=reason, fix=told.get("fix"))


def _good(answer: Answer) -> Any:  # noqa: ANN401 - whatever JSON holds
    return answer.told if answer.is_good else give_up(answer.problem)


class Local:
    """This process, with the state directory locked against a daemon."""

    def __init__(self, portal: BlockingPortal, desk: OAuthDesk) -> None:
        """Have *desk* work in *portal*."""
        self._portal = portal
        self._desk = desk

    def told(self) -> Sequence[Mapping[str, Any]]:
        """See `Signing`."""
        from mailwicket.errors import MailwicketError

        try:
            return self._portal.call(self._desk.told)
        except MailwicketError as error:
            _fail(error)

    def begin(self, name: str, how: str) -> Mapping[str, Any]:
        """See `Signing`."""
        from mailwicket.errors import MailwicketError

        try:
            return self._portal.call(self._desk.begin, name, how)
        except MailwicketError as error:
            _fail(error)

    def progress(self, name: str, state: str) -> Mapping[str, Any]:
        """See `Signing`."""
        return self._portal.call(self._desk.progress, name, state)

    def come_back(self, url: str) -> tuple[Mapping[str, Any] | None, str]:
        """See `Signing`."""
        from mailwicket.errors import ConflictError

        try:
            return self._portal.call(self._desk.come_back, url), ""
        except ConflictError as error:
            return None, str(error)

    def renew(self, opens: TokenDoor) -> None:
        """See `Signing`."""
        try:
            self._portal.call(self._desk.renew, opens)
        except UnknownError as error:
            raise BlockedError(str(error), reason="oauth_settings") from error


def _fail(error: Exception) -> NoReturn:
    give_up(str(error))


@contextmanager
def signing(conf: Path | None) -> Iterator[Signing]:
    """Lend who does the work: the daemon of *conf* where it answers, else this process."""
    from mailwicket.cli.settings import settings_or_exit

    way = door(conf)
    if way.is_answered():
        yield Remote(way)
        return
    with local(settings_or_exit(conf, exit_code=1)) as ours:
        yield ours


@contextmanager
def local(settings: Settings) -> Iterator[Local]:
    """Lend this process, with the store of *settings* open."""
    from anyio.from_thread import start_blocking_portal

    from mailwicket.errors import AlreadyRunningError, MailwicketError
    from mailwicket.net.machine import Machine
    from mailwicket.service.oauth import OAuthDesk
    from mailwicket.store import tokens
    from mailwicket.store.store import Store

    state_dir = settings.daemon.state_dir
    try:
        store = Store(state_dir, [tokens.SCHEMA])
    except AlreadyRunningError as error:
        give_up(f"{error}, and it does not answer at its unix socket")
    except MailwicketError as error:
        give_up(str(error))
    with start_blocking_portal() as portal:

        async def open_desk() -> OAuthDesk:
            safe = tokens.TokenSafe(state_dir, store)
            return OAuthDesk(lambda: settings, safe, Machine(state_dir), lambda _: None)

        async def close(desk: OAuthDesk) -> None:
            await desk.close()
            await store.close()

        desk = portal.call(open_desk)
        try:
            yield Local(portal, desk)
        finally:
            portal.call(close, desk)
