"""Which conf.d is meant."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

DEFAULT: Final = Path("/etc/mailwicket/conf.d")


def conf_dir(option: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the directory of the option `--conf`, else of `MAILWICKET_CONF`, else the system's."""
    if option is not None:
        return option
    named = environ.get("MAILWICKET_CONF")
    return Path(named) if named else DEFAULT
