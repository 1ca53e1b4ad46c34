"""How far a sender's claim is proven."""

from __future__ import annotations

import pytest

from mailwicket.config.preferences import Preferences
from mailwicket.facts import Facts
from mailwicket.mail.parse import parse
from mailwicket.rules.letter import Letter
from mailwicket.rules.policy import Home
from mailwicket.rules.trust import Standing, Verdict, verdict

IDS = frozenset({"mx.desk.example"})
HOME = Home("support", trusted_authserv_ids=IDS, trusted_received_by=frozenset({"mx.desk.example", "mx2.desk.example"}))


def of(
    results: str,
    author: str = "ann@example.com",
    *,
    above: str = "",
    facts: Facts = Facts(),  # noqa: B008 - frozen
    preferences: Preferences = Preferences(),  # noqa: B008 - frozen
    home: Home = HOME,
) -> Verdict:
    field = f"Authentication-Results: mx.desk.example; {results}\r\n" if results else ""
    raw = f"{above}{field}From: {author}\r\nSubject: x\r\n\r\nx\r\n"
    return verdict(Letter(parse(raw.encode())), facts, home, preferences)


@pytest.mark.parametrize(
    ("results", "standing"),
    [
        ("dmarc=pass header.from=example.com", Standing.PASS),
        ("dmarc=pass (p=none) header.from=Example.COM", Standing.PASS),
        ("dmarc=fail header.from=example.com", Standing.FAIL),
        ("dmarc=fail (p=none) header.from=example.com", Standing.FAIL),
        ("dmarc=fail (p=quarantine) header.from=example.com", Standing.REJECT),
        ("dmarc=fail (p=REJECT sp=REJECT dis=REJECT) header.from=example.com", Standing.REJECT),
        ("dmarc=fail action=oreject header.from=example.com", Standing.REJECT),
        ("dmarc=pass header.from=other.example", Standing.NONE),
        ("dmarc=fail (p=reject) header.from=other.example", Standing.NONE),
        ("dmarc=none header.from=example.com", Standing.NONE),
        ("dmarc=temperror header.from=example.com", Standing.NONE),
        ("dmarc=permerror header.from=example.com", Standing.NONE),
        ("none", Standing.NONE),
        ("", Standing.NONE),
    ],
)
def test_dmarc_tells_about_the_domain_of_from(results: str, standing: Standing) -> None:
    assert of(results).standing is standing


@pytest.mark.parametrize(
    ("results", "standing"),
    [
        ("dkim=pass header.d=example.com", Standing.PASS),
        ("dkim=pass header.i=@example.com", Standing.PASS),
        ("dkim=pass header.d=mail.example.com", Standing.PASS),
        ("dkim=pass header.d=evil.example", Standing.NONE),
        ("dkim=pass header.d=notexample.com", Standing.NONE),
        ("dkim=pass header.d=com", Standing.NONE),
        ("dkim=pass header.d=evil.example; dkim=pass header.d=example.com", Standing.PASS),
        ("dkim=fail header.d=example.com; spf=pass smtp.mailfrom=ann@example.com", Standing.PASS),
        ("spf=pass smtp.mailfrom=bounce@mail.example.com", Standing.PASS),
        ("spf=pass smtp.mailfrom=example.com", Standing.PASS),
        ("spf=pass smtp.mailfrom=bounce@evil.example", Standing.NONE),
        ('spf=pass smtp.mailfrom="x@example.com"@evil.example', Standing.NONE),
        ("spf=fail smtp.mailfrom=ann@example.com", Standing.FAIL),
        ("spf=softfail smtp.mailfrom=ann@example.com", Standing.NONE),
        ("spf=pass smtp.helo=example.com", Standing.NONE),
        ("arc=pass header.d=example.com", Standing.NONE),
        ("dmarc=none header.from=example.com; dkim=pass header.d=example.com", Standing.PASS),
        ("dmarc=none header.from=example.com; spf=fail smtp.mailfrom=ann@example.com", Standing.NONE),
        ("dmarc=fail header.from=example.com; spf=pass smtp.mailfrom=ann@example.com", Standing.FAIL),
        ("spf=pass smtp.mailfrom=ann@example.com; dmarc=fail (p=reject) header.from=example.com", Standing.REJECT),
    ],
)
def test_without_a_word_of_dmarc_an_aligned_signature_or_path_is_a_pass(results: str, standing: Standing) -> None:
    assert of(results).standing is standing


def test_domains_are_compared_in_ascii() -> None:
    both = "xn--bcher-kva.example", "bücher.example"
    assert all(of(f"dmarc=pass header.from={one}", f"ann@{other}").passed for one in both for other in both)


def test_several_authors_prove_nothing() -> None:
    assert of("dmarc=pass header.from=example.com", "ann@example.com, bob@example.com").standing is Standing.NONE
    assert of("dmarc=pass", "ann@example.com\r\nFrom: bob@example.com").standing is Standing.NONE


def test_nothing_is_looked_at_where_that_is_the_policy_or_nobody_is_trusted() -> None:
    off = of("dmarc=fail (p=reject) header.from=example.com", preferences=Preferences(auth_policy="off"))
    nobody = of("dmarc=fail (p=reject) header.from=example.com", home=Home("support"))
    assert [(one.standing, one.looked) for one in (off, nobody)] == [(Standing.NONE, False)] * 2


@pytest.mark.parametrize(("dkim", "standing"), [(True, Standing.PASS), (False, Standing.NONE), (None, Standing.NONE)])
def test_a_signature_that_we_verified_ourselves_is_a_pass(dkim: bool | None, standing: Standing) -> None:  # noqa: FBT001
    ours = Preferences(check_dkim=True)
    told = of("", facts=Facts(dkim=dkim), home=Home("support"), preferences=ours)
    assert (told.standing, told.looked) == (standing, True)
    rejected = of("dmarc=fail (p=reject) header.from=example.com", facts=Facts(dkim=dkim), preferences=ours)
    assert rejected.standing is Standing.REJECT


PASS = "Authentication-Results: mx.desk.example; dmarc=pass header.from=example.com\r\n"


@pytest.mark.parametrize(
    ("above", "standing"),
    [
        ("Received: from x by store.desk.example; now\r\n", Standing.FAIL),
        ("Received: from x by mx.desk.example; now\r\n", Standing.NONE),
        ("Received: from x by MX2.desk.example (y) with ESMTP; now\r\n", Standing.NONE),
        (PASS, Standing.PASS),
        (f"Received: from x by store.desk.example; now\r\n{PASS}", Standing.PASS),
        (f"Received: from x by mx.desk.example; now\r\n{PASS}", Standing.NONE),
        ("Authentication-Results: other.example; dmarc=pass\r\n", Standing.FAIL),
    ],
)
def test_the_topmost_field_of_ours_above_our_edge_counts(above: str, standing: Standing) -> None:
    assert of("dmarc=fail header.from=example.com", above=above).standing is standing


def test_what_was_found_is_told_in_words() -> None:
    told = {
        of("dmarc=pass header.from=example.com").told: "dmarc=pass for example.com",
        of("dmarc=fail (p=reject) header.from=example.com").told: "dmarc=fail for example.com, which asks for reject",
        of("").told: "no result of a server that is trusted",
    }
    assert all(actual == expected for actual, expected in told.items())
