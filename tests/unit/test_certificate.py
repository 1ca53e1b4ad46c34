"""What a certificate says of itself is read from its bytes, whoever made them."""

from __future__ import annotations

import contextlib
import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from mailwicket.net.certificate import NAMES_MAX, read_certificate

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def made(
    names: tuple[x509.GeneralName, ...] = (x509.DNSName("imap.example.org"),),
    common: str = "common.example.org",
    days: int = 30,
    organization: str = "Example Trust",
) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, common)] if common else []
    issuer = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
        x509.NameAttribute(NameOID.COMMON_NAME, "E7"),
    ]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(x509.Name(issuer))
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW - timedelta(days=60))
        .not_valid_after(NOW + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not common)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


DER = made()


def test_names_issuer_and_days_are_read() -> None:
    got = read_certificate(DER)
    assert got.names == ("imap.example.org",)
    assert got.issuer == "E7, Example Trust"
    assert not got.signs_itself
    assert got.begins == NOW - timedelta(days=60)
    assert (got.days_left(NOW), got.days_left(NOW + timedelta(days=31))) == (30, -1)


def test_the_libraries_agree_on_a_certificate_with_many_names() -> None:
    leaf = trustme.CA().issue_cert("imap.example.org", "*.example.org", "192.0.2.1", "2001:db8::1")
    der = ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())
    theirs = x509.load_der_x509_certificate(der)
    got = read_certificate(der)
    assert set(got.names) == {"imap.example.org", "*.example.org", "192.0.2.1", "2001:db8::1"}
    assert (got.begins, got.ends) == (theirs.not_valid_before_utc, theirs.not_valid_after_utc)


def test_an_authority_signs_itself() -> None:
    der = ssl.PEM_cert_to_DER_cert(trustme.CA().cert_pem.bytes().decode())
    assert read_certificate(der).signs_itself


def test_times_beyond_2049_have_another_form_and_are_read() -> None:
    assert read_certificate(made(days=365 * 40)).ends.year == 2066


@pytest.mark.parametrize(("common", "names"), [("mail.example.org", ("mail.example.org",)), ("", ())])
def test_the_common_name_counts_where_there_is_no_other(common: str, names: tuple[str, ...]) -> None:
    assert read_certificate(made((), common)).names == names


def test_names_without_a_subject_are_read() -> None:
    assert read_certificate(made(common="")).names == ("imap.example.org",)


def test_a_crowd_of_names_is_cut() -> None:
    crowd = tuple(x509.DNSName(f"host{number}.example.org") for number in range(300))
    got = read_certificate(made(crowd))
    assert len(got.names) == NAMES_MAX
    assert got.names_shown.endswith("host4.example.org and 95 more")


def test_a_name_that_gives_orders_to_a_terminal_is_harmless() -> None:
    assert read_certificate(made(organization="Evil\x1b[2J")).issuer == "E7, Evil?[2J"


@given(st.binary(max_size=300))
def test_any_bytes_are_a_certificate_or_none(der: bytes) -> None:
    with contextlib.suppress(ValueError):
        read_certificate(der)


@given(st.integers(0, len(DER) - 1), st.integers(0, 255))
def test_a_certificate_with_any_byte_changed_is_one_or_none(at: int, value: int) -> None:
    with contextlib.suppress(ValueError):
        read_certificate(DER[:at] + bytes([value]) + DER[at + 1 :])


@given(st.integers(0, len(DER) - 1))
def test_a_certificate_that_is_cut_is_none(size: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_certificate(DER[:size])
