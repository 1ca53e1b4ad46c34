"""Whom a field names: by the book as the library reads it, otherwise as it was meant."""

from __future__ import annotations

import time
from email.headerregistry import Address as Written
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailwicket.mail.address import PEOPLE_MAX, here, people
from mailwicket.mail.header import Header


def told(value: str) -> list[tuple[str | None, str]]:
    return [(one.name, one.address) for one in people(value)]


@pytest.mark.parametrize(
    ("value", "name", "address"),
    [
        ("<a@b.org>", None, "a@b.org"),
        ("<mailto:a@b.org>", None, "a@b.org"),
        ("'a@b.org'", None, "a@b.org"),
        ("[a@b.org]", None, "a@b.org"),
        ('"a@b.org"', None, "a@b.org"),
        ('<"a@b.org">', None, "a@b.org"),
        ("mailto:a@b.org?subject=x", None, "a@b.org"),
        ("SMTP:a@b.org", None, "a@b.org"),
        ("a@b.org>", None, "a@b.org"),
        ("Ada a@b.org <>", "Ada", "a@b.org"),
        ("Ada@x via Desk <a@b.org>", "Ada@x via Desk", "a@b.org"),
        ("< a @ b.org >", None, "a@b.org"),
        ("Ada [mailto:a@b.org]", "Ada", "a@b.org"),
        ("Ada <mailto:a@b.org>", "Ada", "a@b.org"),
        ("Ada a@b.org", "Ada", "a@b.org"),
        ("a@b.org Ada", "Ada", "a@b.org"),
        ("Ada <a@b.org", "Ada", "a@b.org"),
        ("Ada <<a@b.org>>", "Ada", "a@b.org"),
        ("Ada <Ex> <a@b.org>", "Ada <Ex>", "a@b.org"),
        ("(Ada) <a@b.org>", "Ada", "a@b.org"),
        ("<a@b.org> Ada", "Ada", "a@b.org"),
        ("Ada (a@b.org)", "Ada", "a@b.org"),
        ("a@b.org (Ada", "Ada", "a@b.org"),
        ("Ada (x <a@b.org>", "Ada x", "a@b.org"),
        ('"Ada" "Ex" <a@b.org>', "Ada Ex", "a@b.org"),
        ('"Ada"Ex<a@b.org>', "AdaEx", "a@b.org"),
        ('"Ada   Ex" <a@b.org>', "Ada   Ex", "a@b.org"),
        ("Ada \t  Ex <a@b.org>", "Ada Ex", "a@b.org"),
        ("山田　太郎 <a@b.org>", "山田　太郎", "a@b.org"),
        ('"" <a@b.org>', None, "a@b.org"),
        ("'Ada' <a@b.org>", "'Ada'", "a@b.org"),
        ("'Ada' and 'Bob' <a@b.org>", "'Ada' and 'Bob'", "a@b.org"),
        ('=?utf-8?q?"Ex,_Ada"?= <a@b.org>', "Ex, Ada", "a@b.org"),
        ("Ex, Ada <a@b.org>", "Ex, Ada", "a@b.org"),
        ("Ex, Inc., Ada <a@b.org>", "Ex, Inc., Ada", "a@b.org"),
        ("root, Ada <a@b.org>", "Ada", "a@b.org"),
        ("'Ex, Ada' <a@b.org>", "'Ex, Ada'", "a@b.org"),
        ("山田, 太郎 <a@b.org>", "山田, 太郎", "a@b.org"),
        ("äda, Ex <a@b.org>", "äda, Ex", "a@b.org"),
        ("Bob <bob>, Ada <a@b.org>", "Ada", "a@b.org"),
        ("Bob; Ada <a@b.org>", "Ada", "a@b.org"),
        ("Ada: Ex <a@b.org>", "Ada: Ex", "a@b.org"),
        ('"a, b"@b.org', None, '"a, b"@b.org'),
        ('Ada <"a>b"@b.org>', "Ada", '"a>b"@b.org'),
        ("Ada <a@[192.0.2.1]>", "Ada", "a@[192.0.2.1]"),
        ("a@[IPv6:2001:db8::1]", None, "a@[IPv6:2001:db8::1]"),
        ("Ada <@x.org,@y.org:a@b.org>", "Ada", "a@b.org"),
        ("a@b . org", None, "a@b.org"),
        ("a=b@c.org", None, "a=b@c.org"),
        ("=?utf-8?q?Ex,_Ada?= <a@b.org>", "Ex, Ada", "a@b.org"),
        ("=?utf-8?q?a@b_Ada?= <a@b.org>", "a@b Ada", "a@b.org"),
        ('"=?utf-8?q?Zo=C3=AB?=" <a@b.org>', "Zoë", "a@b.org"),
        ('"=?utf-8?q?Zo?=" "=?utf-8?q?=C3=AB?=" <a@b.org>', "Zoë", "a@b.org"),
        ("=?utf-8?q?Zo=C3=AB_=3Ca=40b.org=3E?=", "Zoë", "a@b.org"),
        ("Zoe <=?utf-8?q?a=40b.org?=>", "Zoe", "a@b.org"),
        ("=?what <a@b.org>", "=?what", "a@b.org"),
        ("Zoë <zoë@grüße.example>", "Zoë", "zoë@grüße.example"),
        ("Zoe <zoe@xn--gre-6ka8i.example>", "Zoe", "zoe@xn--gre-6ka8i.example"),
    ],
)
def test_one_person_is_named_somehow(value: str, name: str | None, address: str) -> None:
    assert told(value) == [(name, address)]


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        ("a@b.org; c@b.org;", ["a@b.org", "c@b.org"]),
        ("a@b.org c@b.org", ["a@b.org", "c@b.org"]),
        ("<a@b.org><c@b.org>", ["a@b.org", "c@b.org"]),
        ("<a@b.org> <a@b.org>", ["a@b.org"]),
        ("A <a@b.org> C <c@b.org>", ["a@b.org", "c@b.org"]),
        ("A <a@b.org, C <c@b.org>", ["a@b.org", "c@b.org"]),
        ("x: a@b.org, y: c@b.org;, d@b.org;", ["a@b.org", "c@b.org", "d@b.org"]),
        (",, a@b.org ,,", ["a@b.org"]),
        ("A <a@b.org> =?utf-8?q?=2C?= c@b.org =?utf-8?q?=2C?= d@b.org", ["a@b.org", "c@b.org", "d@b.org"]),
        ("x:;", []),
        ("Undisclosed recipients:", []),
        ("user at example dot org", []),
        ("<>", []),
        ("@", []),
        ("a@", []),
        ("@b.org", []),
        ("Mail system <MAILER-DAEMON>", []),
        ("<a\x01b@c.org>", ["ab@c.org"]),
        ("a@" + "b" * 1000, []),
        ("a@b.org, a@b.org", ["a@b.org", "a@b.org"]),
    ],
)
def test_a_list_is_parted_at_commas_and_where_they_were_forgotten(value: str, addresses: list[str]) -> None:
    assert [address for _, address in told(value)] == addresses


def test_fields_that_stand_twice_name_all_their_people() -> None:
    header = Header(b"To: a@b.org\r\nFrom: Ex\r\nTO: C <c@b.org>\r\nFrom: Ada <a@b.org>\r\nTo:\r\n d@b.org\r\n")
    assert told(header.get("to")) == [(None, "a@b.org"), ("C", "c@b.org"), (None, "d@b.org")]
    assert told(header.get("from")) == [("Ada", "a@b.org")]


def test_very_many_people_are_read_in_linear_time_up_to_a_limit() -> None:
    def seconds(count: int) -> float:
        value = ", ".join(f"Per Son <p{n}@example.org>" for n in range(count))
        begun = time.process_time()
        assert len(people(value)) == min(count, PEOPLE_MAX)
        return time.process_time() - begun

    seconds(10)
    assert seconds(PEOPLE_MAX + 500) < 0.5


def test_of_a_list_that_was_cut_nobody_is_named_by_half_an_address() -> None:
    names = [f"p{n:04}@{'x' * 80}.example.org" for n in range(1500)]
    found = people(Header(b"To: " + ", ".join(names).encode()).get("to"))
    assert [one.address for one in found] == names[: len(found)]
    assert len(found) > 600


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), max_size=40).map(str.strip)
LOCALS = st.from_regex(r"[a-z0-9!#$%&*+/=?^_`{|}~-]{1,20}(\.[a-z0-9]{1,5})?", fullmatch=True)


@given(st.lists(st.tuples(NAMES, LOCALS), min_size=1, max_size=4))
def test_what_the_library_writes_is_read_again(pairs: list[tuple[str, str]]) -> None:
    message = EmailMessage(SMTP.clone(max_line_length=0))  # it folds some names so that nobody can read them
    message["To"] = [Written(name, local, "example.org") for name, local in pairs]
    raw = message.as_bytes()
    expected = [(one.display_name, one.addr_spec) for one in message["To"].addresses]
    found = told(Header(raw).get("to"))
    assert [address for _, address in found] == [address for _, address in expected]
    for (name, _), (wanted, _) in zip(found, expected, strict=True):
        if not (wanted.startswith("'") or "=?" in wanted or any(c.isspace() and c != " " for c in wanted)):
            assert (name or "") == wanted.strip()


@given(st.text(st.sampled_from('a@b."\\<>()[],;: =?\t'), max_size=60))
@settings(max_examples=1000)
def test_whatever_stands_in_a_field_the_addresses_are_some(value: str) -> None:
    for name, address in told(value):
        local, at, domain = address.rpartition("@")
        assert (bool(local), at, bool(domain)) == (True, "@", True)
        assert name != ""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("MAILER-DAEMON", [(None, "MAILER-DAEMON")]),
        ("MAILER-DAEMON (Mail Delivery System)", [("Mail Delivery System", "MAILER-DAEMON")]),
        ('"Ada, the Countess" <ada>', []),
        ("Ada Lovelace", []),
        ("undisclosed-recipients", []),
        ("undisclosed-recipients:;", []),
        ("root, ada", [(None, "root"), (None, "ada")]),
        ("ada, grace@example.com", []),
        ("<>", []),
        ("", []),
    ],
)
def test_users_of_the_host_are_told_where_nobody_has_a_domain(
    value: str, expected: list[tuple[str | None, str]]
) -> None:
    assert [(one.name, one.address) for one in here(value)] == expected
    assert people(value.replace("grace@example.com", "grace")) == ()
