"""Signatures of mail, verified by ourselves: made here with a key of our own."""

from __future__ import annotations

import base64

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from mailwicket.flow.dkim import DkimCheck

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
)
PUBLIC = base64.b64encode(
    KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
)
PLAIN = b"From: Ann <ann@example.com>\r\nTo: desk@example.org\r\nSubject: Hello\r\n\r\nIs anybody there?\r\n"


def signed(domain: str, raw: bytes = PLAIN) -> bytes:
    return dkim.sign(raw, b"s1", domain.encode(), PRIVATE) + raw  # type: ignore[no-any-return]


class Names:
    """Name servers that know one key."""

    def __init__(self, name: bytes = b"s1._domainkey.example.com.", *, hang: bool = False) -> None:
        self.name = name
        self.hang = hang
        self.asked: list[bytes] = []

    def __call__(self, name: bytes, _timeout: float) -> bytes | None:
        self.asked.append(name)
        if self.hang:
            raise dkim.DnsTimeoutError
        return b"v=DKIM1; k=rsa; p=" + PUBLIC if name == self.name else None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (signed("example.com"), True),
        (signed("example.com").replace(b"anybody", b"nobody!"), False),
        (signed("example.com").replace(b"Subject: Hello", b"Subject: Hallo"), False),
        (PLAIN, None),
        (b"DKIM-Signature: d=example.com; nonsense\r\n" + PLAIN, None),
        (b"DKIM-Signature: v=1; d=com; s=s1\r\n" + PLAIN, None),
    ],
)
async def test_a_signature_of_the_authors_domain_holds_or_does_not(raw: bytes, expected: bool | None) -> None:  # noqa: FBT001
    assert await DkimCheck(Names()).result(raw, "ann@example.com") is expected


async def test_a_signature_of_another_domain_says_nothing_about_the_author() -> None:
    names = Names(b"s1._domainkey.evil.example.")
    assert await DkimCheck(names).result(signed("evil.example"), "ann@example.com") is None
    assert names.asked == []


async def test_a_signature_of_the_domain_above_counts() -> None:
    raw = PLAIN.replace(b"ann@example.com", b"ann@mail.example.com")
    assert await DkimCheck(Names()).result(signed("example.com", raw), "ann@mail.example.com") is True


async def test_a_second_signature_counts_where_the_first_is_broken() -> None:
    raw = b"DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=gone; b=AAAA; bh=AAAA; h=from\r\n" + signed(
        "example.com"
    )
    assert await DkimCheck(Names()).result(raw, "ann@example.com") is True


async def test_name_servers_that_do_not_answer_give_no_verdict() -> None:
    assert await DkimCheck(Names(hang=True)).result(signed("example.com"), "ann@example.com") is None


async def test_a_key_is_asked_for_once() -> None:
    names = Names()
    check = DkimCheck(names)
    for _ in range(3):
        assert await check.result(signed("example.com"), "ann@example.com") is True
    assert len(names.asked) == 1
