"""`mailwicket demo`: the daemon at work on mails of our own making; no mail server and no configuration is needed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mailwicket.cli.terminal import be_lenient, give_up

if TYPE_CHECKING:
    from rich.status import Status

    from mailwicket.demo.stop import StopRequest

EXTRA: Final = ("aiosmtpd", "pymap")
"""What the extra `demo` brings."""

LIMIT_S: Final = 30
"""The dozen mails take a fraction of a second; beyond this something is broken."""


def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="End when the mails are tickets; do not stay.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and end, as with --once.")] = False,
) -> None:
    """Show it at work on a dozen mails: a mail server and the daemon in this process.

    Then it stays: mail sent to the port that it names becomes a ticket while you
    watch, until Ctrl-C. All of it lies in a temporary folder that goes away then.
    """
    missing = [name for name in EXTRA if find_spec(name) is None]
    if missing:
        give_up(f"the demo needs {' and '.join(missing)}, not installed here: pip install 'mailwicket[demo]'")
    from mailwicket.demo.stop import StopRequest

    stop = StopRequest()
    be_lenient()
    once = once or as_json
    with TemporaryDirectory(prefix="mailwicket-demo-") as place:
        finished = _play_in(Path(place), stop, once=once, as_json=as_json)
    if once and not finished:
        give_up("the demo was stopped before its mails were tickets")
    if not once:
        print("\nStopped. Nothing is left behind.")


# --- running it


def _play_in(place: Path, stop: StopRequest, *, once: bool, as_json: bool) -> bool:
    """Play in the folder *place*; tell whether that came to its own end."""
    from rich.console import Console

    with Console(stderr=True).status("Starting a mail server and the daemon") as status:  # on a terminal alone
        import anyio

        from mailwicket.errors import MailwicketError
        from mailwicket.service.logs import set_up

        set_up("error", "console")
        try:
            return anyio.run(_until_asked, stop, lambda: _play(place, status, once=once, as_json=as_json))
        except BaseExceptionGroup as errors:
            cause: BaseException = errors
            while isinstance(cause, BaseExceptionGroup):
                cause = cause.exceptions[0]
            if isinstance(cause, MailwicketError | OSError) and not isinstance(cause, BrokenPipeError):
                give_up(str(cause))
            raise cause from None  # whoever read our output left, or a bug


async def _until_asked(stop: StopRequest, play: Callable[[], Awaitable[None]]) -> bool:
    """Tell whether *play* came to its end before it was asked to stop."""
    import anyio

    async with anyio.create_task_group() as tasks:

        async def wait() -> None:
            await stop.wait()
            tasks.cancel_scope.cancel()

        tasks.start_soon(wait)
        await play()
        tasks.cancel_scope.cancel()
        return True
    return False


async def _play(place: Path, status: Status, *, once: bool, as_json: bool) -> None:
    from mailwicket.backends.desk.reading import list_tickets
    from mailwicket.cli import playbill
    from mailwicket.demo.samples import samples
    from mailwicket.demo.stage import staged
    from mailwicket.demo.verdict import Verdicts

    mails = samples()
    async with staged(place, mails) as stage:
        verdicts = Verdicts(stage.daemon)

        def tell(count: int) -> None:
            status.update(f"{count} of {len(mails)} mails are decided")

        decided = await verdicts.first(len(mails), LIMIT_S, tell)
        tickets = stage.daemon.store.read(lambda tx: list_tickets(tx, all=True))
        status.stop()
        show = playbill.show_json if as_json else playbill.show_result
        show(tickets, decided)
        if once:
            return
        playbill.show_what_next(stage.conf, stage.smtp_port)
        while True:
            for verdict in await verdicts.more():
                playbill.show_arrival(verdict)
