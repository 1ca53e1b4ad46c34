"""What the process takes of the machine. In processes of their own: limits and frozen objects last."""

from __future__ import annotations

import json
import subprocess
import sys

SPARE = ("rich", "nh3", "selectolax", "aiosmtpd", "pymap", "jinja2", "uvloop")


def told(program: str) -> object:
    """What *program* prints as JSON."""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return json.loads(ran.stdout)


def test_all_the_open_files_that_are_allowed_are_taken() -> None:
    limits = told(
        "import json, resource\n"
        "from mailwicket.service.footprint import arrange\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))\n"
        "arrange(mailboxes=10)\n"
        "print(json.dumps([hard, *resource.getrlimit(resource.RLIMIT_NOFILE)]))"
    )
    assert isinstance(limits, list)
    assert limits[0] == limits[1] == limits[2] > 256


def test_more_mailboxes_than_files_are_warned_about() -> None:
    def warned(mailboxes: int) -> object:
        return told(
            "import json, logging, resource\n"
            "from mailwicket.service.footprint import arrange\n"
            "said = []\n"
            "class Keep(logging.Handler):\n"
            "    def emit(self, record): said.append(record.getMessage())\n"
            "logging.getLogger().addHandler(Keep())\n"
            "resource.setrlimit(resource.RLIMIT_NOFILE, (500, 500))\n"
            f"arrange(mailboxes={mailboxes})\n"
            "print(json.dumps(said))"
        )

    assert warned(300) == []
    assert warned(1000) == [
        (
            "1000 mailboxes want 1128 open files, and 500 are allowed: some will not connect until the limit is raised "
            "(systemd: LimitNOFILE=)"
        )
    ]


def test_what_the_program_consists_of_is_left_out_of_collections_and_after_the_start_its_mailboxes_too() -> None:
    frozen = told(
        "import gc, json, anyio\n"
        "from mailwicket.service import footprint\n"
        "footprint.arrange(mailboxes=1)\n"
        "first = gc.get_freeze_count()\n"
        "mailboxes = [[] for _ in range(5000)]\n"
        "footprint.SETTLED_S = 0.01\n"
        "anyio.run(footprint.settle)\n"
        "print(json.dumps([first, gc.get_freeze_count()]))"
    )
    assert isinstance(frozen, list)
    assert frozen[0] > 10_000
    assert frozen[1] >= frozen[0] + 5000


def test_run_imports_nothing_that_it_does_not_need() -> None:
    loaded = told(
        "import json, sys\n"
        "import mailwicket.cli, mailwicket.app, mailwicket.service.footprint\n"
        "from mailwicket.config.plugins import installed\n"
        "installed()\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    assert isinstance(loaded, list)
    assert set(loaded) & set(SPARE) == set()
    assert "aiohttp" in loaded
