"""The people in a header field (RFC 5322 3.4 and 4.4), and how programs write them that do not keep to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from mailwicket.mail.charset import clean
from mailwicket.mail.header import FIELD_MAX_CHARS
from mailwicket.mail.words import word_end, words
from mailwicket.model import Address

PEOPLE_MAX: Final = 2000
ADDRESS_MAX_CHARS: Final = 998
HELD_MAX_CHARS: Final = 200
NOTES_DEPTH: Final = 3

_ATOM: Final = r"[^\s<>,;:\"()\[\]\\@]"
_CONTROL: Final = re.compile(r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_PLAIN: Final = re.compile(rf'(?:"?([^"<>,;:@()\[\]\\]*+)"?\s{{0,20}}<({_ATOM}++@{_ATOM}++)>|({_ATOM}++@{_ATOM}++))')
_ANYWHERE: Final = re.compile(rf"(?<!{_ATOM}){_ATOM}{{1,200}}@{_ATOM}{{1,255}}(?!{_ATOM})")
_BLANKS: Final = frozenset(" \t\r\n")  # a blank of another script belongs to the name
_NAMES_BEGIN: Final = re.compile(r"['A-Z]|[^\W\d_a-z]")
_TOKEN: Final = re.compile(
    r"[ \t\r\n]+|(?:[^ \t\r\n\"(<,;:=\[]|=(?!\?[^?\s]{1,130}\?[bBqQ]\?))+|\[[^\]\[\s<>\"]{0,200}\]|."
)
_QUOTED: Final = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"', re.DOTALL)
_IN_COMMENT: Final = re.compile(r"\\.|[()]", re.DOTALL)
_ANGLE: Final = re.compile(r"<([^<>]*+)(>?)")
_QUOTED_ANGLE: Final = re.compile(r'<\s*("[^"\\]*+(?:\\.[^"\\]*+)*+"\s?@[^<>",]*+)>?', re.DOTALL)
_UNCLOSED: Final = re.compile(r"\s*[^\s,;<]*")
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_NOTE: Final = re.compile(r"\([^()]{0,200}\)")
_ROUND_MARK: Final = re.compile(r"\s?([@.])\s?")
_ROUTE: Final = re.compile(r"@[^:<>]{0,500}:")
_MAILTO: Final = re.compile(r"[\[<]?(?:mailto|smtp)$", re.IGNORECASE)


def people(value: str) -> Sequence[Address]:
    """Return the addresses of a field, groups flattened; the unusable are left out, the broken repaired if they can.

    An address has an @; its domain stays as it is written, IDN or not. A comment is the name where there is no other.
    Read in one pass: quotes, comments and brackets that nobody closed are looked for once.
    """
    if "@" not in value and "=?" not in value:
        return ()
    if not value.isprintable():
        value = _CONTROL.sub("", value)
    if len(value) >= FIELD_MAX_CHARS:  # where it was cut, nobody's address ends
        value = value[: value.rfind(",", 0, FIELD_MAX_CHARS) + 1]
    if plain := _PLAIN.fullmatch(value):  # one person, nothing quoted in it: nearly all mail
        address = plain[2] or plain[3]
        if "'" not in address and address[-1] != "." and len(address) <= ADDRESS_MAX_CHARS:
            name = plain[1] or ""
            if ("  " in name or "\t" in name) and '"' not in value:  # between words of no quotes any blanks are one
                name = " ".join(filter(None, name.replace("\t", " ").split(" ")))
            return [Address(_name(name), clean(address))]
    found = _Reader(value).people()
    if not found and "=?" in value:  # the address was encoded with the name: no more than that is believed
        found = _Reader(words(value)).people()
    if not found and (bare := _ANYWHERE.search(value)):
        found = [Address(None, clean(bare[0]))]
    return found


class _Reader:
    """Goes through a field once; a member is put together until a comma, a semicolon or the end."""

    def __init__(self, value: str) -> None:
        self._value = value
        self._at = 0
        self._found: list[Address] = []
        self._last_semicolon = value.rfind(";")
        self._quotes_close = self._comments_close = True
        self._held = self._again = ""
        self._begin()

    def people(self) -> list[Address]:
        """Return everybody, PEOPLE_MAX at most."""
        while self._at < len(self._value) and len(self._found) < PEOPLE_MAX:
            self._step()
        self._end_member("")
        return self._found[:PEOPLE_MAX]

    def _begin(self) -> None:
        self._phrase: list[str] = []
        self._bare: list[str] = []  # what looks like an address among the words
        self._comments: list[str] = []
        self._angle: str | None = None
        self._before: list[str] | None = None  # the words before the address in angle brackets
        self._quoted = ""  # the quoted string just read, as it stands: perhaps a local part

    def _step(self) -> None:
        found = _TOKEN.match(self._value, self._at)
        piece = found[0] if found else ""
        begin, self._at = self._at, self._at + len(piece)
        if piece[:1] in _BLANKS:
            self._blank()
        elif piece in {",", ";"}:
            self._end_member(piece)
        elif piece == '"' and self._take_quoted(begin):
            return
        elif piece == "(" and self._take_comment(begin):
            pass
        elif piece == "<":
            self._take_angle(begin)
        elif piece == ":" and self._take_colon():
            pass
        else:
            self._take_text(piece, begin)
        self._quoted = ""

    def _blank(self) -> None:
        if self._phrase and self._phrase[-1] != " ":
            self._phrase.append(" ")

    def _take_text(self, piece: str, begin: int) -> None:
        if piece == "=" and (end := word_end(self._value, begin)) > 0:
            piece, self._at = self._value[begin:end], end
            if (self._angle is not None or self._bare) and words(piece) == ",":  # Python's own library writes that
                self._end_member(",")
                return
        elif piece in {'"', "("}:  # never closed
            piece = " "
        elif piece.startswith("@") and self._quoted:
            piece = self._quoted + piece
            self._phrase.pop()
        elif piece.startswith("[") and self._phrase and self._phrase[-1].endswith("@"):
            piece = self._phrase.pop() + piece  # an address literal
            self._bare = self._bare[:-1]
        if "@" in piece and not (piece.startswith("=?") and piece.endswith("?=")):
            self._bare.append(piece)
        if piece == " ":
            self._blank()
        else:
            self._phrase.append(piece)

    def _take_quoted(self, begin: int) -> bool:
        found = _QUOTED.match(self._value, begin) if self._quotes_close else None
        if found is None:
            self._quotes_close = False
            return False
        self._at, self._quoted = found.end(), found[0]
        text = found[1]
        self._phrase.append(_ESCAPED.sub(r"\1", text) if "\\" in text else text)
        return True

    def _take_comment(self, begin: int) -> bool:
        if not self._comments_close:
            return False
        depth = 0
        for found in _IN_COMMENT.finditer(self._value, begin):
            depth += (found[0] == "(") - (found[0] == ")")
            if depth == 0:
                self._comments.append(_ESCAPED.sub(r"\1", self._value[begin + 1 : found.start()]).strip())
                self._at = found.end()
                self._blank()
                return True
        self._comments_close = False
        if "@" not in self._value[begin:]:  # the field was cut off in it
            self._comments.append(self._value[begin + 1 :])
            self._at = len(self._value)
            return True
        return False

    def _take_angle(self, begin: int) -> None:
        if self._angle is not None:
            after = self._phrase
            if _address(self._angle):  # the comma between two was forgotten
                self._end_member("")
                self._again = self._found[-1].address
                self._phrase = after
            else:
                self._phrase = self._before or []
                self._phrase += ["<", self._angle, ">", *after] if self._angle.strip() else after
        found = _QUOTED_ANGLE.match(self._value, begin) or _ANGLE.match(self._value, begin)
        text, self._at = (found[1], found.end()) if found else ("", begin + 1)
        if not self._value.startswith(">", self._at - 1) and (cut := _UNCLOSED.match(self._value, begin + 1)):
            text, self._at = cut[0], cut.end()
        self._angle, self._before, self._phrase = text, self._phrase, []

    def _take_colon(self) -> bool:
        """Tell whether the colon is none of a name: it ends the name of a group, or stands behind "mailto"."""
        if self._angle is not None:
            return False
        if self._phrase and (link := _MAILTO.search(self._phrase[-1])):
            self._phrase[-1] = self._phrase[-1][: link.start()]
            return True
        if self._bare and not self._bare[-1].startswith("@"):
            return False
        if self._last_semicolon > self._at or self._bare or not self._value[self._at : self._at + 1]:
            self._begin()
            return True
        return False

    def _end_member(self, mark: str) -> None:
        before = self._before if self._before is not None else self._phrase
        text = "".join(before).strip()
        held, self._held = self._held, ""
        address = _address(self._angle) if self._angle is not None else ""
        if address:
            name = text or "".join(self._phrase).strip()
            if held and text:
                name = f"{held}, {name}"
            self._add(address, name or " ".join(self._comments))
        elif self._bare:
            self._add_bare(text)
        elif (
            mark == "," and self._angle is None and _NAMES_BEGIN.match(text) and len(held) + len(text) < HELD_MAX_CHARS
        ):
            self._held = f"{held}, {text}" if held else text  # "Last, First <a@b>", its quotes forgotten
        elif self._comments and "@" in " ".join(self._comments):
            found = _ANYWHERE.search(" ".join(self._comments))
            self._add(found[0] if found else "", text)
        if mark:
            self._again = ""
        self._begin()

    def _add_bare(self, text: str) -> None:
        if " . " in text:  # RFC 5322 4.4: blanks may stand around the dots of a domain
            text = text.replace(" . ", ".")
            self._bare = [one for one in text.split() if "@" in one]
        told = [address for one in self._bare if (address := _address(one))]
        if len(told) == 1:
            name = text.replace(self._bare[0], "", 1).strip(" []<>'")
            self._add(told[0], name or " ".join(self._comments))
        elif told:
            for one in told:
                self._add(one, "")
        elif address := _address(_ROUND_MARK.sub(r"\1", text)):
            self._add(address, " ".join(self._comments))

    def _add(self, address: str, name: str) -> None:
        if address and (name or address != self._again):
            self._found.append(Address(_name(name), clean(address)))


def _name(text: str) -> str | None:
    name = words(text)
    if len(name) > 2 and name[0] == name[-1] == '"' and name.count('"') == 2:  # apostrophes stay: they quote nothing
        name = name[1:-1].strip()
    return name or None


def _address(text: str) -> str:
    """Return the address that *text* is, cleared of what programs put around it; `""` if there is none in it."""
    if len(text) > ADDRESS_MAX_CHARS or "@" not in text:
        return words(text) if text.startswith("=?") and "@" in words(text) else ""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].rstrip("]") if "@[" not in text else text[1:]
    if text[:7].casefold() == "mailto:":
        text = text[7:]
    text = _ROUTE.sub("", text, count=1) if text.startswith("@") else text
    if text.startswith('"') and text.endswith('"'):
        text = text.strip('"')
    if not text.startswith('"'):
        text = _without_blanks(text)
    local, _, domain = text.rpartition("@")
    domain = domain.partition("?")[0].strip().rstrip(".,;:>'\"").strip()
    if not local or not domain or not text.isprintable():
        return ""
    return f"{local.strip()}@{domain}"


def _without_blanks(text: str) -> str:
    if "(" in text:
        for _ in range(NOTES_DEPTH):
            text = _NOTE.sub("", text)
    text = text.strip("<> \t")
    if text.startswith("'"):
        text = text.strip("'")
    if any(letter.isspace() for letter in text):
        text = _ROUND_MARK.sub(r"\1", text)
        text = next((one for one in text.split() if "@" in one.strip("@")), "")
    return words(text) if "=?" in text else text
