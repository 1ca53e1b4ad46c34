"""What FILE of `mailwicket announce` says: its subject, and its text."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import pytest

from mailwicket.cli.announce import _read

TEXT = "On **Monday**.\n\nBring: boxes.\n"


@pytest.mark.parametrize(
    ("said", "subject", "text"),
    [
        (f"Subject: We move\n\n{TEXT}", "We move", TEXT),
        (f"\ufeffsubject:We move \r\n\r\n{TEXT}", "We move", TEXT),
        (f"Subject: We\n move\n\n\n{TEXT}", "We move", TEXT),
        (f"From: desk@example.org\nTo: all@example.org\nSubject: We move\n\n{TEXT}", "We move", TEXT),
        (f"# We move #\n\n{TEXT}", "We move", f"# We move #\n\n{TEXT}"),
        (TEXT, "On Monday.", TEXT),
        (f"Note: no subject\n\n{TEXT}", "Note: no subject", f"Note: no subject\n\n{TEXT}"),
        (f"To: all@example.org\n\n{TEXT}", "", f"To: all@example.org\n\n{TEXT}"),
        (f"\n{'word ' * 40}\n", f"{'word ' * 19}...", f"\n{'word ' * 40}\n"),
        (" \n", "", " \n"),
        ("Subject: alone", "alone", ""),
        ("", "", ""),
        (f"Subject: We move\nno empty line\n\n{TEXT}", "We move", f"no empty line\n\n{TEXT}"),
        (f"Subject: We move\nBring: boxes\n\n{TEXT}", "We move", f"Bring: boxes\n\n{TEXT}"),
    ],
)
def test_subject_and_text_are_parted(tmp_path: Path, said: str, subject: str, text: str) -> None:
    (tmp_path / "file").write_bytes(said.encode())
    assert _read(str(tmp_path / "file")) == (subject, text)


def test_a_whole_mail_is_read_as_one(tmp_path: Path) -> None:
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "desk@example.org", "Wir ziehen um: Bürowechsel"
    mail.set_content("Am Dienstag, für alle.\n", cte="quoted-printable")
    (tmp_path / "file.eml").write_bytes(mail.as_bytes())
    assert _read(str(tmp_path / "file.eml")) == ("Wir ziehen um: Bürowechsel", "Am Dienstag, für alle.\n")
