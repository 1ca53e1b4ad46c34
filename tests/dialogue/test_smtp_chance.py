"""Whatever a server says: a mail that is told to be taken was taken, and one that is not uncertain was not."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import anyio
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.dialogue.smtp_server import GOOD, PASSWORD, PIPELINING, RAW, odd

from mailwicket.errors import MailwicketError, UncertainError
from mailwicket.net.smtp.client import Deadlines
from mailwicket.outgoing import Envelope

HASTY = Deadlines(
    connect_s=1,
    greeting_s=0.05,
    command_s=0.05,
    path_s=0.05,
    data_s=0.05,
    piece_s=0.05,
    taken_s=0.05,
    alive_s=0.05,
    farewell_s=0.05,
)
CODES = [200, 220, 221, 235, 250, 334, 354, 421, 450, 451, 452, 500, 530, 535, 550, 552, 554]
WORDS = st.sampled_from(["ok", "5.7.1 no", "4.2.0 later", "2.0.0", PASSWORD, "", "-", "\x1b[2J", "5.2.0 SendAsDenied"])
LINE = st.builds(
    lambda code, mark, words: f"{code}{mark}{words}",
    st.one_of(st.sampled_from(CODES), st.integers(0, 999)),
    st.sampled_from([" ", "-", "", "\t"]),
    WORDS,
)
ANSWER = st.builds(
    lambda lines, end: "\n".join(lines) + end,
    st.lists(st.one_of(LINE, WORDS), min_size=0, max_size=3),
    st.sampled_from(["", "", "", "!close", "!reset", "!hang"]),
)
VERBS = [*(verb for verb in GOOD if verb not in {"STARTTLS", "HELO"}), "MIDDLE", "RESPONSE"]
SCRIPTS = st.dictionaries(st.sampled_from(VERBS), st.lists(ANSWER, min_size=1, max_size=3), max_size=2)
TWO = Envelope("desk@example.org", ("ada@example.com", "bob@example.com"))


def code_of(answer: str) -> int:
    """The code of the first answer that is whole; 0 where there is none."""
    for line in answer.split("\n"):
        if not re.match("[0-9]{3}", line):
            return 0
        if line[3:4] != "-":
            return int(line[:3])
    return 0


async def told(script: dict[str, list[str]], directory: Path) -> None:
    """Send three mails, as long as it goes, and compare what is told with what the server has."""
    async with odd(script) as server:
        taken = uncertain = 0
        said = ""
        try:
            async with server.sender(directory, deadlines=HASTY).connect() as submission:
                for number in range(3):
                    statuses = await submission.submit(TWO, RAW + b"%d\r\n" % number)
                    assert list(statuses) == list(TWO.forward_paths)
                    taken += any(one.is_taken for one in statuses.values())
                    said += repr(statuses)
        except MailwicketError as error:
            uncertain = isinstance(error, UncertainError)
            said += str(error)
        assert PASSWORD not in said
        if "MIDDLE" in script:
            return  # it answers while it still reads: what it makes of the mail after that no client can know
        with anyio.move_on_after(2):
            while len(server.mails) < taken + uncertain:  # noqa: ASYNC110 - the server still reads
                await anyio.sleep(0.005)
        assert len(server.mails) >= taken + uncertain, "told to be taken, or uncertain, and the server never had it"
        verdicts = zip(server.mails, server.verdicts, strict=True)
        accepted = sum(code_of(answer) // 100 == 2 for mail, answer in verdicts if mail != b".\r\n")  # one to nobody
        assert taken <= accepted <= taken + uncertain, "the server took a mail that was told to be refused"


@given(SCRIPTS)
@example({"DOT": ["250 a\n550 b"]})
@example({"DOT": ["250-x\n550 b!close"]})
@example({"RCPT": ["250 a\n250 b"]})
@example({"MIDDLE": ["250 taken"]})
@settings(max_examples=40)
def test_what_is_told_of_a_mail_is_true(script: dict[str, list[str]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        anyio.run(told, script, Path(directory))


@given(SCRIPTS)
@example({"RCPT": ["550 a", "250 b"], "DATA": ["354 go", "503 no"]})
@example({"RCPT": ["550 a"], "DOT": ["250 taken"]})
@example({"MAIL": ["250 a\n250 b"]})
@example({"RCPT": ["250 a\n354 b"]})
@example({"MAIL": ["552 5.3.4 a"], "RCPT": ["250 a"], "DATA": ["354 go"]})
@settings(max_examples=30)
def test_what_is_told_of_a_mail_is_true_where_commands_go_out_together(script: dict[str, list[str]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        anyio.run(told, {"EHLO": [PIPELINING], **script}, Path(directory))
