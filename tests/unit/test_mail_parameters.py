r"""Parameters of a field: by the book as the library reads them, otherwise as they were meant."""

from __future__ import annotations

from email.message import Message
from email.utils import collapse_rfc2231_value, encode_rfc2231

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwicket.mail.parameters import PARAMETERS_MAX, parameters


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('a/b; x="C:\\temp\\new.doc"', {"x": "C:\\temp\\new.doc"}),
        ('a/b; x="a \\"b\\" \\\\c"', {"x": 'a "b" \\c'}),
        ('a/b; x="a;b"; y=3', {"x": "a;b", "y": "3"}),
        ('a/b; x="a', {"x": "a"}),
        ('a/b; x="a; y=3', {"x": "a", "y": "3"}),
        ('a/b; x="a "b" c"', {"x": 'a "b" c'}),
        ('a/b; x="a" y="b"', {"x": "a", "y": "b"}),
        ('a/b; x="a" (note); y=b', {"x": "a", "y": "b"}),
        ("a/b; charset=utf-8 y=b", {"charset": "utf-8", "y": "b"}),
        ("a/b; charset=utf-8 (note)", {"charset": "utf-8"}),
        ("a/b; name=my file (1).pdf", {"name": "my file (1).pdf"}),
        ("a/b; name=my file = yours.pdf", {"name": "my file = yours.pdf"}),
        ("a/b; x = y ;", {"x": "y"}),
        ("a/b; x=1; x=2; X=3", {"x": "1"}),
        ("a/b;;; ; x=1;;", {"x": "1"}),
        ("a/b; x; y=1", {"y": "1"}),
        ("a/b; =1; y=1", {"y": "1"}),
        ("a/b; x==y=", {"x": "=y="}),
        ('a/b; x=y"z', {"x": 'y"z'.replace('"', '"')}),
        ("a/b; name==?utf-8?Q?a;b?=; y=1", {"name": "=?utf-8?Q?a;b?=", "y": "1"}),
        ("a/b; x*=utf-8'de'%C3%A4", {"x": "ä"}),
        ("a/b; x*=''%C3%A4", {"x": "ä"}),
        ("a/b; x*=%C3%A4", {"x": "ä"}),
        ("a/b; x*=\"iso-8859-1''%E4\"", {"x": "ä"}),
        ("a/b; x*=koi8-r''%CE%C1", {"x": "на"}),
        ("a/b; x=plain; x*=utf-8''%C3%A4", {"x": "ä"}),
        ("a/b; x*1=b; x*0=a; x*10=d; x*2=c", {"x": "abcd"}),
        ("a/b; x*0*=utf-8''%C3%A4; x*1=%20; x*2*=%20b", {"x": "ä%20 b"}),
        ("a/b; x*0=utf-8''%C3%A4; x*1=b", {"x": "äb"}),
        ("a/b; x*0=it's; x*1='50%'", {"x": "it's'50%'"}),
        ("a/b; x*0*=utf-8''%C3; x*1*=%A4", {"x": "ä"}),
        ("a/b; x*1=b; x*3=d", {"x": "bd"}),
        ("a/b; x=whole; x*1=b", {"x": "whole"}),
        ("a/b; x*99999=a; x*0=b", {"x*99999": "a", "x": "b"}),
    ],
)
def test_a_parameter_is_read_as_it_was_meant(value: str, expected: dict[str, str]) -> None:
    assert parameters(value) == ("a/b", expected)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("Text/HTML", "text/html"),
        (' "text/html" ; x=1', "text/html"),
        ("text/plain (note); x=1", "text/plain"),
        ("text/plain charset=utf-8", "text/plain"),
        ("text/plain, x", "text/plain"),
        ("text", "text"),
        ("", ""),
        (";", ""),
        ("=?x?=", "=?x?="),
    ],
)
def test_the_value_is_one_word(value: str, kind: str) -> None:
    assert parameters(value)[0] == kind


def test_of_very_many_parameters_the_first_count() -> None:
    _, found = parameters("a/b" + "".join(f"; x{n}=y" for n in range(5000)))
    assert len(found) == PARAMETERS_MAX


@given(st.text(st.characters(codec="utf-8", exclude_categories=("C",)), max_size=60), st.booleans())
def test_what_the_library_writes_is_read_again(text: str, is_ascii: bool) -> None:  # noqa: FBT001
    message = Message()
    if is_ascii:
        text = text.encode("ascii", "ignore").decode()
        message.add_header("Content-Type", "a/b", x=text, y="z")
    else:
        message.add_header("Content-Type", "a/b", x=("utf-8", None, text), y="z")
    if text and '"' not in text:
        assert parameters(message["Content-Type"]) == ("a/b", {"x": text.removeprefix("\ufeff"), "y": "z"})


@given(st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1, max_size=80), st.data())
def test_a_value_may_be_cut_between_any_two_bytes(text: str, data: st.DataObject) -> None:
    units = [f"%{byte:02X}" for byte in text.encode()]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(units)), max_size=4)))
    pieces = ["".join(units[a:b]) for a, b in zip([0, *cuts], [*cuts, len(units)], strict=True)]
    pieces[0] = encode_rfc2231(pieces[0], "utf-8", "en").replace("%25", "%")
    value = "a/b" + "".join(f"; x*{n}*={piece}" for n, piece in enumerate(pieces))
    assert parameters(value)[1] == {"x": text.removeprefix("\ufeff")}
    message = Message()
    message["Content-Type"] = value
    assert collapse_rfc2231_value(message.get_param("x")) == text  # type: ignore[arg-type]


@given(st.text(st.sampled_from("ab/;=\"\\'*0 %()?\t"), max_size=120))
def test_whatever_stands_there_it_is_some_parameters(value: str) -> None:
    kind, found = parameters("a/b;" + value)
    assert kind == "a/b"
    assert all("\0" not in text for text in found.values())
