"""URLs at Graph, byte for byte."""

from __future__ import annotations

import pytest

from mailwicket.net.graph.place import Place, folder_path, is_upload_url, message_path, with_query

PLACE = Place.at("graph.microsoft.com", 443, "desk@example.org")


def test_a_mailbox_is_named_by_its_address_or_as_that_of_who_signed_in() -> None:
    assert PLACE.url("mailFolders/inbox") == "https://graph.microsoft.com/v1.0/users/desk@example.org/mailFolders/inbox"
    assert Place.at("graph.microsoft.us", 443, "me").url("x") == "https://graph.microsoft.us/v1.0/me/x"
    assert Place.at("127.0.0.1", 8080, "a/b", encrypted=False).url("") == "http://127.0.0.1:8080/v1.0/users/a%2Fb"
    assert Place.at("::1", 8443, "me").url("") == "https://[::1]:8443/v1.0/me"


def test_an_id_is_one_segment_of_the_path() -> None:
    assert message_path("AAkA_x-y/z+w==") == "messages/AAkA_x-y%2Fz%2Bw%3D%3D"
    assert folder_path("../me") == "mailFolders/..%2Fme"
    assert folder_path("\ud800") == "mailFolders/%3F"


def test_options_keep_their_dollar() -> None:
    assert with_query("messages", {"$select": "id,isRead", "$filter": "receivedDateTime ge 2026-01-01T00:00:00Z"}) == (
        "messages?$select=id,isRead&$filter=receivedDateTime%20ge%202026-01-01T00:00:00Z"
    )


@pytest.mark.parametrize(
    "link",
    [
        "https://graph.microsoft.com/v1.0/users/x/delta?$skiptoken=abc%2Bd",
        "https://GRAPH.microsoft.com:443/v1.0/x",
        "https://graph.microsoft.com/beta/x",
    ],
)
def test_the_servers_own_links_are_followed(link: str) -> None:
    assert PLACE.owns(link)


@pytest.mark.parametrize(
    "link",
    [
        "http://graph.microsoft.com/v1.0/x",
        "https://graph.microsoft.com.evil.example/x",
        "https://graph.microsoft.com@evil.example/x",
        "https://graph.microsoft.com:444/x",
        "https://graph.microsoft.us/x",
        "https://evil.example\\@graph.microsoft.com/x",
        "//graph.microsoft.com/x",
        "/v1.0/x",
        "https://graph.microsoft.com/a\r\nb",
        "https://graph.microsoft.com/a b",
        "https://graph.microsoft.com:x/",
        "",
    ],
)
def test_no_other_link_hears_the_token(link: str) -> None:
    assert not PLACE.owns(link)


def test_an_upload_goes_anywhere_that_is_encrypted_or_is_this_machine() -> None:
    assert is_upload_url("https://outlook.office.com/api/x?authtoken=1")
    assert is_upload_url("http://127.0.0.1:9/x")
    assert not is_upload_url("http://outlook.office.com/x")
    assert not is_upload_url("file:///etc/passwd")
