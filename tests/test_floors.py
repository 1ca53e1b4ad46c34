"""Imports only go down."""

import subprocess
import sys
from pathlib import Path


def test_imports_only_go_down() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    told = subprocess.run(
        [lint, "--no-cache"], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1]
    )
    assert told.returncode == 0, told.stdout


def test_reading_mail_needs_no_network_library() -> None:
    watched = ("asyncio", "aiohttp", "nh3", "selectolax")
    code = f"import sys, mailwicket.mail.parse; print([name for name in {watched} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
