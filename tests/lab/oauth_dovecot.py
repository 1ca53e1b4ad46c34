"""A Dovecot that takes tokens, and asks their issuer about them (RFC 7662)."""

from __future__ import annotations

from typing import Any

from tests.lab.dovecot import Dovecot

PASSDB = """
auth_mechanisms = {mechanisms}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {base}/oauth2.conf.ext
}}
"""

INTROSPECTION = """
introspection_mode = post
introspection_url = {url}/introspect
force_introspection = yes
username_attribute = username
active_attribute = active
active_value = true
"""


class OAuthDovecot(Dovecot):
    """Passwords work beside tokens, for other clients of a test."""

    mechanisms = "plain login xoauth2 oauthbearer"
    issuer_url = ""

    def _config(self) -> str:
        (self.base / "oauth2.conf.ext").write_text(INTROSPECTION.format(url=self.issuer_url))
        config = super()._config().replace("auth_cache_size = 1M", "auth_cache_size = 0")  # or it knows dead tokens
        before, passdb, after = config.partition("passdb {")
        # The first database that knows the mechanism decides.
        return before + PASSDB.format(mechanisms=self.mechanisms, base=self.base) + passdb + after

    def token_box(self, user: str, **keys: Any) -> dict[str, Any]:
        """Return `[incoming.NAME]` for the mailbox of *user*, with tokens of `[oauth.office]`."""
        return self.box(user, password=None, auth="oauth", oauth="office", **keys)


def kind_of(url: str, mechanisms: str = OAuthDovecot.mechanisms) -> type[OAuthDovecot]:
    """Return one that asks the issuer at *url*."""
    return type("OAuthDovecotOfATest", (OAuthDovecot,), {"issuer_url": url, "mechanisms": mechanisms})
