"""Time that passes while the daemon is stopped: its store looks days older, so that it reclaims at the next start."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

OLDER = "strftime('%Y-%m-%dT%H:%M:%f', {0}, ?) || '000Z'"


def age(state_dir: Path, days: int) -> list[Path]:
    """Make the raw files and the rows of a stopped store look *days* older; return the files."""
    by = f"-{days} days"
    with closing(sqlite3.connect(state_dir / "mailwicket.db")) as database, database:
        for path in sorted((state_dir / "raw").glob("[0-9]*")):
            day = datetime.strptime(path.name[:8], "%Y%m%d") - timedelta(days=days)  # noqa: DTZ007 - a day, no moment
            name = f"{day:%Y%m%d}{path.name[8:]}"
            path.rename(path.with_name(name))
            database.execute("UPDATE kept SET file = ? WHERE file = ?", (name, path.name))
        database.execute(f"UPDATE kept SET kept_at = {OLDER.format('kept_at')}", (by,))
        database.execute(f"UPDATE decision SET decided_at = {OLDER.format('decided_at')}", (by,))
    return sorted((state_dir / "raw").iterdir())
