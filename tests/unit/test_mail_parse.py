"""Reading mail: whatever comes in, something true comes out, soon."""

from __future__ import annotations

import base64
import hashlib
import json
import mmap
import random
import time
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.lab import mailmix
from tests.lab.bombs import BOMBS, heads

from mailwicket.mail import parts
from mailwicket.mail.charset import to_text
from mailwicket.mail.decode import SLICE_BYTES, decode, decoded
from mailwicket.mail.explain import explain
from mailwicket.mail.parse import TEXT_MAX_BYTES, parse

CORPUS = [path.read_bytes() for path in sorted((Path(__file__).parent.parent / "corpus").glob("*.eml"))]
BUDGET_S = 5.0  # each of the bombs takes well under one second


def assert_true(raw: bytes) -> None:
    """What a mail says is valid text, and each attachment is found again under its hash."""
    mail = parse(raw)
    text = json.dumps(explain(mail), ensure_ascii=False)
    text.encode("utf-8")
    assert "\\u0000" not in text
    for attachment in mail.attachments:
        begin, end = attachment.span
        content = decode(raw[begin:end], attachment.encoding)
        assert (len(content), hashlib.sha256(content).hexdigest()) == (attachment.size, attachment.sha256)
        name = attachment.filename or "x"
        assert not set(name) & set("/\\\r\n\0")


@given(st.binary(max_size=4000))
def test_any_bytes_are_a_mail(raw: bytes) -> None:
    assert_true(raw)


@given(st.sampled_from(CORPUS), st.integers(0, 2**32))
@settings(max_examples=300)
def test_a_mutilated_mail_is_still_read(raw: bytes, seed: int) -> None:
    chance = random.Random(seed)
    mutilated = bytearray(raw)
    for _ in range(chance.randrange(1, 8)):
        at = chance.randrange(len(mutilated) + 1)
        other = chance.choice(CORPUS)
        change = chance.choice(
            (b"", b"\0", b"\r\n\r\n", b"--", b"=?", b"\xff", b"(", b"<", other[: chance.randrange(200)])
        )
        mutilated[at : at + chance.choice((0, 1, 30))] = change
    assert_true(bytes(mutilated))


@given(st.binary(max_size=300), st.lists(st.tuples(st.text(max_size=40), st.binary(max_size=500)), max_size=4))
def test_the_standard_library_reads_well_formed_mail_alike(body: bytes, enclosed: list[tuple[str, bytes]]) -> None:
    text = body.decode("latin-1").replace("\0", "").replace("\r", "")
    message = EmailMessage()
    message["From"], message["Subject"] = "Ada <ada@example.org>", "Zähler"
    message.set_content(text, charset="utf-8")
    for _, content in enclosed:
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename="a.bin")
    raw = message.as_bytes(policy=message.policy.clone(linesep="\r\n", cte_type="7bit"))
    mail = parse(raw)
    expected = message.get_body().get_content()  # type: ignore[union-attr]
    assert mail.text.rstrip("\n") == expected.rstrip("\n")
    assert [one.sha256 for one in mail.attachments] == [hashlib.sha256(c).hexdigest() for _, c in enclosed]


def test_mapped_and_in_memory_say_the_same(tmp_path: Path) -> None:
    for number, raw in enumerate(mailmix.mix(40, seed=7)):
        path = tmp_path / str(number)
        path.write_bytes(raw)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert parse(mapped) == parse(bytearray(raw)) == parse(raw)


def test_the_windows_of_the_search_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    mails = [*CORPUS, *mailmix.mix(12, seed=5, largest_bytes=200_000), BOMBS["near boundaries"][:3000]]
    for raw in mails:
        expected = parse(raw)
        for stretch, window in ((1, 1), (16, 7), (100, 64)):
            monkeypatch.setattr(parts, "STRETCH_BYTES", stretch)
            monkeypatch.setattr(parts, "WINDOW_BYTES", window)
            assert parse(raw) == expected
        monkeypatch.undo()


@pytest.mark.parametrize("filling", [b"x", b"-"])
def test_a_boundary_is_found_wherever_a_stretch_of_the_search_ends(filling: bytes) -> None:
    for length in range(parts.STRETCH_BYTES - 200, parts.STRETCH_BYTES + 50):
        raw = heads(b"Content-Type: multipart/mixed; boundary=abc") + b"--abc\n\n" + filling * length + b"\n--abc--\n"
        assert parse(raw).text == filling.decode() * length


def test_the_content_digest_is_of_what_the_writer_wrote() -> None:
    raw = next(raw for raw in CORPUS if parse(raw).attachments)
    mail = parse(raw)
    assert mail.author is not None
    said = [mail.author.address.casefold(), str(mail.date), mail.subject, mail.text]
    said += [one.sha256 for one in mail.attachments]
    joined = "\0".join(f"{len(one)}:{one}" for one in said)
    assert mail.content_digest == hashlib.sha256(joined.encode()).hexdigest()
    assert parse(b"Received: by mx.example.net\r\n" + raw).content_digest == mail.content_digest
    nothing = hashlib.sha256(b"0:\x004:None\x000:\x000:").hexdigest()
    assert parse(b"").content_digest == nothing


def test_every_mail_of_the_mix_has_its_parts() -> None:
    for number, raw in enumerate(mailmix.mix(100, seed=3)):
        mail = parse(raw)
        assert mail.message_id is not None
        assert (mail.author is None, mail.text == "", mail.damage) == (False, False, ()), number
        stored = raw.count(b"Content-Disposition: attachment")
        assert len(mail.attachments) == stored


@given(st.binary(max_size=200), st.lists(st.integers(0, 300), max_size=6))
def test_base64_is_read_through_whatever_is_strewn_into_it(content: bytes, places: list[int]) -> None:
    encoded = bytearray(base64.b64encode(content))
    for place in places:
        encoded[place % (len(encoded) + 1) : place % (len(encoded) + 1)] = b" \r\n*"
    assert decode(bytes(encoded), "base64") == content


def test_slices_of_a_large_part_are_the_part() -> None:
    chance = random.Random(5)
    content = chance.randbytes(3 * SLICE_BYTES + 17)
    for encoded in (base64.encodebytes(content), base64.b64encode(content)):
        pieces = list(decoded(encoded, 0, len(encoded), "base64"))
        assert b"".join(pieces) == content
        assert max(map(len, pieces)) <= SLICE_BYTES
    for quoted in (b"=41=42=43=\r\n" * 300_000, b"=41" * 900_000):
        once = b"".join(decoded(quoted, 0, len(quoted), "quoted-printable"))
        assert once == b"ABC" * 300_000 if quoted.endswith(b"\n") else once == b"A" * 900_000


def test_a_very_long_text_is_cut_and_kept_whole_as_an_attachment() -> None:
    raw = b"From: a@example.org\r\n\r\n" + b"0123456789\r\n" * 200_000
    mail = parse(raw)
    assert (len(mail.text) < TEXT_MAX_BYTES, mail.damage) == (True, ("text_cut",))
    assert [one.size for one in mail.attachments] == [12 * 200_000]


@pytest.mark.parametrize(
    ("content", "charset", "text"),
    [
        ("größe".encode("cp1252"), "utf-8", "größe"),
        ("größe".encode(), "iso-8859-1", "größe"),
        ("“größe”".encode("cp1252"), "us-ascii", "“größe”"),
        ("水泵".encode("gb18030"), "gb2312", "水泵"),
        ("насос".encode("koi8-r"), "koi8-r", "насос"),
        (b"abc", "idna", "abc"),
        (b"abc", "hex", "abc"),
        (b"a\xffb", "no-such", "aÿb"),
    ],
)
def test_charsets_are_read_as_browsers_do_and_wrong_labels_forgiven(content: bytes, charset: str, text: str) -> None:
    assert to_text(content, charset) == text


@pytest.mark.parametrize("name", BOMBS)
def test_no_mail_keeps_us_busy(name: str) -> None:
    begun = time.process_time()
    assert_true(BOMBS[name])
    assert time.process_time() - begun < BUDGET_S
