"""A program under the system call filters of a unit file, without systemd: `python sandbox.py UNIT PROGRAM ...`.

Of the sandbox that is what breaks programs by surprise: `SystemCallFilter`, `MemoryDenyWriteExecute` and
`RestrictAddressFamilies`, made with the library that systemd makes them with. Any user may do that to itself. What
`SystemCallFilter` does not allow ends the program by SIGSYS, also where the unit file answers with an error: a test
is to see it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

Lines = dict[str, list[str]]

# seccomp.h of libseccomp, seccomp_init(3), seccomp_rule_add(3)
ALLOW: Final = 0x7FFF0000
KILL: Final = 0x80000000
ERRNO: Final = 0x00050000
EQUAL: Final = 4
MASKED_EQUAL: Final = 7

PROT_WRITE: Final = 2
PROT_EXEC: Final = 4
SHM_EXEC: Final = 0o100000
FAMILIES_MAX: Final = 64

ROOTS_OWN: Final = frozenset({"fchown"} if os.geteuid() == 0 else ())
"""SQLite, where it runs as root, gives its files to the owner of the database; the service never is root."""


class Comparison(ctypes.Structure):
    """`struct scmp_arg_cmp`."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


def directives(unit: Path) -> Lines:
    """Return the values of each directive of *unit*, in order; sections and comments are left out."""
    found: Lines = {}
    for line in unit.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def calls(lines: Sequence[str]) -> set[str]:
    """Return the system calls that `SystemCallFilter` lines allow; the first says whether they allow or forbid."""
    allowed: set[str] = set()
    for line in lines:
        named = {call for word in line.removeprefix("~").split() for call in _expanded(word)}
        allowed = allowed - named if line.startswith("~") else allowed | named
    return allowed


def _expanded(word: str) -> Iterator[str]:
    if not word.startswith("@"):
        yield word
        return
    told = subprocess.run(["systemd-analyze", "syscall-filter", word], capture_output=True, text=True, check=True)
    for line in told.stdout.splitlines()[1:]:
        name = line.strip()
        if name and not name.startswith("#"):
            yield from _expanded(name)


class Filter:
    """One seccomp filter in the making. The kernel takes the strictest answer of all that were loaded."""

    def __init__(self, otherwise: int) -> None:
        """What no rule names is answered by *otherwise*."""
        self._library = ctypes.CDLL("libseccomp.so.2")
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._filter = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(otherwise)))

    def add(self, action: int, call: str, *comparisons: tuple[int, int, int, int]) -> None:
        """Answer *call* by *action* where all of *comparisons* hold; a call of other machines is no rule."""
        number = self._library.seccomp_syscall_resolve_name(call.encode())
        if number < 0:
            return
        array = (Comparison * len(comparisons))(*(Comparison(*one) for one in comparisons))
        _expect(
            self._library.seccomp_rule_add_array(
                self._filter, ctypes.c_uint32(action), number, ctypes.c_uint(len(comparisons)), array
            )
        )

    def load(self) -> None:
        """From now on it holds, for this process and all that it starts."""
        _expect(self._library.seccomp_load(self._filter))


def _expect(status: int) -> None:
    if status:
        raise OSError(-status, os.strerror(-status))


def seal(unit: Path) -> None:
    """Put this process under the filters of *unit*."""
    told = directives(unit)
    assert told["MemoryDenyWriteExecute"] == ["yes"]
    writable_code = Filter(ALLOW)
    denied = ERRNO | errno.EPERM
    both = PROT_WRITE | PROT_EXEC
    writable_code.add(denied, "mmap", (2, MASKED_EQUAL, both, both))
    for call in ("mprotect", "pkey_mprotect"):
        writable_code.add(denied, call, (2, MASKED_EQUAL, PROT_EXEC, PROT_EXEC))
    writable_code.add(denied, "shmat", (2, MASKED_EQUAL, SHM_EXEC, SHM_EXEC))

    families = Filter(ALLOW)
    allowed = {getattr(socket, name) for name in told["RestrictAddressFamilies"][-1].split()}
    for family in set(range(FAMILIES_MAX)) - allowed:
        families.add(ERRNO | errno.EAFNOSUPPORT, "socket", (0, EQUAL, family, 0))

    only = Filter(KILL)
    for call in calls(told["SystemCallFilter"]) | ROOTS_OWN:
        only.add(ALLOW, call)
    for one in (writable_code, families, only):
        one.load()


if __name__ == "__main__":
    seal(Path(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - a test's own program
