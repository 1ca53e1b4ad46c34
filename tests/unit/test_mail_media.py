"""What a part says of itself is understood however it is written."""

from __future__ import annotations

import pytest

from mailwicket.mail.header import Header
from mailwicket.mail.media import content_type, disposition, type_by_name


def header(name: str, value: str) -> Header:
    return Header(f"{name}: {value}\n".encode())


@pytest.mark.parametrize(
    ("value", "kind", "options"),
    [
        ("text/plain", "text/plain", {}),
        ("TEXT/HTML; CHARSET=UTF-8", "text/html", {"charset": "UTF-8"}),
        ("text / plain ; charset=a", "text/plain", {"charset": "a"}),
        ('"text/plain"; charset=a', "text/plain", {"charset": "a"}),
        ("text/plain (said so)", "text/plain", {}),
        ("(first) image/png", "image/png", {}),
        ("text/plain charset=a", "text/plain", {"charset": "a"}),
        ('application/pdf name="a b.pdf"', "application/pdf", {"name": "a b.pdf"}),
        ("text", "text/plain", {}),
        ("html", "text/html", {}),
        ("multipart", "multipart/mixed", {}),
        ("nonsense", "text/plain", {}),
        ("/", "text/plain", {}),
        ("", "a/default", {}),
        ("; charset=a", "a/default", {"charset": "a"}),
        ("application/vnd.ms-excel.sheet.macroEnabled.12", "application/vnd.ms-excel.sheet.macroenabled.12", {}),
        ("text/plain, text/html", "text/plain", {}),
        ("image/x;y", "image/x", {}),
    ],
)
def test_a_content_type_is_type_and_subtype(value: str, kind: str, options: dict[str, str]) -> None:
    assert content_type(header("Content-Type", value), "a/default") == (kind, options)


def test_a_part_without_a_type_has_the_default() -> None:
    assert content_type(Header(b""), "message/rfc822") == ("message/rfc822", {})


@pytest.mark.parametrize(
    ("value", "word", "options"),
    [
        ("attachment; filename=a", "attachment", {"filename": "a"}),
        ("INLINE", "inline", {}),
        ("attachment filename=a.pdf", "attachment", {"filename": "a.pdf"}),
        ('attachment filename="a b.pdf"', "attachment", {"filename": "a b.pdf"}),
        ("filename=a.pdf", "", {"filename": "a.pdf"}),
        ("; filename=a.pdf", "", {"filename": "a.pdf"}),
        ("attachment (a file); filename=a", "attachment", {"filename": "a"}),
        ('"attachment"; filename=a', "attachment", {"filename": "a"}),
        ("form-data; name=x", "form-data", {"name": "x"}),
        ("", "", {}),
    ],
)
def test_a_disposition_is_a_word_and_its_parameters(value: str, word: str, options: dict[str, str]) -> None:
    assert disposition(header("Content-Disposition", value)) == (word, options)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.PDF", "application/pdf"),
        ("b.jpeg", "image/jpeg"),
        ("c", "application/octet-stream"),
        (None, "application/octet-stream"),
    ],
)
def test_a_file_of_which_only_the_name_is_known_has_a_type(name: str | None, kind: str) -> None:
    assert type_by_name(name) == kind
