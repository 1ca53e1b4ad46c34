"""Quotes and signatures that mail programs mark in HTML by class, id or style, and the text without them.

Language plays no part here: that is what makes the marks worth more than words like "wrote".
"""

from __future__ import annotations

import re
from typing import Final

from mailwicket.mail.markup import MARKUP_MAX_CHARS, attributes, names, unescaped, without_data
from mailwicket.mail.render import Page

_QUOTE_CLASSES: Final = names(
    "alimail-quote cloudmagic_quote edo-quote freshdesk_quote front-blockquote gmail_attr gmail_quote_attribution "
    "hey-quote-attribution missive_quote moz-cite-prefix ms-outlook-mobile-reference-message protonmail_quote "
    "sh-quoted-content tutanota_quote yahoo_quoted zmail_extra"
)
_QUOTE_IDS: Final = names(
    "cloudmagic_quote isForwardContent isReplyContent mail-app-auto-quote mail-editor-reference-message-container "
    "OLK_SRC_BODY_SECTION origbody qt reply-intro yahoo_quoted"
)
_QUOTE_NAMES: Final = names("messageReplySection quote quoted-content")
_REST_IDS: Final = names("divRplyFwdMsg stopSpelling zwchr")
"""Above what is quoted, not around it: all that follows is."""
_SIGNATURE_CLASSES: Final = names(
    "front-signature gmail_signature gmail_signature_prefix k9mail-signature missive_signature moz-signature "
    "protonmail_signature_block sh-signature tutanota_signature yahoo_signature zmail_signature"
)
_SIGNATURE_IDS: Final = names(
    "AppleMailSignature composer_signature ms-outlook-mobile-signature Signature signature-block"
)
_GMAIL: Final = names("gmail_quote gmail_quote_container")
_MARKERS: Final = names("__QUOTED_TEXT__ __SIG_POST__ __SIG_PRE__")  # Zimbra
_EVIDENCE: Final = ("class", "id", "name", "type", "data-", "border")

_TAGS: Final = re.compile(r"<[^<>]*+>")
_FORWARDED: Final = re.compile(
    r"\W{0,20}(?:begin )?(?:forward|weitergeleit|message transf|mensaje reenv|mensagem encam|messaggio inolt|doorgest|"
    r"videresend|vidarebef|przekaz|пересл|转发|轉寄|転送)",
    re.IGNORECASE,
)
_DASHES: Final = "-----"
# In points, as Outlook writes it; "top-style" is Windows 8. A line in pixels may stand above anything.
_RULE_ABOVE: Final = re.compile(
    r"border-top\s*+:\s*+(?:solid [^;]{1,40} [0-9.]{1,4}pt|[0-9.]{1,4}pt solid)|border-style\s*+:\s*+solid none none|"
    r"border-top-style\s*+:\s*+solid",
    re.IGNORECASE,
)
_BOLD_LABEL: Final = re.compile(
    r"<(?:b|strong)\b[^<>]*+>(?:<span[^<>]*+>)?[^<>:]{1,30}[:：]|[:：][^<>]{0,3}(?:</span>)?</(?:b|strong)>",
    re.IGNORECASE,
)
_BLOCKQUOTE: Final = re.compile(r"<blockquote\b", re.IGNORECASE)
_FOLLOWS_APPENDED: Final = re.compile(r"<hr\b|divRplyFwdMsg|border-top|reference-message|<blockquote\b", re.IGNORECASE)
_DATED: Final = re.compile(r"\b(?:19|20)\d\d\b|\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b")

LOOK_AHEAD_CHARS: Final = 3000
LABELS_LEAST: Final = 3
ATTRIBUTION_MAX_CHARS: Final = 300
LOOKS_MAX: Final = 200
"""How many marks look ahead: no mail has as many quotes side by side."""


def own_part(markup: str) -> str | None:
    """Return the text of *markup* without the quotes and signatures that mail programs mark in it.

    What stands beside or below a quote is kept: it answers it. None where nothing is marked, or nothing would remain.
    """
    page = _Own()
    text = page.read(without_data(markup)[:MARKUP_MAX_CHARS])
    return text if page.found and text.strip("-_> \n") else None


class _Own(Page):
    """A page that leaves out what is marked."""

    def __init__(self) -> None:
        super().__init__()
        self.found = False
        self._looks_left = LOOKS_MAX
        self._quote_comes = False
        self._is_gmail_reply = False

    def begin(self, name: str, rest: str, markup: str, end: int) -> None:
        """Look for a mark on each start tag."""
        if (
            not self.hidden
            and name != "style"
            and (rest or name == "blockquote")
            and self._is_marked(name, rest, markup, end)
        ):
            return
        super().begin(name, rest, markup, end)

    def _is_marked(self, name: str, rest: str, markup: str, end: int) -> bool:
        """Leave the element out if it is marked, and tell so."""
        if name == "blockquote":
            return self._quote(rest)
        if not any(word in rest for word in _EVIDENCE):
            return False
        told = attributes(rest)
        classes = set(told.get("class", "").split()[:20])
        one = told.get("id", "")
        if one in _REST_IDS or (one == "appendonsend" and _FOLLOWS_APPENDED.search(self._ahead(markup, end))):
            return self._rest()
        if "border" in rest and name == "div" and _RULE_ABOVE.search(told.get("style", "")):
            return len(_BOLD_LABEL.findall(self._ahead(markup, end))) >= LABELS_LEAST and self._rest()
        if classes & _GMAIL:
            return self._gmail(name, markup, end)
        if (
            classes & _QUOTE_CLASSES
            or one in _QUOTE_IDS
            or one.startswith("yahoo_quoted_")
            or told.get("name", "") in _QUOTE_NAMES
            or any(found.endswith("yahoo_quoted") for found in classes)
        ):
            if _FORWARDED.match(self._words_ahead(markup, end)):
                return False
            return self._leave_out(name)
        if (
            classes & _SIGNATURE_CLASSES
            or one in _SIGNATURE_IDS
            or told.get("name", "") == "messageSignatureSection"
            or told.get("data-marker", "") in _MARKERS
            or "data-signatureblock" in told
            or "data-signature-widget" in told
        ):
            return self._leave_out(name)
        return False

    def _quote(self, rest: str) -> bool:
        """Leave a blockquote out that is marked as a mail's, or stands below a line that tells whose words it holds."""
        last = self.out.last()
        opens = last.endswith((":", "：")) and len(last) <= ATTRIBUTION_MAX_CHARS
        dated = opens and _DATED.search(last) is not None
        told = attributes(rest) if rest else {}
        classes = set(told.get("class", "").split()[:20])
        cited = (
            told.get("type", "").lower() == "cite"
            or told.get("cite", "").startswith("mid:")
            or told.get("id", "") in _QUOTE_IDS
            or classes & _QUOTE_CLASSES
            or (self._is_gmail_reply and classes & _GMAIL)  # before that it is what somebody set in
        )
        expected, self._quote_comes = self._quote_comes, False
        if not cited and not dated and not expected:
            return False
        if dated or (opens and "@" in last):
            self.out.take_back((last,))
            above = self.out.last()
            if last.startswith("<") and len(above) <= ATTRIBUTION_MAX_CHARS and _DATED.search(above):
                self.out.take_back((above,))  # one line, that the writer's program broke above an address
        return self._leave_out("blockquote")

    def _gmail(self, name: str, markup: str, end: int) -> bool:
        """Leave out what Gmail quotes, but not what somebody wrote between; a forwarded mail is no quote."""
        if self._words_ahead(markup, end).startswith(_DASHES):
            return False
        ahead = _BLOCKQUOTE.search(self._ahead(markup, end))
        if ahead is None:
            return self._leave_out(name)
        self.found = self._quote_comes = self._is_gmail_reply = True
        self.mute_until = end + ahead.start()
        return False

    def _leave_out(self, name: str) -> bool:
        self.found = True
        self.skip(name)
        return True

    def _rest(self) -> bool:
        self.out.take_back(("---", "____"))
        self.found = self.over = True
        return True

    def _ahead(self, markup: str, end: int) -> str:
        self._looks_left -= 1
        return markup[end : end + LOOK_AHEAD_CHARS] if self._looks_left >= 0 else ""

    def _words_ahead(self, markup: str, end: int) -> str:
        return unescaped(_TAGS.sub("", self._ahead(markup, end))).strip()
