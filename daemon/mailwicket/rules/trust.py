"""Whether a sender is who he says: From is a claim, and only our own edge's findings are believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from mailwicket.config.preferences import Preferences
from mailwicket.facts import Facts
from mailwicket.mail.authentication import Result, authentication, received_by
from mailwicket.rules.letter import Letter
from mailwicket.rules.own import canonical, domain_of, is_plain
from mailwicket.rules.policy import Home

AUTHENTICATION = "authentication-results"
ASKS_FOR_MORE = frozenset({"quarantine", "reject"})


class Standing(StrEnum):
    """How far a sender's claim was proven."""

    PASS = "pass"  # noqa: S105 - no secret
    FAIL = "fail"
    REJECT = "reject"
    """Failed, and the domain asks that such mail be quarantined or rejected (RFC 7489 6.3)."""
    NONE = "none"
    """No verdict: nobody looked whom we believe, or the domain publishes nothing."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a sender's claim, and from where."""

    standing: Standing
    told: str
    looked: bool
    """Whether a verifier is configured at all: then no verdict is told as `unverified`."""

    @property
    def passed(self) -> bool:
        """Whether the sender is who he says."""
        return self.standing is Standing.PASS

    @property
    def failed(self) -> bool:
        """Whether he is not."""
        return self.standing in {Standing.FAIL, Standing.REJECT}


def verdict(letter: Letter, facts: Facts, home: Home, preferences: Preferences, *, is_rescued: bool = False) -> Verdict:
    """Return how far the author of *letter* is proven, for mail that came by *home*.

    *is_rescued*: From is a list's, whose pass proves nothing of its author.

    Source: RFC 8601 5 (only fields of our own servers, only those above the first Received that our own edge wrote),
    RFC 7489 6.6.
    """
    if preferences.auth_policy == "off":
        return Verdict(Standing.NONE, "not looked at (auth_policy)", looked=False)
    looked = bool(home.trusted_authserv_ids) or preferences.check_dkim  # also while no name server answers
    author = letter.mail.author
    if author is None or not looked:
        return Verdict(Standing.NONE, "no verifier is configured (trusted_authserv_ids)", looked=looked)
    if len(letter.authors) > 1:
        return Verdict(Standing.NONE, "several addresses in From prove nothing", looked=True)
    if not is_plain(author.address):
        return Verdict(Standing.NONE, "an address that programs read differently proves nothing", looked=True)
    domain = domain_of(canonical(author.address))
    found = _standing(_trusted(letter, home), domain, is_plain=letter.is_plainly_from)
    if facts.dkim and found.standing is not Standing.REJECT:
        found = Verdict(Standing.PASS, f"dkim=pass for {domain}, verified by ourselves", looked=True)
    if is_rescued and found.passed:
        return Verdict(Standing.NONE, f"{found.told}, which is the list's, not the author's", looked=True)
    return found


def _trusted(letter: Letter, home: Home) -> Sequence[Result]:
    """The results of the topmost field of ours that stands above what our own edge received."""
    ids = home.trusted_authserv_ids
    edges = home.trusted_received_by or ids
    for name, value in letter.path:
        if name == AUTHENTICATION:
            if (told := authentication(value)).authserv_id in ids and told.authserv_id:
                return told.results
        elif received_by(value) in edges:
            break
    return ()


def _standing(results: Sequence[Result], domain: str, *, is_plain: bool) -> Verdict:
    if not results:
        return Verdict(Standing.NONE, "no result of a server that is trusted", looked=True)
    publishes = True
    for result in results:
        if result.method == "dmarc":
            if (found := _by_dmarc(result, domain, is_plain=is_plain)) is not None:
                return found
            publishes = publishes and result.value != "none"
    passed = [one.method for one in results if one.value == "pass" and _is_aligned(one, domain)]
    failed = [one.method for one in results if one.value == "fail" and _is_aligned(one, domain)]
    if passed:
        return Verdict(Standing.PASS, f"{passed[0]}=pass for {domain}", looked=True)
    if failed and publishes:
        return Verdict(Standing.FAIL, f"{failed[0]}=fail for {domain}", looked=True)
    return Verdict(
        Standing.NONE, f"nothing is told about {domain}" if publishes else f"{domain} asks for nothing", looked=True
    )


def _by_dmarc(result: Result, domain: str, *, is_plain: bool) -> Verdict | None:
    about = result.properties.get("header.from")
    if about is not None and domain_of(canonical(f"x@{about.rpartition('@')[2]}")) != domain:
        return Verdict(Standing.NONE, f"dmarc is about {about}, the author's domain is {domain}", looked=True)
    if about is None and not is_plain:
        return Verdict(Standing.NONE, "dmarc does not say about whom; From can be read in several ways", looked=True)
    if result.value == "pass":
        return Verdict(Standing.PASS, f"dmarc=pass for {domain}", looked=True)
    if result.value == "fail":
        strict = result.policy in ASKS_FOR_MORE
        told = f"dmarc=fail for {domain}, which asks for {result.policy or 'nothing'}"
        return Verdict(Standing.REJECT if strict else Standing.FAIL, told, looked=True)
    return None


def _is_aligned(result: Result, domain: str) -> bool:
    """Tell whether a DKIM or SPF result is about the author's domain, or one above or below it (RFC 7489 3.1)."""
    told = result.properties
    if result.method == "dkim":
        about = told.get("header.d") or told.get("header.i", "").rpartition("@")[2]
    elif result.method == "spf":
        about = told.get("smtp.mailfrom", "").rpartition("@")[2]
    else:
        return False
    if "." not in about:
        return False
    return about == domain or about.endswith(f".{domain}") or domain.endswith(f".{about}")
