"""`mailwicket run`: the daemon, in the foreground."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

CONFIG_EXIT = 78  # sysexits.h EX_CONFIG: RestartPreventExitStatus in the unit file
BUSY_EXIT = 75  # sysexits.h EX_TEMPFAIL: another daemon has the state directory

Conf = Annotated[
    Path | None, typer.Option("--conf", help="Directory of *.toml; else MAILWICKET_CONF, else /etc/mailwicket/conf.d.")
]


def run(conf: Conf = None) -> None:
    """Run the daemon in the foreground until SIGTERM."""
    import anyio

    from mailwicket.app import Daemon, run_until_signalled
    from mailwicket.cli.settings import installed, settings_or_exit
    from mailwicket.errors import AlreadyRunningError, BlockedError, MailwicketError
    from mailwicket.service.footprint import arrange
    from mailwicket.service.logs import set_up

    backends, sources = installed()
    settings = settings_or_exit(conf, exit_code=CONFIG_EXIT)
    set_up(settings.daemon.log_level, settings.daemon.log_format)
    try:
        daemon = Daemon(settings, backends, sources)
        arrange(mailboxes=sum(one.enabled for one in settings.incoming.values()))
        anyio.run(run_until_signalled, daemon, backend_options={"use_uvloop": _has_uvloop()})
    except* AlreadyRunningError as errors:
        _fail(errors, BUSY_EXIT)
    except* BlockedError as errors:
        _fail(errors, CONFIG_EXIT)
    except* MailwicketError as errors:
        _fail(errors, 1)


def _fail(errors: BaseExceptionGroup[Exception], code: int) -> None:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    typer.echo(f"mailwicket: {error}", err=True)
    raise typer.Exit(code)


def _has_uvloop() -> bool:
    """The extra `fast`: a sixth of the memory a TLS connection costs."""
    if os.environ.get("MAILWICKET_NO_UVLOOP"):
        return False
    try:
        import uvloop  # noqa: F401 - asked whether it is there
    except ImportError:
        return False
    return True
