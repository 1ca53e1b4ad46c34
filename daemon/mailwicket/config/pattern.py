"""Regular expressions of admins: checked when they are read, in an engine that takes linear time (RE2)."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Final

import re2
from pydantic import AfterValidator

from mailwicket.config.model import Says, Text, wrong

PATTERN_MAX_CHARS: Final = 1000
REPEATS_MAX: Final = 1000
"""Instructions of a pattern with counts: each letter of a text may cost so many steps. Classes of letters cost none."""
MEMORY_BYTES: Final = 8 * 1024 * 1024


def _options() -> Any:  # noqa: ANN401 - the library has no types
    options = re2.Options()
    options.case_sensitive = False
    options.max_mem = MEMORY_BYTES
    options.log_errors = False
    return options


@lru_cache(maxsize=1000)
def compiled(pattern: str) -> Any:  # noqa: ANN401 - the library has no types
    """Return *pattern*, which is searched without regard to case.

    Raises:
        re2.error: it is none, or one that cannot be searched in linear time and little memory.
    """
    return re2.compile(pattern, _options())


def _pattern(value: str) -> str:
    if len(value) > PATTERN_MAX_CHARS:
        raise wrong(f"is longer than {PATTERN_MAX_CHARS} characters")
    try:
        program = compiled(value)
    except re2.error:
        raise wrong("is no regular expression of RE2") from None
    if program.programsize > REPEATS_MAX and "{" in value:
        raise wrong("repeats too much, and would take long in a long text")
    return value


Pattern = Annotated[
    Text, AfterValidator(_pattern), Says("a regular expression (RE2: no look-around, no back-references)")
]
