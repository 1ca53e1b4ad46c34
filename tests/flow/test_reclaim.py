"""Disk space comes back, attachments and parked mail stay as long as they should."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.fakes import mail
from tests.flow.test_intake import Bench, bench

from mailwicket.flow.reclaim import Reclaim
from mailwicket.model import Reason

__all__ = ["bench"]

CONTENT = b"a picture" * 100
MULTIPART = (
    "--b\r\nContent-Type: text/plain\r\n\r\nSee there.\r\n--b\r\nContent-Type: image/png\r\n"
    'Content-Disposition: attachment; filename="p.png"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    + base64.encodebytes(CONTENT).decode().replace("\n", "\r\n")
    + "--b--\r\n"
)


def reclaim(bench: Bench, days: int) -> Reclaim:
    then = datetime.now(UTC) + timedelta(days=days)
    return Reclaim(bench.store, bench.desk, timedelta(days=90), timedelta(days=30), lambda: then)


async def test_old_raw_mail_goes_whole_and_its_attachments_are_cut_out_before(bench: Bench, tmp_path: Path) -> None:
    kind = 'multipart/mixed; boundary="b"'
    bench.server.deliver(mail("picture", MULTIPART, message_id="p@example.org", content_type=kind))
    await bench.catch_up()
    bench.store.raw.close()
    await reclaim(bench, 80).once()
    assert len(list(bench.store.raw.directory.iterdir())) == 1
    bench.store.raw._name = ""  # the day is over: no segment is in use
    await reclaim(bench, 100).once()
    assert list(bench.store.raw.directory.iterdir()) == []
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert [path.read_bytes() for path in tmp_path.rglob(digest)] == [CONTENT]  # noqa: ASYNC240 - a test may block
    assert bench.ask("SELECT raw_file, reason FROM intake") == [(None, "created")]


async def test_parked_mail_outlives_its_segment_and_expires_with_an_event(bench: Bench) -> None:
    bench.server.deliver(mail("nobody", author="nobody at all", message_id="n@example.org"))
    await bench.catch_up()
    assert bench.watcher.reasons == [Reason.NO_SENDER]
    await reclaim(bench, 20).once()
    assert len(list(bench.store.raw.directory.glob("parked-*"))) == 1
    await reclaim(bench, 40).once()
    assert list(bench.store.raw.directory.glob("parked-*")) == []
    assert bench.kinds() == ["MailQuarantined", "MailExpired"]
