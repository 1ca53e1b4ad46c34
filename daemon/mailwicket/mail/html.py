"""HTML bodies: readable text from them, and what of them a person may be shown."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mailwicket.mail.charset import clean

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

HTML_MAX_CHARS: Final = 512 * 1024
"""The parser keeps the interpreter to itself: the worst that fits takes it some 20 ms."""

DEPTH_MAX: Final = 1500
"""Both parsers below take quadratic time in the depth of the markup: 50,000 nested elements cost them seconds."""

TAG_MAX_CHARS: Final = 16 * 1024
"""They take quadratic time in the attributes of a tag, too."""

AMPERSANDS_MAX: Final = 100_000
"""nh3 takes 8 microseconds for each that begins no entity."""

_TAG: Final = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


_DATA_ADDRESS: Final = re.compile(r"data:[^\"'<>\s]{200,}", re.IGNORECASE)
_UNNESTED: Final = _names("area base br col embed hr img input link meta source track wbr p li td th tr dd dt option")
_UNSEEN: Final = _names("head script style template title noscript object svg")
_BLOCKS: Final = _names(
    "address article aside blockquote body center dd div dl dt fieldset figure footer form h1 h2 h3 h4 h5 h6 header "
    "html li main nav ol p pre section table tr ul"
)
_SPACED: Final = _names("blockquote dl h1 h2 h3 h4 h5 h6 ol p pre table ul")
_HIDDEN: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all", re.IGNORECASE)
_BREAKING: Final = re.compile(r"</?(?:p|div|br|tr|li|h[1-6]|table|ul|ol|blockquote|pre|hr)\b[^<>]*>", re.IGNORECASE)

_ANY_TAG: Final = re.compile(r"<[^<>]*>")
PIECE_CHARS: Final = 64 * 1024


def to_plain(markup: str) -> str:
    """Return the words of *markup* as a person sees them: blocks as lines, quotes behind `> `, links by address."""
    markup = _DATA_ADDRESS.sub("data:", markup[:HTML_MAX_CHARS])
    if _would_stall(markup):
        return _stripped(markup)
    from selectolax.lexbor import LexborHTMLParser  # noqa: PLC0415 - 30 ms of start-up that few mails need

    root = LexborHTMLParser(markup).root
    return "" if root is None else _Page().read(root)


def sanitised(markup: str) -> str:
    """Return *markup* without scripts, styles, forms and anything else that acts; fit to be shown in a page.

    What is too deep or too long to be cleaned safely comes back as escaped text.
    """
    import nh3  # noqa: PLC0415 - only those who show a mail need it

    if len(markup) > HTML_MAX_CHARS or markup.count("&") > AMPERSANDS_MAX:
        return html.escape(to_plain(markup))
    markup = _DATA_ADDRESS.sub("data:", markup)
    if _would_stall(markup):
        return html.escape(to_plain(markup))
    return clean(nh3.clean(markup, url_schemes={"http", "https", "mailto", "cid"}))


def _would_stall(markup: str) -> bool:
    """Tell whether it is made to keep a parser busy."""
    depth = 0
    for found in _TAG.finditer(markup):  # one by one: a single long call would hold the interpreter's lock
        close, name = found.groups()
        if markup.find(">", found.end(), found.end() + TAG_MAX_CHARS) < 0 <= len(markup) - found.end() - TAG_MAX_CHARS:
            return True
        if name.lower() in _UNNESTED:
            continue
        depth = max(0, depth - 1) if close else depth + 1
        if depth > DEPTH_MAX:
            return True
    return False


def _stripped(markup: str) -> str:
    """Take the tags out without building a tree, a piece at a time; a tag that lies across two pieces stays."""
    pieces = (markup[at : at + PIECE_CHARS] for at in range(0, len(markup), PIECE_CHARS))
    words = "".join(_ANY_TAG.sub("", _BREAKING.sub("\n", piece)) for piece in pieces)
    lines = (" ".join(line.split()) for line in html.unescape(words).split("\n"))
    return clean("\n".join(line for line in lines if line))


@dataclass
class _Page:
    """Text as it is laid out, a line at a time."""

    lines: list[str] = field(default_factory=list)
    line: list[str] = field(default_factory=list)
    quotes: int = 0
    kept_white: int = 0  # inside <pre>
    lists: list[int] = field(default_factory=list)  # number of the last item, -1 where there are no numbers
    links: list[tuple[str, int]] = field(default_factory=list)  # address, length of the line before its words

    def read(self, root: LexborNode) -> str:
        """Walk the tree without recursion: its depth is the sender's choice."""
        stack: list[tuple[LexborNode, bool]] = [(root, False)]
        while stack:
            node, leaving = stack.pop()
            tag = node.tag or ""
            if leaving:
                self._leave(tag)
                continue
            if tag == "-text":
                self._say(node.text_content or "")
            elif not (tag in _UNSEEN or tag.startswith(("-", "!")) or _is_hidden(node)):
                self._enter(node, tag)
                stack.append((node, True))
                children = []
                child = node.child
                while child is not None:
                    children.append((child, False))
                    child = child.next
                stack.extend(reversed(children))
        self._break()
        while self.lines and not self.lines[-1].strip("> "):
            self.lines.pop()
        return clean("\n".join(self.lines).strip("\n"))

    def _enter(self, node: LexborNode, tag: str) -> None:
        if tag in _BLOCKS:
            self._enter_block(tag)
        elif tag == "br":
            self._break(even_empty=True)
        elif tag == "hr":
            self._break()
            self.lines.append(self._quoted("---"))
        elif tag in {"td", "th"} and self.line:
            self.line.append(" ")
        elif tag == "img" and (told := node.attributes.get("alt")):
            self._say(f"[{told}]")
        elif tag == "a":
            self.links.append((node.attributes.get("href") or "", len(self.line)))

    def _enter_block(self, tag: str) -> None:
        self._break()
        if tag in _SPACED:
            self._space()
        if tag == "blockquote":
            self.quotes += 1
        elif tag == "pre":
            self.kept_white += 1
        elif tag in {"ol", "ul"}:
            self.lists.append(0 if tag == "ol" else -1)
        elif tag == "li":
            self._item()

    def _leave(self, tag: str) -> None:
        if tag == "a" and self.links:
            address, before = self.links.pop()
            said = "".join(self.line[before:]).strip()
            if address.startswith(("http://", "https://", "mailto:")) and said not in {
                address,
                address.removeprefix("mailto:"),
            }:
                self._say(f" <{address.removeprefix('mailto:')}>")
            return
        if tag in _BLOCKS:
            self._break()
            self.quotes -= tag == "blockquote"
            if tag in _SPACED:
                self._space()
        if tag == "pre":
            self.kept_white -= 1
        elif tag in {"ol", "ul"} and self.lists:
            self.lists.pop()

    def _item(self) -> None:
        mark = "- "
        if self.lists and self.lists[-1] >= 0:
            self.lists[-1] += 1
            mark = f"{self.lists[-1]}. "
        self.line.append("  " * max(0, len(self.lists) - 1) + mark)

    def _say(self, text: str) -> None:
        if self.kept_white:
            *whole, rest = text.split("\n")
            for line in whole:
                self.line.append(line)
                self._break(even_empty=True)
            self.line.append(rest)
            return
        words = " ".join(text.split())
        if text[:1].isspace():
            words = " " + words
        if text[-1:].isspace() and words.strip():
            words += " "
        if words:
            self.line.append(words)

    def _break(self, *, even_empty: bool = False) -> None:
        text = "".join(self.line)
        text = text.rstrip() if self.kept_white else _single_spaces(text)
        self.line.clear()
        if text.strip() or (even_empty and self.lines and self.lines[-1].strip("> ")):
            self.lines.append(self._quoted(text))

    def _space(self) -> None:
        if self.lines and self.lines[-1].strip("> "):
            self.lines.append("")
        if self.lines:
            self.lines[-1] = self._quoted("")

    def _quoted(self, text: str) -> str:
        return ("> " * self.quotes + text).rstrip() if self.quotes else text


def _single_spaces(text: str) -> str:
    indent = len(text) - len(text.lstrip(" ")) if text.lstrip(" ")[:2] == "- " else 0
    return " " * indent + " ".join(text.split())


def _is_hidden(node: LexborNode) -> bool:
    told = node.attributes
    return "hidden" in told or _HIDDEN.search(told.get("style") or "") is not None
