"""Signed statements about ourselves: JWTs (RFC 7519, 7523) with a certificate's key or a service account's.

Own lines rather than PyJWT: only signing is wanted, which is one call of `cryptography` behind two JSON objects.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from mailwicket.errors import BlockedError

if TYPE_CHECKING:  # 50 ms that most runs do not need
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

LIFE_S: Final = 8 * 60
"""Microsoft wants 5 to 10 minutes, Google at most an hour."""

SKEW_S: Final = 2 * 60
"""Clocks differ: it counts from so long ago."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key, and what names it in the head of a statement."""

    key: RSAPrivateKey = field(repr=False)
    algorithm: str
    """`PS256` or `RS256` (RFC 7518 3.1)."""
    head: Mapping[str, str]

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return the JWT that states *claims* (RFC 7515 3.1)."""
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - see above
        from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415

        digest = hashes.SHA256()
        pad = (
            padding.PSS(padding.MGF1(digest), digest.digest_size)  # RFC 7518 3.5: the salt is as long as the hash
            if self.algorithm == "PS256"
            else padding.PKCS1v15()
        )
        text = b".".join(_part(one) for one in ({"alg": self.algorithm, "typ": "JWT", **self.head}, claims))
        return (text + b"." + _base64(self.key.sign(text, pad, digest))).decode("ascii")


def client_claims(client_id: str, token_url: str, now: datetime) -> Mapping[str, Any]:
    """State that we are the application (RFC 7523 3)."""
    return {"iss": client_id, "sub": client_id, "aud": token_url, "jti": str(uuid.uuid4()), **_times(now)}


def service_claims(
    account: str, token_url: str, mailbox: str, scopes: Sequence[str], now: datetime
) -> Mapping[str, Any]:
    """State that the service account wants into *mailbox* (Google's domain-wide delegation)."""
    times = {key: moment for key, moment in _times(now).items() if key != "nbf"}
    return {"iss": account, "sub": mailbox, "aud": token_url, "scope": " ".join(scopes), **times}


def _times(now: datetime) -> dict[str, int]:
    at = int(now.timestamp())
    return {"iat": at - SKEW_S, "nbf": at - SKEW_S, "exp": at + LIFE_S}


def certificate_signer(certificate_pem: bytes, key_pem: str, where: str) -> Signer:
    """Return who signs with a registered certificate: PS256, named by its SHA-256 thumbprint.

    Raises:
        BlockedError: they cannot be read, or do not belong together; *where* begins the text.
    """
    from cryptography import x509  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
    except ValueError:
        raise BlockedError(f"{where}: certificate is no certificate in PEM form", reason="oauth_settings") from None
    key = _key(key_pem, where)
    if certificate.public_key() != key.public_key():
        raise BlockedError(f"{where}: key and certificate do not belong together", reason="oauth_settings")
    thumbprint = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
    return Signer(key, "PS256", {"x5t#S256": _base64(thumbprint).decode("ascii")})


def service_signer(key: str, where: str) -> Signer:
    """Return who signs for a service account; *key* is PEM, or the account's JSON file.

    Raises:
        BlockedError: it is neither; *where* begins the text.
    """
    head: dict[str, str] = {}
    if key.lstrip().startswith("{"):
        try:
            told = json.loads(key)
            key = str(told["private_key"])
            head = {"kid": str(told["private_key_id"])} if "private_key_id" in told else {}
        except (ValueError, KeyError, TypeError):
            raise BlockedError(f"{where}: key is no JSON file of a service account", reason="oauth_settings") from None
    return Signer(_key(key, where), "RS256", head)


def _key(pem: str, where: str) -> RSAPrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # from None: the text may quote the key
        raise BlockedError(f"{where}: key is no unencrypted private key in PEM form", reason="oauth_settings") from None
    if not isinstance(key, RSAPrivateKey):
        raise BlockedError(f"{where}: key is no RSA key, which PS256 and RS256 want", reason="oauth_settings")
    return key


def _part(value: Mapping[str, Any]) -> bytes:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")
