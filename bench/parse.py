"""How fast mails are read: `python -m bench.parse`, beside stdlib `email` and fast-mail-parser on the same mails.

Three sets: mails of up to 64 kB one at a time, the mix of a helpdesk (`tests.lab.mailmix`), one mail with a 5 MB
attachment. "full" is what `mail.parse` tells: decoded subject, people, ids and date, text, and of every attachment size
and SHA-256. What may wait until somebody looks (sanitising, cutting the quote) is told apart. One core.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any, Final

import fast_mail_parser
from tests.lab import mailmix

from mailwicket.mail.html import sanitised
from mailwicket.mail.parse import parse
from mailwicket.mail.quoted import reply_text

SMALL_BYTES: Final = 64_000
TURNS: Final = 3


def stdlib(raw: bytes) -> object:
    """Read *raw* with `email` (compat32) as a careful program does."""
    mail = message_from_bytes(raw)
    told: list[Any] = [_words(mail, name) for name in ("Subject", "Message-ID", "References")]
    told += [getaddresses([_words(mail, name)]) for name in ("From", "To", "Cc")]
    if date := mail["Date"]:
        with suppress(ValueError):
            told.append(parsedate_to_datetime(str(date)))
    for part in mail.walk():
        if part.is_multipart():
            continue
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        if part.get_content_maintype() == "text" and not part.get_filename():
            try:
                told.append(content.decode(part.get_content_charset("utf-8"), "replace"))
            except LookupError:
                told.append(content.decode("utf-8", "replace"))
        else:
            told.append((part.get_filename(), len(content), hashlib.sha256(content).hexdigest()))
    return told


def _words(mail: Message, name: str) -> str:
    value = mail[name]
    try:
        return "" if value is None else str(make_header(decode_header(value)))
    except (LookupError, UnicodeError, ValueError):
        return str(value)


def fast(raw: bytes) -> object:
    """Read *raw* with fast-mail-parser (Rust)."""
    mail = fast_mail_parser.parse_email(raw)
    attachments = [
        (one.filename, len(one.content), hashlib.sha256(one.content).hexdigest()) for one in mail.attachments
    ]
    return mail.subject, mail.date, mail.headers, mail.text_plain, mail.text_html, attachments


def measure(read: Callable[[bytes], object], mails: Sequence[bytes]) -> tuple[float, float]:
    """Return the seconds that all of *mails* take, the best of TURNS, and the median of one in milliseconds."""
    best, medians = float("inf"), []
    for _ in range(TURNS):
        each = []
        for raw in mails:
            begun = time.perf_counter()
            read(raw)
            each.append(time.perf_counter() - begun)
        best = min(best, sum(each))
        medians.append(statistics.median(each))
    return best, 1000 * min(medians)


def main() -> None:
    """Measure all on the same mails, side by side, and print one JSON object."""
    mix = list(mailmix.mix(400, seed=7))
    sets = {
        "up to 64 kB": [raw for raw in mix if len(raw) <= SMALL_BYTES],
        "helpdesk mix": mix,
        "5 MB attachment": [mailmix.large(5_000_000, 1)] * 5,
    }
    readers: dict[str, Callable[[bytes], object]] = {"mailwicket": parse, "stdlib": stdlib, "fast-mail-parser": fast}
    told: dict[str, dict[str, Any]] = {}
    for name, mails in sets.items():
        size_mb = sum(map(len, mails)) / 1e6
        for reader, read in readers.items():
            seconds, median_ms = measure(read, mails)
            told.setdefault(name, {})[reader] = {
                "mails_per_s": round(len(mails) / seconds),
                "ms_per_mb": round(1000 * seconds / size_mb, 2),
                "median_ms": round(median_ms, 3),
            }
            sys.stderr.write(f"  {name}: {reader} {len(mails) / seconds:.0f} mails/s\n")
    hashed = mailmix.large(5_000_000, 1)
    copying, _ = measure(lambda raw: hashlib.sha256(raw).digest(), [hashed] * 5)
    pages = [mail.html for mail in map(parse, mix) if mail.html]
    texts = [mail.text for mail in map(parse, mix)]
    later = {
        "hash 5 MB, ms": round(1000 * copying / 5, 2),
        "sanitise, ms a page": round(_each_ms(sanitised, pages), 3),
        "cut the quote, ms a text": round(_each_ms(reply_text, texts), 3),
    }
    print(json.dumps({"sets": told, "apart": later}, indent=1))


def _each_ms(work: Callable[[str], object], of: Sequence[str]) -> float:
    begun = time.perf_counter()
    for one in of:
        work(one)
    return 1000 * (time.perf_counter() - begun) / max(1, len(of))


if __name__ == "__main__":
    main()
