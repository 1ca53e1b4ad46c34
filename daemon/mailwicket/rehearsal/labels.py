"""What stands for what in a scenario's mail: `@LABEL`, `@sent:N`, `@token:LABEL`, `@number:LABEL`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mailwicket.mail.token import flipped
from mailwicket.model import MessageId, TicketNumber
from mailwicket.rehearsal.scenario import ScenarioError

_BEGIN: Final = re.compile(r"@(?:token|number):|(?<![\w.+=-])@")
"""A label stands where no local part does: `ann@q.example` is an address, whatever is named q."""
_SENT: Final = re.compile(r"@sent(?::(\d+)(?:~(\d+))?)?(?![\w:])")
_LETTER: Final = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Named:
    """A mail that a later step may name."""

    message_id: str
    """Without angle brackets; `""` where it had none."""
    ticket: TicketNumber | None
    token: str
    """The plus-address that answers its ticket; `""` where it has none."""


class Labels(Mapping[str, Named]):
    """What labels stand for, found out for those that are used."""

    def __init__(self, names: Sequence[str], find: Callable[[str], Named]) -> None:
        """Know *names*; *find* tells what one stands for."""
        self._names = dict.fromkeys(names)
        self._find = find

    def __getitem__(self, name: str) -> Named:
        return self._find(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def replaced(text: str, named: Mapping[str, Named], sent: Sequence[MessageId]) -> str:
    """Return *text* with what its labels stand for; unknown labels stay as they are, and so do addresses."""
    told, position = [], 0
    while (found := _BEGIN.search(text, position)) is not None:
        put, end = _put(text, found, named, sent) or (found[0], found.end())
        told += [text[position : found.start()], put]
        position = end
    return "".join([*told, text[position:]])


def _put(
    text: str, found: re.Match[str], named: Mapping[str, Named], sent: Sequence[MessageId]
) -> tuple[str, int] | None:
    """Return what the label that begins where *found* does stands for, and where it ends; None: it is none."""
    kind = found[0][1:]
    if not kind and (of_ours := _SENT.match(text, found.start())) is not None:
        put = _sent(sent, of_ours[1], of_ours[2])
        return None if put is None else (put, of_ours.end())
    name = _label_at(text, found.end(), named)
    if name is not None:
        return _named(named[name], kind), found.end() + len(name)
    if kind and (name := _label_at(text, found.start() + 1, named)) is not None:  # a mail that is named token
        return _named(named[name], ""), found.start() + 1 + len(name)
    return None


def _label_at(text: str, position: int, named: Mapping[str, Named]) -> str | None:
    """Return the longest label that stands at *position*, whole."""
    found = [one for one in named if text.startswith(one, position) and not _LETTER.match(text, position + len(one))]
    return max(found, key=len, default=None)


def number_of(reference: str, sent: Sequence[MessageId]) -> int:
    """Return which of the mails that were *sent* `@sent` or `@sent:N` is, from 0.

    Raises:
        ScenarioError: there is no such mail.
    """
    found = re.fullmatch(r"@sent(?::(\d+))?", reference)
    if found is None:
        raise ScenarioError(f"{reference} is no mail that was sent; @sent or @sent:N is")
    number = len(sent) if found[1] is None else int(found[1])
    if not 1 <= number <= len(sent):
        raise ScenarioError(f"{reference}: so far {len(sent)} mails were sent")
    return number - 1


def _named(one: Named, kind: str) -> str:
    if kind == "token:":
        return one.token
    if kind == "number:":
        return "" if one.ticket is None else str(one.ticket)
    return f"<{one.message_id}>" if one.message_id else ""


def _sent(sent: Sequence[MessageId], number: str | None, bit: str | None) -> str | None:
    at = len(sent) if number is None else int(number)
    if not 1 <= at <= len(sent):
        return None
    message_id = sent[at - 1]
    return f"<{message_id if bit is None else flipped(message_id, int(bit) % 128)}>"
