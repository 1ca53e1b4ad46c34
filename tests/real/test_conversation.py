"""A customer and a technician with mail clients of their own, and the desk between them: Postfix, Dovecot, a daemon."""

from __future__ import annotations

import json
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import getaddresses, make_msgid
from pathlib import Path
from typing import Any

import pytest
from tests.lab import postfix
from tests.lab.daemon import Daemon
from tests.lab.processes import until
from tests.letters import read
from typer.testing import CliRunner

from mailwicket.cli import app

pytestmark = pytest.mark.real

DESK, ADA, TESS = "support@example.net", "ada@example.net", "tess@example.net"


class Client:
    """A person's mail program."""

    def __init__(self, mx: postfix.Postfix, address: str) -> None:
        self.mx = mx
        self.address = address
        self.user = address.partition("@")[0]

    def inbox(self) -> list[EmailMessage]:
        return [read(raw) for _, raw in self.mx.dovecot.served(self.user)]

    def next(self, count: int) -> EmailMessage:
        """The newest mail, once there are *count*."""
        until(lambda: len(self.mx.dovecot.uids(self.user)) >= count, 20, what=f"mail {count} of {self.user}")
        inbox = self.inbox()
        assert len(inbox) == count, [mail["Subject"] for mail in inbox]
        return inbox[-1]

    def write(self, text: str, *, subject: str = "Printer on fire", cc: str = "", to: str = DESK) -> str:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = f"{self.user.title()} <{self.address}>", to, subject
        return self._send(mail, text, cc)

    def answer(self, mail: EmailMessage, text: str, *, cc: str = "") -> str:
        """As clients do: Re, In-Reply-To, References, and the mail quoted below."""
        reply = EmailMessage()
        reply["From"], reply["To"] = f"{self.user.title()} <{self.address}>", str(mail["Reply-To"] or mail["From"])
        subject = str(mail["Subject"])
        reply["Subject"] = subject if subject.startswith("Re:") else f"Re: {subject}"
        reply["In-Reply-To"] = mail["Message-ID"]
        reply["References"] = f"{mail['References'] or ''} {mail['Message-ID']}".strip()
        quoted = "\n".join(f"> {line}" for line in words(mail).splitlines())
        return self._send(reply, f"{text}\n\nOn Monday the desk wrote:\n{quoted}\n", cc)

    def _send(self, mail: EmailMessage, text: str, cc: str) -> str:
        mail["Message-ID"] = make_msgid(domain="client.example.net")
        if cc:
            mail["Cc"] = cc
        mail.set_content(text)
        with smtplib.SMTP("127.0.0.1", self.mx.relay) as smtp:
            smtp.send_message(mail)
        return str(mail["Message-ID"])


def words(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


@pytest.fixture
def mx() -> Iterator[postfix.Postfix]:
    with postfix.running() as server:
        yield server


@pytest.fixture
def daemon(mx: postfix.Postfix, tmp_path: Path) -> Iterator[Daemon]:
    tables: dict[str, Any] = {
        "outgoing.main": mx.server("support", sender_name="{technician} of the desk"),
        f'technician."{TESS}"': {"name": "Tess", "groups": ["first line"]},
        "preferences": {"technician_proof": "none"},
    }
    one = Daemon(tmp_path / "lab", {"box": mx.dovecot.box("support", group="first line")}, **tables)
    one.start_and_answer()
    yield one
    one.end()


def command(daemon: Daemon, *told: str) -> str:
    result = CliRunner().invoke(app, [*told, "--conf", str(daemon.conf)])
    assert result.exit_code == 0, result.stderr
    return result.stdout


def ticket(daemon: Daemon) -> Any:
    return json.loads(command(daemon, "tickets", "show", "1", "--json"))


def test_a_request_is_answered_by_command_and_by_mail_closed_and_reopened_in_one_thread(
    mx: postfix.Postfix, daemon: Daemon, tmp_path: Path
) -> None:
    ada, tess = Client(mx, ADA), Client(mx, TESS)
    question = ada.write("It burns.")
    assert "Its number is 1" in words(ada.next(1))
    assert "It burns." in words(tess.next(1))
    command(daemon, "tickets", "assign", "1", TESS, "--by", TESS)
    plan = tmp_path / "plan.pdf"
    plan.write_bytes(bytes(range(256)) * 40)

    command(daemon, "tickets", "reply", "1", "Is it *still* burning?", "--by", TESS, "--attach", str(plan))
    asked = ada.next(2)
    assert str(asked["From"]) == f"Tess of the desk <{DESK}>"
    said, _, quoted = words(asked).partition("\r\n\r\n")
    assert (said, quoted.splitlines()[1:2]) == ("Is it *still* burning?", ["> It burns."])
    (attached,) = asked.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == ("plan.pdf", plan.read_bytes())
    assert asked["Auto-Submitted"] is None

    ada.answer(asked, "No, thank you.")
    heard = tess.next(2)
    assert "No, thank you." in words(heard)
    tess.answer(heard, "Then I close it.", cc=ADA)
    assert "Then I close it." in words(ada.next(3))
    until(lambda: len(ticket(daemon)["entries"]) == 4, 20, what="the technician's mail on the ticket")
    command(daemon, "tickets", "close", "1", "--by", TESS)
    closed = ada.next(4)  # the desk sent her no second copy of what Tess sent her herself
    assert "is closed" in words(closed)

    ada.answer(closed, "It burns again!")
    assert "It burns again!" in words(tess.next(3))
    shown = ticket(daemon)
    told = [(one["kind"], one["public"], one["author"], one["reason"]) for one in shown["entries"]]
    assert (shown["status"], told) == (
        "open",
        [
            ("mail", True, ADA, "created"),
            ("reply", True, TESS, ""),
            ("mail", True, ADA, "reply_public"),
            ("mail", True, TESS, "reply_public"),
            ("mail", True, ADA, "reopened"),
        ],
    )
    for mail in ada.inbox():
        if getaddresses([str(mail["From"])])[0][1] == DESK:
            assert str(mail["References"]).split()[0] == question, mail["Subject"]
    assert [one["state"] for one in json.loads(command(daemon, "outbox", "list", "--all", "--json"))] == ["sent"] * 6
