"""Parts of what a mail says: people, ids, replies, forwards, HTML."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import run

import pytest
import typer

from mailwicket.cli import explain as command
from mailwicket.mail.address import people
from mailwicket.mail.forwarded import forwarded
from mailwicket.mail.head import split_header
from mailwicket.mail.header import HEADER_MAX_BYTES, Header, ids, moment, parameters, words
from mailwicket.mail.html import sanitised, to_plain
from mailwicket.mail.quoted import reply_text
from mailwicket.model import Address


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ada@example.org", [(None, "ada@example.org")]),
        ("Ada <ada@example.org>", [("Ada", "ada@example.org")]),
        ('"Example, Ada" <ada@example.org>', [("Example, Ada", "ada@example.org")]),
        ("=?utf-8?q?Zo=C3=AB?= <z@example.org>", [("Zoë", "z@example.org")]),
        ("a@example.org, B <b@example.org>", [(None, "a@example.org"), ("B", "b@example.org")]),
        ("team: a@example.org, b@example.org;", [(None, "a@example.org"), (None, "b@example.org")]),
        ("ada@example.org (Ada)", [("Ada", "ada@example.org")]),
        ("Ada [ada@example.org]", [("Ada", "ada@example.org")]),
        ("undisclosed-recipients:;", []),
        ("nobody", []),
        ("", []),
    ],
)
def test_people_are_found_in_a_field(value: str, expected: list[tuple[str | None, str]]) -> None:
    assert [(one.name, one.address) for one in people(value)] == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<a@b>", ["a@b"]),
        (" <a@b> <c@d>\r\n <e@f>", ["a@b", "c@d", "e@f"]),
        ("a@b", ["a@b"]),
        ("<[a@b]>", ["[a@b]"]),
        ("(a comment) <a@b>", ["a@b"]),
        ("none here", []),
    ],
)
def test_ids_are_found_in_a_field(value: str, expected: list[str]) -> None:
    assert list(ids(value)) == expected


def test_of_very_many_ids_the_first_and_the_newest_stay() -> None:
    found = ids(" ".join(f"<{n}@x>" for n in range(500)))
    assert (len(found), found[0], found[-1]) == (200, "0@x", "499@x")


def test_words_of_one_charset_may_share_a_character() -> None:
    assert words("=?utf-8?B?w6kg?=  =?utf-8?B?w6k=?= =?iso-8859-1?q?=E9?=") == "é éé"
    assert words("=?utf-8?B?w!?= a =?utf-8?B?==?= =?utf-8?q?b_c?=d") == "a b cd"
    assert words("=?utf-8?q?=C3?= =?utf-8?q?=A9?=") == "é"
    assert words("Pump =?iso-8859-1?q?gr=F6=DFer?= now") == "Pump größer now"
    assert words("=?no-such?q?abc?=") == "abc"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text/plain; charset=utf-8", ("text/plain", {"charset": "utf-8"})),
        ('TEXT/Plain; Charset="utf-8"; format=flowed', ("text/plain", {"charset": "utf-8", "format": "flowed"})),
        ("a/b; name*=utf-8''%C3%A4.pdf", ("a/b", {"name": "ä.pdf"})),
        ("a/b; name*1=two; name*0=one", ("a/b", {"name": "onetwo"})),
        ("a/b; name=my file.pdf", ("a/b", {"name": "my file.pdf"})),
        (r'a/b; name="a \"b\" \\;c"; x=1', ("a/b", {"name": r'a "b" \;c', "x": "1"})),
        ("A/B;" + "; x" * 50, ("a/b", {})),
        ("a/b", ("a/b", {})),
        ("", ("", {})),
    ],
)
def test_parameters_are_split_from_a_field(value: str, expected: tuple[str, dict[str, str]]) -> None:
    assert parameters(value) == expected


def test_a_date_keeps_its_offset_and_nonsense_is_none() -> None:
    assert str(moment("Thu, 01 Jan 2026 10:00:00 +0200")) == "2026-01-01 10:00:00+02:00"
    assert str(moment("Thu, 01 Jan 2026 10:00:00 -0000")) == "2026-01-01 10:00:00+00:00"
    assert [moment(value) for value in ("", "yesterday", "99 Jan 2026", "1 Jan 99999 00:00 +9999")] == [None] * 4


@pytest.mark.parametrize(
    ("block", "fields"),
    [
        (b"A: 1\r\nB: 2", {"a": "1", "b": "2"}),
        (b"A: 1\nB: 2\n", {"a": "1", "b": "2"}),
        (b"A: 1\r\n 2\r\n\t3\nB: 4", {"a": "1 2 3", "b": "4"}),
        (b"A: 1\r\nA: 2\r\na: 3", {"a": "1"}),
        (b"A : 1\r\nB\t: 2\r\n: 3\r\n : 4", {"a": "1", "b": "2"}),
        (b"A:\r\n 1\r\nB:\r\n\r\nC: :2:", {"a": "1", "b": "", "c": ":2:"}),
        (b" A: 1\r\nno field\r\n B: 2\r\n 3", {"a": "1", "b": "2 3"}),
        (b"From x Mon Jan 1 10:00:00 2026\n 1\nA: 2", {"a": "2", "from x mon jan 1 10": "00:00 2026 1"}),
        (b"\0A\0: \0001\r\0\n\0 2", {"a": "1 2"}),
        (b"A: 1\rB: 2\r\r\n 3\r", {"a": "1\rB: 2\r 3"}),
        (b"\n\n:\n \n", {"": "", " ": ""}),
        (b"A: " + b"x" * 70_000 + b"\r\nB: 1", {"a": "x" * 65_536, "b": "1"}),
        (b"A: 1\r\n" * 44_000 + b"B: 2", {"a": "1", "b": ""}),
    ],
)
def test_a_header_is_read_line_by_line(block: bytes, fields: dict[str, str]) -> None:
    for header in (Header(block), Header(bytearray(block))):
        assert {name: header.get(name) for name in fields} == fields
        assert "" not in header


def test_a_header_ends_at_its_first_blank_line_or_at_its_limit() -> None:
    def split(raw: bytes, begin: int = 0) -> tuple[str, int]:
        header, at = split_header(raw, begin, len(raw))
        return header.get("a"), at

    assert split(b"A: 1\r\n\r\nA: 2\r\n\r\n") == ("1", 8)
    assert split(b"A: 1\n\nb\r\n\r\n") == ("1", 6)
    assert split(b"A: 1\n\r\nb\n\n") == ("1", 7)
    assert split(b"A: 1\r\n\nb") == ("1", 7)
    assert split(b"A: 0\n\nA: 1\n\nb", 6) == ("1", 12)
    assert split(b"\r\nA: 1\r\n\r\n") == ("", 2)
    assert split(b"\nA: 1\n\n") == ("", 1)
    assert split(b"A: 1\r\n") == ("1", 6)
    assert split(b"") == ("", 0)
    for line_end in (b"\n", b"\r\n"):
        full = b"A: 1" + line_end + b"B: "
        full += b"x" * (HEADER_MAX_BYTES - len(full) - 2 * len(line_end)) + 2 * line_end
        assert split(full + b"A: 2\n\n") == ("1", HEADER_MAX_BYTES)
        assert split(b"B: y" + full[4:-1] + b"y" + full[-1:] + b"A: 2\n\n") == ("", HEADER_MAX_BYTES)


def test_each_field_of_a_header_is_decoded_for_itself() -> None:
    header = Header("A: ä\r\nB: ".encode() + "ö".encode("cp1252") + b"\r\n folded\r\nA: second")
    assert (header.get("a"), header.get("b"), header.get("c")) == ("ä", "ö folded", "")


REPLIES = {
    "english": "Thanks.\n\nOn Thu, Jan 1, 2026 at 9:00 AM Desk <d@example.net> wrote:\n> Is it?\n",
    "wrapped": "Thanks.\n\nOn Thu, Jan 1, 2026 at 9:00 AM\nThe Desk <d@example.net>\nwrote:\n\n> Is it?\n",
    "german": "Thanks.\n\nAm 01.01.2026 um 09:00 schrieb Desk:\n> Ist es?\n",
    "german last": "Thanks.\n\nAm 01.01.2026 um 09:00 Uhr, Desk schrieb:\n> Ist es?\n",
    "french": "Thanks.\n\nLe jeu. 1 janv. 2026 à 09:00, Desk <d@example.net> a écrit :\n> Oui\n",
    "spanish": "Thanks.\n\nEl jue, 1 ene 2026 a las 9:00, Desk (<d@example.net>) escribió:\n\n> Hola\n",
    "polish": "Thanks.\n\nczw., 1 sty 2026 o 09:00 Desk <d@example.net> napisał(a):\n\n> Tak\n",
    "outlook": "Thanks.\n\n________________________________\nFrom: Desk\nSent: Thursday\nTo: Ada\nSubject: x\n\nold\n",
    "original": "Thanks.\n\n-----Original Message-----\nFrom: Desk\n\nold\n",
    "only quoted lines": "> old\n> older\n\nThanks.\n",
    "signature": "Thanks.\n\n-- \nAda Example\nHead of pumps\n",
    "telephone": "Thanks.\n\nSent from my telephone\n",
}


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_is_what_its_writer_wrote(name: str) -> None:
    expected = "Thanks." if name != "german" else REPLIES["german"].split("> ")[0].strip()
    assert reply_text(REPLIES[name]) in {"Thanks.", expected}


@pytest.mark.parametrize(
    "text",
    [
        "From: the pump room. To: whom it concerns.\nIt leaks.",
        "He wrote:\nit leaks.",
        "On Monday it leaked.\nOn Tuesday she wrote:\nplease mend it",
        "> everything is quoted",
        "-- \nonly a signature",
        "a > b and c < d",
    ],
)
def test_what_is_no_quote_is_not_cut(text: str) -> None:
    assert reply_text(text) == text.strip()


def test_a_forward_names_the_first_author_and_the_forwarders_words() -> None:
    text = "Look.\n\nBegin forwarded message:\n\nFrom: Cy <cy@example.com>\nSubject: Meter\nTo: a@b\n\nBackwards.\n"
    found = forwarded("Fwd: Meter", text)
    assert found is not None
    assert (found.author, found.subject) == (Address("Cy", "cy@example.com"), "Meter")
    assert (found.text, found.own_words) == ("Backwards.", "Look.")


def test_a_reply_that_quotes_is_no_forward() -> None:
    assert forwarded("Re: Meter", "Yes.\n\n-----Original Message-----\nFrom: a@b\nTo: c\nSubject: Meter\n\nOld") is None


def test_html_is_laid_out_as_text() -> None:
    markup = "<div>a<br>b</div><ol><li>x<li>y</ol><pre>1  2\n 3</pre><a href='mailto:a@b'>a@b</a><img alt='logo'>"
    assert to_plain(markup) == "a\nb\n\n1. x\n2. y\n\n1  2\n 3\n\na@b[logo]"


def test_sanitised_html_holds_nothing_that_acts() -> None:
    markup = "<p onclick=x style='a'>t<script>s</script><a href='javascript:x'>l</a><img src='cid:1'><form><input></p>"
    assert sanitised(markup) == '<p>t<a target="_blank" rel="noopener noreferrer">l</a><img src="cid:1"></p><p></p>'
    assert "<div" not in sanitised("<div>" * 5000 + "x")


def explain(*words: str, cwd: Path) -> tuple[int, str]:
    environ = {**os.environ, "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "mailwicket", "explain", *words]
    done = run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_explain_prints_a_line_a_file_and_a_bad_file_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(b"From: a@example.org\nSubject: one\n\nx\n")
    (tmp_path / "empty.eml").write_bytes(b"")
    status, said = explain("--json", "a.eml", "missing.eml", ".", "empty.eml", cwd=tmp_path)
    lines = [json.loads(line) for line in said.splitlines()]
    assert status == 1
    assert [line["file"] for line in lines] == ["a.eml", "missing.eml", ".", "empty.eml"]
    assert [line.get("error") for line in lines] == [None, "no such file or directory", "is a directory", None]
    assert explain("--json", "a.eml", cwd=tmp_path)[0] == 0


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor() as threads:
        threads.submit((tmp_path / "pipe").write_bytes, b"Subject: one\n\nx\n")
        status, said = explain("--json", "pipe", cwd=tmp_path)
    assert (status, json.loads(said)["subject"]) == (0, "one")


def test_a_mistake_of_ours_about_one_mail_hides_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def mistaken(file: str) -> dict[str, str]:
        if file == "bad":
            raise IndexError(file)
        return {"subject": "one"}

    monkeypatch.setattr(command, "_explained", mistaken)
    with pytest.raises(typer.Exit) as ended:
        command.explain(["bad", "good"], as_json=True)
    bad, good = map(json.loads, capsys.readouterr().out.splitlines())
    assert (ended.value.exit_code, bad["error"], good["subject"]) == (1, "not understood: IndexError('bad')", "one")


def test_explain_shows_a_person_nothing_that_orders_the_terminal_about(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(b"From: a@example.org\nSubject: one\x1b[2Jtwo\n\nx\x1b]0;y\x07\n")
    status, said = explain("a.eml", cwd=tmp_path)
    assert (status, "\x1b" in said, "\x07" in said, "one" in said) == (0, False, False, True)
