"""Authentication-Results and Received, as the servers of the world write them."""

from __future__ import annotations

import time

import pytest

from mailwicket.mail.authentication import authentication, received_by
from mailwicket.mail.trace import fields

GMAIL = (
    "mx.google.com; dkim=pass header.i=@example.com header.s=s1 header.b=QkR3=; spf=pass (google.com: domain of "
    "ann@example.com designates 192.0.2.1 as permitted sender) smtp.mailfrom=ann@example.com; dmarc=pass (p=REJECT "
    "sp=NONE dis=NONE) header.from=example.com"
)
MICROSOFT = (
    "spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=example.com; dkim=pass (signature was verified) "
    "header.d=example.com;dmarc=fail action=oreject header.from=example.com;compauth=fail reason=000"
)


def test_gmail() -> None:
    told = authentication(GMAIL)
    assert told.authserv_id == "mx.google.com"
    assert [(one.method, one.value) for one in told.results] == [("dkim", "pass"), ("spf", "pass"), ("dmarc", "pass")]
    dkim, spf, dmarc = told.results
    assert dkim.properties == {"header.i": "@example.com", "header.s": "s1", "header.b": "qkr3="}
    assert spf.properties == {"smtp.mailfrom": "ann@example.com"}
    assert (dmarc.properties, dmarc.policy) == ({"header.from": "example.com"}, "reject")


def test_microsoft_with_and_without_an_authserv_id() -> None:
    bare, named = authentication(MICROSOFT), authentication(f"mx.microsoft.com 1; {MICROSOFT}")
    assert (bare.authserv_id, named.authserv_id) == ("", "mx.microsoft.com")
    assert bare.results == named.results
    assert [one.method for one in bare.results] == ["spf", "dkim", "dmarc", "compauth"]
    assert bare.results[2].policy == "reject"


def test_postfix_with_opendmarc_opendkim_and_rspamd() -> None:
    dmarc = authentication("mx.example.org; dmarc=fail (p=quarantine dis=none) header.from=example.com").results[0]
    assert (dmarc.value, dmarc.policy, dmarc.properties["header.from"]) == ("fail", "quarantine", "example.com")
    dkim = authentication("mx.example.org; dkim=pass (2048-bit key) header.d=example.com header.i=@example.com").results
    assert dkim[0].properties["header.d"] == "example.com"
    rspamd = authentication(
        "mx.example.org; dkim=pass header.d=example.com header.s=k header.b=abc; dmarc=pass (policy=none) "
        "header.from=example.com; spf=softfail (mx.example.org: 192.0.2.1 is neither permitted nor denied) "
        "smtp.mailfrom=ann@example.com"
    )
    assert [(one.method, one.value) for one in rspamd.results] == [
        ("dkim", "pass"),
        ("dmarc", "pass"),
        ("spf", "softfail"),
    ]


@pytest.mark.parametrize(
    ("value", "authserv_id"),
    [
        ("mx.example.org; none", "mx.example.org"),
        ("mx.example.org;dmarc=pass", "mx.example.org"),
        ("  MX.Example.ORG 1 ; none", "mx.example.org"),
        ("(us) mx.example.org (edge) 1 (v); none", "mx.example.org"),
        ('"mx.example.org"; none', "mx.example.org"),
        ("mx.example.org", "mx.example.org"),
        ("mx.example.org evil.example; none", ""),
        ("mx.example.org 1 2; none", ""),
        ("mx.example.org (a; b); none", "mx.example.org"),
        ("dmarc=pass header.from=example.org", ""),
        ("", ""),
        (";;;", ""),
    ],
)
def test_who_says_so(value: str, authserv_id: str) -> None:
    assert authentication(value).authserv_id == authserv_id


def test_the_example_of_several_methods_of_the_standard() -> None:
    told = authentication(
        "example.com; sender-id=fail header.from=example.net; dkim=pass (good signature) header.d=example.com"
    )
    assert [(one.method, one.value, one.comment.strip()) for one in told.results] == [
        ("sender-id", "fail", ""),
        ("dkim", "pass", "good signature"),
    ]


def test_the_example_of_versions_comments_and_blanks_everywhere_of_the_standard() -> None:
    told = authentication(
        "foo.example.net (foobar) 1 (baz); dkim (Because I like it) / 1 (One yay) = (wait for it) fail "
        "policy (A dot can go here) . (like that) expired (this surprised me) = (as I wasn't expecting it) 1362471462"
    )
    assert told.authserv_id == "foo.example.net"
    assert [(one.method, one.value, one.properties) for one in told.results] == [
        ("dkim", "fail", {"policy.expired": "1362471462"})
    ]


@pytest.mark.parametrize(
    ("statement", "properties"),
    [
        ('spf=pass smtp.mailfrom="a header.d=victim.example"@evil.example', {"smtp.mailfrom"}),
        ('spf=pass smtp.mailfrom="a\\" header.d=victim.example"@evil.example', {"smtp.mailfrom"}),
        ('dkim=fail reason="header.d=victim.example; dmarc=pass" header.d=evil.example', {"reason", "header.d"}),
        ("dkim=fail (header.d=victim.example) header.d=evil.example", {"header.d"}),
        ("dkim=fail (a (b) header.d=victim.example) header.d=evil.example", {"header.d"}),
        ("dkim=fail (a \\) header.d=victim.example) header.d=evil.example", {"header.d"}),
    ],
)
def test_a_strangers_words_in_quotes_and_comments_say_nothing(statement: str, properties: set[str]) -> None:
    told = authentication(f"mx.example.org; {statement}; x=y")
    assert len(told.results) == 2
    assert told.results[0].properties.keys() == properties
    assert told.results[0].properties.get("header.d", "evil.example") == "evil.example"


def test_of_a_property_that_stands_twice_the_first_counts() -> None:
    told = authentication("mx; dkim=pass header.d=a.example header.d=b.example")
    assert told.results[0].properties == {"header.d": "a.example"}


@pytest.mark.parametrize(
    ("statement", "policy"),
    [
        ("dmarc=fail header.from=a.example", None),
        ("dmarc=fail (p=none) header.from=a.example", "none"),
        ("dmarc=fail (p=NONE sp=QUARANTINE dis=QUARANTINE) header.from=a.example", "quarantine"),
        ("dmarc=fail (policy=reject) header.from=a.example", None),
        ("dmarc=fail header.from=a.example policy.dmarc=reject", "reject"),
        ("dmarc=fail policy.published-domain-policy=quarantine", "quarantine"),
        ("dmarc=fail action=none header.from=a.example", "none"),
        ("dmarc=fail (p=rejected) header.from=a.example", None),
    ],
)
def test_what_the_domain_asks_for(statement: str, policy: str | None) -> None:
    assert authentication(f"mx; {statement}").results[0].policy == policy


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("from a by mx.example.org with ESMTP id 1; Thu, 1 Jan 2026 09:00:00 +0000", "mx.example.org"),
        ("from by.evil.example (by mx.example.org) by mx2.example.org; now", "mx2.example.org"),
        ("from a (helo=x by mx.example.org) BY MX.Example.org (Postfix)", "mx.example.org"),
        ("by 2002:a05:6 with SMTP id x; now", "2002:a05:6"),
        ("from a by [192.0.2.1]; now", "192.0.2.1"),
        ("from a by", None),
        ("from a; by mx.example.org", None),
        ("", None),
    ],
)
def test_which_host_received(value: str, host: str | None) -> None:
    assert received_by(value) == host


@pytest.mark.parametrize(
    "value",
    ["(" * 9000, "(a)" * 3000, '"' * 9000, "mx;" + " . " * 3000, "mx;" + "=." * 4000, "mx;a=" + '"\\' * 4000,
     "mx;" + 'a="' * 3000, "mx" + ";" * 9000, "\\" * 9000, "mx; " + "a=b " * 2000, "by " * 3000],
)  # fmt: skip
def test_whatever_a_field_holds_takes_no_time(value: str) -> None:
    begun = time.process_time()
    authentication(value)
    received_by(value)
    assert time.process_time() - begun < 0.05


def test_fields_are_found_in_their_order_and_unfolded() -> None:
    header = b"Received: a\r\nX: 1\r\nauthentication-results : mx;\r\n\tdmarc=pass\r\nReceived:\n b\r\n"
    found = [("received", "a"), ("authentication-results", "mx; dmarc=pass"), ("received", "b")]
    assert list(fields(header, ("received", "authentication-results"))) == found
