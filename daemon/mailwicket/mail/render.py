"""HTML as readable text: a walk over its tags that lays words out in lines, as a person sees them.

Quotes come behind `> `, links by their address, table rows on a line: the marks that mail programs set in plain text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from mailwicket.mail.charset import clean
from mailwicket.mail.elements import (
    BLOCKS,
    CELLS,
    CLOSES,
    LISTS,
    ODD_ENDS,
    PLAIN,
    PREFORMATTED,
    ROOMY,
    ROWS,
    SPACED,
    UNSEEN,
    VOID,
)
from mailwicket.mail.layout import Lines, Numbering
from mailwicket.mail.link import address_of, emoji, says
from mailwicket.mail.markup import ATTRIBUTES_MAX_CHARS, Token, attributes, tokens, unescaped
from mailwicket.mail.style import FLAT_PARAGRAPHS, Look, look_of

_WHITE: Final = re.compile(r"[\t\n\r\f][ \t\n\r\f]*+| [ \t\n\r\f]++")
_INVISIBLE: Final = re.compile("[\u00ad\u034f\u061c\u180e\u200b\u2060-\u2064\ufeff]|(?<!\\w)\u200c|\u200c(?!\\w)")

TOKENS_MAX: Final = 100_000
"""How many tags and texts are laid out; as Word writes it, a table of 10,000 cells has as many."""

INLINE_LOOK_BACK: Final = 12
"""How many unclosed elements an end tag of an inline one may close with its own."""

HIDE, QUOTE, WHITE, LIST, BREAK, SPACE, LINK, TABLE, CELL, ROW, ZERO = (1 << n for n in range(11))
"""What is to be undone where an element ends."""


@dataclass(slots=True)
class _Link:
    address: str
    line: int
    words: list[str] = field(default_factory=list)
    pictured: bool = False


class Page:
    """A walk over markup, once, without recursion: its depth is the sender's choice."""

    def __init__(self, *, show_hidden: bool = False) -> None:
        self.out = Lines()
        self.numbering = Numbering()
        self.show_hidden = show_hidden
        self.hidden = 0
        self.hid = False  # whether anything was left out
        self.mute_until = 0  # words that stand before are not said
        self.over = False  # nothing of what follows is read
        self._white = 0
        self._begun = False  # whether `<pre>` has just begun
        self._zero: list[bool] = [False]  # font-size 0, which what is inside may undo
        self._frames: list[tuple[str, int]] = []
        self._open: dict[str, int] = {}
        self._scopes: list[tuple[str, dict[str, int]]] = []
        self._tables = 0
        self._link: _Link | None = None
        self._flat = False  # whether the page's own style sheet sets paragraphs without space between
        self._looks: dict[str, int] = {}  # a page repeats them often

    def read(self, markup: str) -> str:
        """Return the text of *markup*."""
        walk = tokens(markup)
        for name, rest, end in islice(walk, TOKENS_MAX):
            if not name:
                if not self.hidden and end > self.mute_until:
                    self._say(unescaped(rest) if "&" in rest else rest)
            elif name[0] == "/":
                self._close(name[1:])
            elif rest or name not in PLAIN:
                self.begin(name, rest, markup, end)
                if self.over:
                    break
        while self._frames:
            self._leave(self._frames.pop()[1])
        if not self.over:
            self._read_flat(walk)
        return clean(self.out.text()).strip()

    def _read_flat(self, walk: Iterator[Token]) -> None:
        """Say what is left of a page with more tags than any mail has: its words, a block a line."""
        for name, rest, _ in walk:
            if not name:
                self._say(unescaped(rest))
            elif name == "br" or name.removeprefix("/") in BLOCKS:
                self.out.end_line()

    def begin(self, name: str, rest: str, _markup: str, end: int) -> None:
        """Read a start tag; what is read of *markup* from *end* on is for those who know more marks."""
        if name == "style":
            self._flat = self._flat or FLAT_PARAGRAPHS.search(rest[:ATTRIBUTES_MAX_CHARS]) is not None
            return
        look = Look.PLAIN
        if len(rest) > 5:  # no style is shorter
            known = self._looks.get(rest)
            look = self._looks.setdefault(rest, look_of(rest)) if known is None else known
        if name in VOID:
            if not self.hidden and not look & Look.HIDDEN and end > self.mute_until:
                self._void(name, rest)
            return
        if name in BLOCKS:
            if self._open.get("p"):
                self._close_to("p")
            if self.hidden and self._open.get("svg"):  # no drawing holds one (HTML standard 13.2.6.5)
                self._close_to("svg")
        if name in ROOMY:
            self._make_room(name)
        self._frames.append((name, self._enter(name, rest, look)))
        if name == "table" or name in CELLS:
            self._scopes.append((name, self._open))
            self._open = {}
            self._tables += name == "table"
        else:
            self._open[name] = self._open.get(name, 0) + 1

    def skip(self, name: str) -> None:
        """Leave out the element that begins here, and what is in it."""
        self.out.end_line()
        if name == "blockquote":
            self.out.space()
        if self._open.get("p"):
            self._close_to("p")
        self._frames.append((name, HIDE | BREAK))
        self._open[name] = self._open.get(name, 0) + 1
        self.hidden += 1

    # Elements

    def _enter(self, name: str, rest: str, look: int) -> int:
        """Act on a start tag, and return what is to be undone at its end."""
        if self.hidden:
            return 0
        if name in UNSEEN or (look & Look.HIDDEN and name not in {"body", "html"} and not self.show_hidden):
            self.hid = self.hid or name not in UNSEEN
            self.hidden += 1
            return HIDE
        undo = 0
        if name in BLOCKS and not (look & Look.INLINE and name not in ROWS and name != "table"):
            undo = self._enter_block(name, rest, look)
        elif name in CELLS:
            self.out.begin_cell()
            undo = CELL
        elif name == "a":
            if look & Look.BLOCK:
                self.out.end_line()
            self._link = _Link(address_of(attributes(rest).get("href", "")), self.out.count)
            undo = LINK | (BREAK if look & Look.BLOCK else 0)
        elif look & Look.BLOCK:
            self.out.end_line()
            undo = BREAK
        if name in PREFORMATTED or look & Look.WHITE:
            self._white += 1
            self._begun = name in PREFORMATTED
            undo |= WHITE
        if look & (Look.ZERO | Look.SIZED):
            self._zero.append(bool(look & Look.ZERO))
            undo |= ZERO
        return undo

    def _enter_block(self, name: str, rest: str, look: int) -> int:
        undo = BREAK
        flat = look & Look.FLAT or (name == "p" and (self._flat or "Mso" in rest))
        if (name in SPACED and not flat) or (name == "div" and look & Look.RULED):
            undo |= SPACE
        if name == "table":
            self.out.begin_table()
            return TABLE | BREAK
        self.out.end_line()
        if name == "tr":
            self.out.begin_row()
            return ROW
        if undo & SPACE and not (name in LISTS and self.numbering.depth):
            self.out.space()
        if flat and name == "p" and "margin-bottom:1" in rest:  # Word's paragraph with space below
            undo |= SPACE
        if name == "blockquote" and not (look & Look.INDENTED and "cite" not in rest and "quote" not in rest):
            self.out.quotes += 1
            undo |= QUOTE
        elif name in LISTS:
            self.numbering.begin(name, attributes(rest) if rest else {})
            undo |= LIST
        elif name == "li":
            self.out.mark = self.numbering.next(attributes(rest).get("value", "") if "value" in rest else "")
        return undo

    def _void(self, name: str, rest: str) -> None:
        if name == "br":
            self.out.new_line()
        elif name == "hr":
            self.out.end_line()
            # Outlook on the web draws this one above the header of the mail that it quotes.
            self.out.add("_" * 32 if "98%" in rest and "tabindex" in rest else "---")
            self.out.end_line()
        elif name == "img":
            told = " ".join(attributes(rest).get("alt", "").split()) if "alt" in rest.lower() else ""
            if told:
                self._words(told if emoji(told) else f"[{told}]")
            elif self._link is not None:
                self._link.pictured = True
        elif name == "input" and "value" in rest and "hidden" not in rest:
            self._words(attributes(rest).get("value", ""))

    def _leave(self, undo: int) -> None:  # noqa: C901 - one line for each bit
        """Undo what a start tag did."""
        if undo & HIDE:
            self.hidden -= 1
            return
        if undo & LINK:
            self._end_link()
        if undo & WHITE:
            self._white -= 1
        if undo & ZERO:
            self._zero.pop()
        if undo & CELL:
            self.out.end_cell()
        elif undo & TABLE:
            self.out.end_table()
        elif undo & ROW:
            self.out.end_row()
        elif undo & BREAK:
            self.out.end_line()
        if undo & QUOTE:
            self.out.quotes -= 1
        if undo & LIST:
            self.numbering.end()
            self.out.mark = ""
        if undo & SPACE and not (undo & LIST and self.numbering.depth):
            self.out.space()

    # Words

    def _say(self, text: str) -> None:
        if self._zero[-1] and not self.show_hidden:
            self.hid = True
            return
        if not text.isascii():
            text = _INVISIBLE.sub("", text)
        if self._white:
            self._say_as_it_is(text)
            return
        text = _WHITE.sub(" ", text)
        if self._link is not None:
            self._link.words.append(text)
        self.out.add(text)

    def _words(self, text: str) -> None:
        if self._link is not None:
            self._link.words.append(text)
        self.out.add(text)

    def _say_as_it_is(self, text: str) -> None:
        *whole, rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if self._begun and whole and not whole[0]:  # the line end behind the tag is none
            del whole[0]
        self._begun = False
        for line in whole:
            self.out.add_as_it_is(line)
            self.out.new_line(as_it_is=True)
        if rest:
            self.out.add_as_it_is(rest)
            if self._link is not None:
                self._link.words.append(text)

    def _end_link(self) -> None:
        link, self._link = self._link, None
        if link is None or not link.address:
            return
        said = "".join(link.words).replace("\xa0", " ").strip()
        if not said and not link.pictured:
            return
        if not says(said, link.address):
            self.out.append_address(f"<{link.address}>" if not said else f" <{link.address}>", link.line)

    # What is open

    def _make_room(self, name: str) -> None:
        """Close what a start tag ends by itself (HTML standard 13.2.6.4.7 and on)."""
        if name == "a":
            if self._link is not None:
                self._end_link()
        elif name in CLOSES:
            self._close_item(name)
        elif name in CELLS or name in ROWS:
            if self._scopes and self._scopes[-1][0] in CELLS:
                self._close_scope()
            if name not in CELLS and self._open.get("tr"):
                self._close_to("tr")

    def _close_item(self, name: str) -> None:
        """Close the item before, if no list has begun in it since."""
        closes = CLOSES[name]
        for at in range(len(self._frames) - 1, max(-1, len(self._frames) - 1 - INLINE_LOOK_BACK), -1):
            before, undo = self._frames[at]
            if before in closes:
                self._close_to(before)
                return
            if undo & (LIST | TABLE | CELL | QUOTE) or before in {"dl", "table"}:
                return

    def _close(self, name: str) -> None:
        """Read an end tag: one that ends nothing says nothing, and text goes on behind the page's own."""
        if name in ODD_ENDS:
            self._close_odd(name)
        elif self._open.get(name):
            if name not in BLOCKS and name not in UNSEEN:
                self._close_inline(name)
            elif name not in {"body", "html"}:
                self._close_to(name)

    def _close_odd(self, name: str) -> None:
        if name == "table":
            while self._tables and self._close_scope() != "table":
                pass
        elif name in CELLS or name in ROWS:
            if self._scopes and self._scopes[-1][0] in CELLS:
                self._close_scope()
            if self._open.get(name):
                self._close_to(name)
        elif name == "p" and self._open.get("p"):
            self._close_to("p")
        elif not self.hidden:
            if name == "br":
                self.out.new_line()
            else:
                self.out.end_line()

    def _close_inline(self, name: str) -> None:
        """Close it with what is open in it, but never a block (HTML standard 13.2.6.4.7, "any other end tag")."""
        for at in range(len(self._frames) - 1, max(-1, len(self._frames) - 1 - INLINE_LOOK_BACK), -1):
            if self._frames[at][0] == name:
                self._close_to(name)
                return
            if self._frames[at][0] in BLOCKS and name != "a":
                return

    def _close_to(self, name: str) -> None:
        while self._frames:
            last, undo = self._frames.pop()
            self._open[last] = self._open.get(last, 1) - 1
            self._leave(undo)
            if last == name:
                return

    def _close_scope(self) -> str:
        """Close the innermost table or cell, and return which it was."""
        name, outer = self._scopes.pop()
        while self._frames:
            last, undo = self._frames.pop()
            self._leave(undo)
            if last == name:  # no other frame has the name of a scope
                break
        self._open = outer
        self._tables -= name == "table"
        return name
