"""The double of Microsoft Graph sends as the original does: what is accepted, what is filed when, what comes back."""

from __future__ import annotations

import base64
import email
import email.policy
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import anyio
import pytest
from aiohttp import ClientError
from tests.lab.graph_client import ADA, DESK, IMMUTABLE, Client, mail, opened

PLAIN = {"Content-Type": "text/plain"}
OURS = mail(7, "Re: Printer", sender=DESK, to="ada@example.com")


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with opened() as one:
        yield one


def wrapped(raw: bytes) -> bytes:
    """In base64, in lines."""
    return base64.encodebytes(raw)


def message(**more: Any) -> dict[str, Any]:
    body = {"contentType": "text", "content": "It is out."}
    return {"subject": "Printer", "body": body, "toRecipients": [ADA], **more}


async def drafted(client: Client, raw: bytes = OURS) -> str:
    got = await client.post("messages", data=wrapped(raw), headers=PLAIN, prefer=IMMUTABLE)
    assert got.status == 201
    return str(got.body["id"])


# --- 6: sendMail


@pytest.mark.parametrize("way", ["mime", "wrapped", "json"])
async def test_send_mail_is_accepted_with_an_empty_answer(client: Client, way: str) -> None:
    if way == "json":
        got = await client.post("sendMail", {"message": message(), "saveToSentItems": True})
    else:
        data = wrapped(OURS) if way == "wrapped" else base64.b64encode(OURS)
        got = await client.post("sendMail", data=data, headers=PLAIN)
    assert (got.status, got.content) == (202, b"")
    (sent,) = client.lab.sending.sent
    assert (sent.recipients, sent.way) == (("ada@example.com",), "sendMail")
    assert len(client.box.messages("sentitems")) == 1


async def test_no_copy_is_kept_where_none_is_wanted(client: Client) -> None:
    await client.post("sendMail", {"Message": message(), "SaveToSentItems": False})
    assert client.lab.sending.sent
    assert not client.box.messages("sentitems")


async def test_bad_base64_is_refused(client: Client) -> None:
    for data in (b"*****", b"QUJD*", b"QUJ"):
        got = await client.post("sendMail", data=data, headers=PLAIN)
        assert (got.status, got.code) == (400, "ErrorMimeContentInvalidBase64String")
    assert not client.lab.sending.sent


async def test_too_long_a_mail_is_refused_or_answered_wrongly(client: Client) -> None:
    data = wrapped(OURS + b"x" * (3 << 20))
    assert len(data) > 4 << 20
    got = await client.post("sendMail", data=data, headers=PLAIN)
    assert (got.status, got.code) == (413, "ErrorMessageSizeExceeded")
    client.lab.sending.swallows_too_long = True
    assert (await client.post("sendMail", data=data, headers=PLAIN)).status == 200
    assert not client.lab.sending.sent


async def test_mail_reaches_the_doubles_own_mailboxes_without_its_bcc(client: Client) -> None:
    other = client.lab.mailbox("grace@example.org")
    raw = OURS.replace(b"Subject", b"Bcc: Grace <grace@example.org>\r\nSubject")
    await client.post("sendMail", data=wrapped(raw), headers=PLAIN)
    (item,) = other.messages("inbox")
    assert b"Bcc" not in item.content
    assert client.lab.sending.sent[0].recipients == ("ada@example.com", "grace@example.org")


async def test_a_bounce_comes_later_and_names_what_it_is_about(client: Client) -> None:
    client.lab.sending.bounces["ada@example.com"] = 60
    await client.post("sendMail", data=wrapped(OURS), headers=PLAIN)
    assert not client.box.messages("inbox")
    client.lab.clock.advance(61)
    (item,) = client.box.messages("inbox")
    report = email.message_from_bytes(item.content, policy=email.policy.default)
    assert report.get_content_type() == "multipart/report"
    assert report["In-Reply-To"] == "<7@example.com>"
    _, status, original = report.iter_parts()
    assert "Final-Recipient: rfc822;ada@example.com" in status.as_string()
    assert "<7@example.com>" in original.as_string()


async def test_an_answer_may_be_lost_after_acceptance(client: Client) -> None:
    client.lab.faults.lost_answer("POST */sendMail")
    with pytest.raises(ClientError):
        await client.post("sendMail", data=wrapped(OURS), headers=PLAIN)
    assert len(client.lab.sending.sent) == 1
    client.lab.faults.add("POST */sendMail", drop="before")
    with pytest.raises(ClientError):
        await client.post("sendMail", data=wrapped(OURS), headers=PLAIN)
    assert len(client.lab.sending.sent) == 1


async def test_a_mail_is_accepted_though_its_sender_has_given_up(client: Client) -> None:
    client.lab.faults.add("POST */sendMail", answer_delay_s=0.2)
    with pytest.raises(TimeoutError), anyio.fail_after(0.1):
        await client.post("sendMail", data=wrapped(OURS), headers=PLAIN)
    assert len(client.lab.sending.sent) == 1


async def test_a_mail_to_nobody_is_refused(client: Client) -> None:
    got = await client.post("sendMail", {"message": message(toRecipients=[])})
    assert (got.status, got.code) == (400, "ErrorInvalidRecipients")


async def test_own_headers_must_begin_with_x(client: Client) -> None:
    told = message(internetMessageHeaders=[{"name": "In-Reply-To", "value": "<1@example.com>"}])
    got = await client.post("sendMail", {"message": told})
    assert (got.status, got.code) == (400, "InvalidInternetMessageHeader")
    told["internetMessageHeaders"][0]["name"] = "x-mailwicket"
    assert (await client.post("sendMail", {"message": told})).status == 202
    assert b"x-mailwicket: <1@example.com>" in client.lab.sending.sent[0].content


# --- 7: drafts


async def test_a_draft_has_a_message_id_that_can_be_set(client: Client) -> None:
    got = await client.post("messages", message())
    assert (got.status, got.body["isDraft"]) == (201, True)
    assert got.body["internetMessageId"].startswith("<")
    place = f"messages/{got.body['id']}"
    changed = await client.ask("PATCH", place, json={"internetMessageId": "<mw-1@example.org>", "subject": "New"})
    assert (changed.status, changed.body["internetMessageId"]) == (200, "<mw-1@example.org>")
    await client.post(f"{place}/send")
    assert b"Message-ID: <mw-1@example.org>" in client.lab.sending.sent[0].content
    assert b"Subject: New" in client.lab.sending.sent[0].content


async def test_only_a_draft_can_be_rewritten(client: Client) -> None:
    item = client.box.deliver(mail())
    assert (await client.ask("PATCH", f"messages/{item.rest_id}", json={"isRead": True})).status == 200
    assert item.is_read
    got = await client.ask("PATCH", f"messages/{item.rest_id}", json={"subject": "Other"})
    assert (got.status, got.code) == (400, "ErrorInvalidPropertySet")


async def test_the_own_message_id_of_a_mail_may_be_replaced(client: Client) -> None:
    client.lab.sending.keeps_message_id = False
    got = await client.post("messages", data=wrapped(OURS), headers=PLAIN)
    assert got.body["internetMessageId"] not in {"", "<7@example.com>"}


async def test_a_sent_draft_is_found_in_sent_items_only_after_a_while(client: Client) -> None:
    client.lab.sending.copy_delay_s = 30
    name = await drafted(client)
    got = await client.post(f"messages/{name}/send")
    assert (got.status, got.content) == (202, b"")
    in_flight = await client.get(f"messages/{name}", prefer=IMMUTABLE)
    assert (in_flight.status, in_flight.code) == (404, "ErrorItemNotFound")
    client.lab.clock.advance(31)
    filed = (await client.get(f"messages/{name}", prefer=IMMUTABLE)).body
    assert (filed["id"], filed["isDraft"]) == (name, False)
    assert filed["parentFolderId"] == client.box.folder("sentitems").id
    assert filed["internetMessageId"] == "<7@example.com>"


async def test_a_sent_draft_may_look_like_one_for_a_while(client: Client) -> None:
    client.lab.sending.leave_delay_s = 5
    name = await drafted(client)
    await client.post(f"messages/{name}/send")
    assert (await client.get(f"messages/{name}", prefer=IMMUTABLE)).body["isDraft"]
    client.lab.clock.advance(6)
    assert not (await client.get(f"messages/{name}", prefer=IMMUTABLE)).body["isDraft"]


async def test_what_was_sent_is_not_sent_again(client: Client) -> None:
    name = await drafted(client)
    assert (await client.post(f"messages/{name}/send")).status == 202
    assert (await client.post(f"messages/{name}/send")).status == 400
    assert len(client.lab.sending.sent) == 1


async def test_a_reply_names_what_it_answers(client: Client) -> None:
    item = client.box.deliver(mail())
    got = await client.post(f"messages/{item.rest_id}/createReply", {"comment": "Done."})
    assert (got.status, got.body["subject"]) == (201, "RE: Printer")
    assert got.body["toRecipients"][0]["emailAddress"]["address"] == "ada@example.com"
    both = {"Comment": "Done.", "Message": {"body": {"content": "x"}}}
    assert (await client.post(f"messages/{item.rest_id}/createReply", both)).status == 400
    assert (await client.post(f"messages/{item.rest_id}/createReply")).status == 201
    assert (await client.post(f"messages/{item.rest_id}/reply", {"comment": "Done."})).status == 202
    assert b"In-Reply-To: <1@example.com>" in client.lab.sending.sent[0].content


# --- 8: attachments and upload sessions


async def attached(client: Client, size: int) -> tuple[str, str]:
    """A draft, and the URL for the slices of its file."""
    name = await drafted(client)
    item = {"attachmentType": "file", "name": "a.bin", "size": size}
    got = await client.post(f"messages/{name}/attachments/createUploadSession", {"AttachmentItem": item})
    assert got.status == 201
    assert got.body["nextExpectedRanges"] == ["0-"]
    return name, got.body["uploadUrl"]


async def put(client: Client, url: str, content: bytes, first: int, total: int, **headers: str) -> Any:
    told = {"Content-Type": "application/octet-stream", **headers}
    told["Content-Range"] = f"bytes {first}-{first + len(content) - 1}/{total}"
    async with client.session.put(url, data=BytesIO(content), headers=told) as answer:
        return answer.status, answer.headers, await answer.read()


async def test_a_small_file_goes_in_one_request_and_a_large_one_does_not(client: Client) -> None:
    name = await drafted(client)
    file = {"@odata.type": "#microsoft.graph.fileAttachment", "name": "a.pdf", "contentType": "application/pdf"}
    content = base64.b64encode(b"\x00\x01").decode()
    got = await client.post(f"messages/{name}/attachments", {**file, "contentBytes": content})
    assert (got.status, got.body["size"]) == (201, 2)
    large = base64.b64encode(bytes(3 << 20)).decode()
    assert (await client.post(f"messages/{name}/attachments", {**file, "contentBytes": large})).status == 413
    await client.post(f"messages/{name}/send")
    sent = email.message_from_bytes(client.lab.sending.sent[0].content, policy=email.policy.default)
    assert sent["Message-ID"] == "<7@example.com>"
    assert [part.get_content() for part in sent.iter_attachments()] == [b"\x00\x01"]


async def test_slices_go_to_another_origin_in_order_and_without_a_token(client: Client) -> None:
    total = 5 << 20
    content = bytes(range(256)) * (total // 256)
    name, url = await attached(client, total)
    assert not url.startswith(client.lab.origin)
    half = 3 << 20
    assert (await put(client, url, content[:half], 0, total, Authorization="Bearer x"))[0] == 401
    assert client.lab.uploads.with_authorization == 1
    assert (await put(client, url, content[half:], half, total))[0] == 416
    status, _, told = await put(client, url, content[:half], 0, total)
    assert (status, f'"nextExpectedRanges": ["{half}"]'.encode() in told) == (200, True)
    status, headers, _ = await put(client, url, content[half:], half, total)
    assert status == 201
    assert "/Attachments(" in headers["Location"]
    (shown,) = (await client.get(f"messages/{name}/attachments")).body["value"]
    assert (shown["name"], shown["size"]) == ("a.bin", total)
    assert (await put(client, url, content[half:], half, total))[0] == 404


async def test_a_slice_may_not_be_too_large_and_a_session_ends(client: Client) -> None:
    total = 9 << 20
    _, url = await attached(client, total)
    assert (await put(client, url, bytes(4 << 20), 0, total))[0] == 413
    assert (await put(client, url, bytes(100), 0, total + 1))[0] == 400
    client.lab.clock.advance(3700)
    assert (await put(client, url, bytes(100), 0, total))[0] == 404


async def test_a_session_is_for_files_of_3_to_150_mb(client: Client) -> None:
    name = await drafted(client)
    for size in (1000, 151 << 20):
        item = {"attachmentType": "file", "name": "a.bin", "size": size}
        got = await client.post(f"messages/{name}/attachments/createUploadSession", {"attachmentItem": item})
        assert got.status == 400
