"""`mailwicket run`: the daemon, in the foreground."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from typing import Annotated, Final

import typer

log = logging.getLogger(__name__)

CONFIG_EXIT = 78  # sysexits.h EX_CONFIG: RestartPreventExitStatus in the unit file
BUSY_EXIT = 75  # sysexits.h EX_TEMPFAIL: another daemon has the state directory

LEAVE_S: Final = 0.5
"""So long the threads of a daemon that stopped may take to end."""

Conf = Annotated[
    Path | None,
    typer.Option(
        "--conf",
        help="Directory of *.toml; else MAILWICKET_CONF, else /etc/mailwicket/conf.d.",
        readable=False,  # not for the command line to say: each command has an exit status of its own for that
    ),
]


def run(conf: Conf = None) -> None:
    """Run the daemon in the foreground until SIGTERM."""
    import anyio

    from mailwicket.app import Daemon
    from mailwicket.cli.settings import load_with
    from mailwicket.config.plugins import installed as installed_plugins
    from mailwicket.config.where import conf_dir
    from mailwicket.errors import AlreadyRunningError, BlockedError, MailwicketError
    from mailwicket.process import run_until_signalled
    from mailwicket.service.footprint import arrange
    from mailwicket.service.logs import as_error, set_up
    from mailwicket.service.notify import Notifier
    from mailwicket.service.reload import ConfDir

    directory = conf_dir(conf, os.environ)
    plugins = installed_plugins()
    loaded = load_with(plugins, directory)
    settings = loaded.settings
    if settings is None:
        for error in loaded.errors:
            typer.echo(as_error(str(error)), err=True)
        raise typer.Exit(CONFIG_EXIT)
    set_up(settings.daemon.log_level, settings.daemon.log_format)
    for note in loaded.notes:
        log.warning("note: %s", note)
    source = ConfDir(directory, lambda: load_with(plugins, directory), loaded.fingerprint, loaded.hashes)
    notifier = Notifier(os.environ)
    try:
        daemon = Daemon(settings, plugins.backends, plugins.sources, source, notifier)
        arrange(mailboxes=sum(one.enabled for one in settings.incoming.values()))
        anyio.run(run_until_signalled, daemon, backend_options={"use_uvloop": _has_uvloop()})
        _leave()
    except* AlreadyRunningError as errors:
        _fail(errors, BUSY_EXIT)
    except* BlockedError as errors:
        _fail(errors, CONFIG_EXIT)
    except* MailwicketError as errors:
        _fail(errors, 1)


def _leave() -> None:
    """End now: everything is closed, and a thread that still waits for a command or a disk has nothing left to do."""
    end = time.monotonic() + LEAVE_S
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(max(0.0, end - time.monotonic()))
            if thread.is_alive():
                logging.shutdown()
                os._exit(0)


def _fail(errors: BaseExceptionGroup[Exception], code: int) -> None:
    from mailwicket.service.logs import as_error

    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    for handler in logging.getLogger().handlers:
        handler.flush()  # why it ended is the last line
    typer.echo(as_error(f"mailwicket: {error}"), err=True)
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
