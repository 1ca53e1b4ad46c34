"""The staged test: the right stage is named, with what to do, and only what changes nothing is ever said."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from tests.dialogue.server import BRISK, PASSWORD, PLAIN, Scripted, scripted

from mailwicket.net import names
from mailwicket.net.deadlines import Deadlines
from mailwicket.service.trial import Candidate, try_connection
from mailwicket.sources.imap import ImapSource
from mailwicket.stages import Stage, StageState

READS_ONLY = re.compile(
    r"\w+ (CAPABILITY|STARTTLS|LOGIN .*|AUTHENTICATE PLAIN.*|EXAMINE .*|LIST .*|MYRIGHTS .*|UID SEARCH UNSEEN"
    r"|FETCH \d+ \(UID RFC822\.SIZE BODY\.PEEK\[\]<0\.\d+>\)|LOGOUT)"
)
LOGIN = """
    S: * OK [CAPABILITY IMAP4rev1] ready
    C: LOGIN * *
    S: $ OK [CAPABILITY IMAP4rev1] in
"""
EMPTY = """
    C: EXAMINE *
    S: * 0 EXISTS
    S: * OK [UIDVALIDITY 7] valid
    S: $ OK [READ-ONLY] open
"""
TWO_MAILS = """
    C: EXAMINE "INBOX"
    S: * 2 EXISTS
    S: * OK [UIDVALIDITY 7] valid
    S: $ OK [READ-ONLY] open
    C: UID SEARCH UNSEEN
    S: * SEARCH 5
    S: $ OK
"""


async def stages_of(source: ImapSource, server: Scripted | None = None) -> dict[str, Stage]:
    """Test it; the password is nowhere in what is told, and a server heard nothing that could change anything."""
    report = await try_connection(Candidate("incoming/office", "server", source))
    assert report.ok == all(stage.state == "ok" for stage in report.stages)
    assert PASSWORD not in repr(report)
    assert PLAIN not in repr(report)
    assert [stage.name for stage in report.stages] == list(source.stages)
    for stage in report.stages:
        assert bool(stage.fix) == (stage.state == "failed"), stage
    for line in server.lines if server else ():
        assert READS_ONLY.fullmatch(line), line
    return {stage.name: stage for stage in report.stages}


async def failed(source: ImapSource, name: str, server: Scripted | None = None) -> Stage:
    """The one stage that failed: those before it are ok, those behind it skipped."""
    stages = await stages_of(source, server)
    order = list(stages)
    at = order.index(name)
    assert [stages[one].state for one in order] == [
        *[StageState.OK] * at,
        StageState.FAILED,
        *[StageState.SKIPPED] * (len(order) - at - 1),
    ], stages
    return stages[name]


# --- a connection that works ----------------------------------------------------------------------------------------


async def test_every_stage_of_a_good_mailbox_is_ok_and_says_what_was_found(tmp_path: Path) -> None:
    script = f"""
        {LOGIN}
        {TWO_MAILS}
        C: FETCH 2 (UID RFC822.SIZE BODY.PEEK[]<0.1024>)
        S| * 2 FETCH (UID 9 RFC822.SIZE 3000 BODY[]<0> {{5}}\\r\\nFrom:)\\r\\n
        S: $ OK
    """
    async with scripted(script) as server:
        stages = await stages_of(server.source(tmp_path), server)
        assert server.lines[-1].endswith(" LOGOUT")
    assert {name: stage.detail for name, stage in stages.items()} == {
        "configuration": "password from conf.d",
        "dns": "127.0.0.1",
        "tcp": f"127.0.0.1 port {server.port}",
        "greeting": "offers IMAP4REV1",
        "auth": "LOGIN as desk@example.org",
        "folder": "INBOX: 2 mails, 1 unseen",
        "after": "mails are marked as seen; whether that is allowed shows with the first",
        "read": "the last mail: 3000 bytes, the first 5 of them read",
    }


async def test_an_empty_folder_is_no_failure(tmp_path: Path) -> None:
    async with scripted(LOGIN + EMPTY) as server:
        stages = await stages_of(server.source(tmp_path, after="leave"), server)
    assert all(stage.state == "ok" for stage in stages.values())
    assert stages["read"].detail == "the folder is empty: nothing to read, and nothing wrong"
    assert stages["after"].detail == "mails are left as they are"


async def test_mails_that_a_first_run_would_leave_are_told(tmp_path: Path) -> None:
    script = LOGIN + TWO_MAILS + "C: FETCH *\nS| * 2 FETCH (UID 9 RFC822.SIZE 3 BODY[]<0> {3}\\r\\nA: )\\r\\n\nS: $ OK"
    async with scripted(script) as server:
        stages = await stages_of(server.source(tmp_path, start_from="now"), server)
    assert stages["folder"].detail.endswith('; start_from = "now" leaves what lies there before the first run')


async def test_a_server_that_knows_us_already_is_told_no_password(tmp_path: Path) -> None:
    async with scripted(f"S: * PREAUTH [CAPABILITY IMAP4rev1] welcome\n{EMPTY}") as server:
        stages = await stages_of(server.source(tmp_path), server)
    assert stages["auth"].detail == "the server knows us already (PREAUTH)"


# --- before the first byte ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "detail", "fix"),
    [
        ({"password": None, "enabled": False}, "no password is configured", "set password"),
        ({"password": {"file": "/nowhere/x"}}, "secret from file /nowhere/x cannot be read", "the user who runs this"),
        ({"password": {"credential": "x"}}, "$CREDENTIALS_DIRECTORY is not set", "systemd"),
        ({"security": "ssl", "ca_file": "/nowhere/ca.pem"}, "ca_file /nowhere/ca.pem: No such file", "mend ca_file"),
    ],
)
async def test_a_secret_or_an_authority_that_cannot_be_had_stops_it_before_anything_is_sent(
    tmp_path: Path, changes: dict[str, object], detail: str, fix: str
) -> None:
    async with scripted("X: hang") as server:
        stage = await failed(server.source(tmp_path, **changes), "configuration", server)
        assert server.connections == 0
    assert detail in stage.detail
    assert fix in str(stage.fix)


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Callable[[names.Lookup], None]:
    return lambda lookup: monkeypatch.setattr(names, "SYSTEM", names.Names(lookup))


@pytest.mark.parametrize(
    ("number", "fix"), [(socket.EAI_NONAME, "mend server: DNS has no address"), (socket.EAI_AGAIN, "resolv.conf")]
)
async def test_a_name_that_is_not_found(
    tmp_path: Path, resolver: Callable[[names.Lookup], None], number: int, fix: str
) -> None:
    def lookup(_: str) -> list[names.AddrInfoType]:
        raise socket.gaierror(number, "the system's words")

    resolver(lookup)
    stage = await failed(Scripted(143).source(tmp_path, server="imap.example.org", allow_plaintext=True), "dns")
    assert stage.detail == "imap.example.org: the system's words"
    assert fix in str(stage.fix)


async def test_a_resolver_that_is_silent(tmp_path: Path, resolver: Callable[[names.Lookup], None]) -> None:
    hanging = threading.Event()

    def lookup(_: str) -> list[names.AddrInfoType]:
        hanging.wait(30)
        return []

    resolver(lookup)
    brisk = Deadlines(connect_s=0.1)
    source = Scripted(143).source(tmp_path, brisk, server="imap.example.org", allow_plaintext=True)
    stage = await failed(source, "dns")
    hanging.set()
    assert stage.detail == "imap.example.org: no answer in time"


async def test_a_port_where_nobody_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    stage = await failed(Scripted(port).source(tmp_path), "tcp")
    assert stage.detail == f"127.0.0.1:{port} is not reachable: Connection refused"
    assert "nobody listens there" in str(stage.fix)


# --- the channel ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("greeting", "detail", "fix"),
    [
        ("S: * OK ready", "speaks IMAP in the clear", 'speaks in the clear: security = "tls"'),
        ("S: +OK POP3 ready", "speaks POP3, not IMAP", "mend port"),
        ("S: 220 mx.example.org ESMTP", "speaks SMTP, not IMAP", "mend port"),
        ("S: SSH-2.0-Example", "speaks SSH, not IMAP", "mend port"),
        ("S: what?", "TLS failed", "ask who runs the server"),
    ],
)
async def test_tls_towards_a_port_in_the_clear(tmp_path: Path, greeting: str, detail: str, fix: str) -> None:
    async with scripted(greeting) as server:
        stage = await failed(server.source(tmp_path, security="ssl"), "tls")
    assert detail in stage.detail
    assert fix in str(stage.fix)


def context_of(*bears: str, days: int = 90) -> tuple[ssl.SSLContext, trustme.CA]:
    authority = trustme.CA()
    now = datetime.now(UTC)
    leaf = authority.issue_cert(*bears, not_before=now - timedelta(days=100), not_after=now + timedelta(days=days))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return context, authority


@pytest.mark.parametrize("security", ["tls", "none"])
async def test_a_port_that_waits_for_tls(tmp_path: Path, security: str) -> None:
    context, _ = context_of("127.0.0.1")
    async with scripted("S: * OK ready", tls=context, implicit=True) as server:
        stage = await failed(server.source(tmp_path, security=security), "greeting")
    assert "says nothing in the clear: it speaks TLS from the first byte" in stage.detail
    assert stage.fix == f'port {server.port} speaks TLS from the first byte: security = "ssl"'


@pytest.mark.parametrize("greeting", ["S: +OK POP3 ready", "S: 220 mx.example.org ESMTP"])
async def test_another_protocol_in_the_clear(tmp_path: Path, greeting: str) -> None:
    async with scripted(greeting) as server:
        stage = await failed(server.source(tmp_path), "greeting")
    assert "not IMAP" in stage.detail


async def test_another_protocol_over_tls(tmp_path: Path) -> None:
    context, authority = context_of("127.0.0.1")
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    async with scripted("S: +OK POP3 ready", tls=context, implicit=True) as server:
        stage = await failed(server.source(tmp_path, security="ssl", ca_file=str(ca_file)), "greeting")
    assert "speaks POP3, not IMAP" in stage.detail


async def test_a_server_that_says_nothing_at_all_is_left_in_time(tmp_path: Path) -> None:
    async with scripted("X: hang") as server:
        stage = await failed(server.source(tmp_path), "greeting")
    assert stage.detail == f"127.0.0.1:{server.port} did not greet in time"


async def test_a_server_that_refuses_the_connection(tmp_path: Path) -> None:
    async with scripted("S: * BYE too busy") as server:
        stage = await failed(server.source(tmp_path), "greeting")
    assert 'refused the connection ("BYE too busy")' in stage.detail
    assert "time may mend it" in str(stage.fix)


STARTTLS = "S: * OK [CAPABILITY IMAP4rev1 STARTTLS] ready\nC: STARTTLS\nS: $ OK go\nX: tls\n"


@asynccontextmanager
async def over_tls(security: str, context: ssl.SSLContext, more: str = "") -> AsyncIterator[Scripted]:
    """A server that speaks TLS in the one way or the other, and then *more*."""
    if security == "ssl":
        async with scripted("S: * OK [CAPABILITY IMAP4rev1] ready\n" + more, tls=context, implicit=True) as server:
            yield server
    else:
        told = "C: CAPABILITY\nS: * CAPABILITY IMAP4rev1\nS: $ OK\n"
        async with scripted(STARTTLS + told + more, tls=context) as server:
            yield server


CHANNEL = pytest.mark.parametrize(("security", "stage"), [("ssl", "tls"), ("tls", "starttls")])


@CHANNEL
async def test_a_certificate_that_is_trusted_is_described(tmp_path: Path, security: str, stage: str) -> None:
    context, authority = context_of("127.0.0.1", "imap.example.org")
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    script = "C: LOGIN *\nS: $ OK [CAPABILITY IMAP4rev1] in\n" + EMPTY
    async with over_tls(security, context, script) as server:
        stages = await stages_of(server.source(tmp_path, security=security, ca_file=str(ca_file)), server)
    assert all(one.state == "ok" for one in stages.values()), stages
    pattern = r"TLSv1\.3, certificate for (127\.0\.0\.1, imap\.example\.org|imap.*), issued by trustme .*, 89 days left"
    assert re.fullmatch(pattern, stages[stage].detail)


@CHANNEL
@pytest.mark.parametrize(
    ("bears", "days", "detail", "fix"),
    [
        ("127.0.0.1", -3, "has expired; for 127.0.0.1, issued by trustme", "have the server's certificate renewed"),
        ("mail.example.org", 90, "for mail.example.org, issued by", "one of its names (mail.example.org)"),
    ],
)
async def test_a_certificate_that_is_refused_is_described_with_what_to_do(
    tmp_path: Path, security: str, stage: str, bears: str, days: int, detail: str, fix: str
) -> None:
    context, authority = context_of(bears, days=days)
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    async with over_tls(security, context) as server:
        told = await failed(server.source(tmp_path, security=security, ca_file=str(ca_file)), stage)
        assert not any("LOGIN" in line or "AUTHENTICATE" in line for line in server.lines)
    assert "the certificate is refused" in told.detail
    assert detail in told.detail
    assert fix in str(told.fix)


@CHANNEL
async def test_an_authority_that_nobody_knows_leads_to_ca_file(tmp_path: Path, security: str, stage: str) -> None:
    context, _ = context_of("127.0.0.1")
    async with over_tls(security, context) as server:
        told = await failed(server.source(tmp_path, security=security), stage)
    assert "ca_file" in str(told.fix)
    assert "verification cannot be switched off" in str(told.fix)


async def test_a_certificate_that_vouches_for_itself_leads_to_ca_file(tmp_path: Path) -> None:
    authority = trustme.CA()
    pem = tmp_path / "self.pem"
    authority.private_key_pem.write_to_path(pem)
    authority.cert_pem.write_to_path(pem, append=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    async with over_tls("ssl", context) as server:
        told = await failed(server.source(tmp_path, security="ssl"), "tls")
    assert "issued by itself" in told.detail
    assert "ca_file" in str(told.fix)


async def test_a_missing_starttls_leads_to_the_other_port(tmp_path: Path) -> None:
    async with scripted("S: * OK [CAPABILITY IMAP4rev1] ready") as server:
        stage = await failed(server.source(tmp_path, security="tls"), "starttls", server)
    assert "does not offer STARTTLS" in stage.detail
    assert 'security = "ssl" with port = 993' in str(stage.fix)


# --- who we are -----------------------------------------------------------------------------------------------------


async def test_a_refused_login_has_the_server_s_words(tmp_path: Path) -> None:
    script = f"S: * OK [CAPABILITY IMAP4rev1] ready\nC: LOGIN * *\nS: $ NO [AUTHENTICATIONFAILED] not {PASSWORD}"
    async with scripted(script) as server:
        stage = await failed(server.source(tmp_path), "auth", server)
        assert sum("LOGIN" in line for line in server.lines) == 1
    assert 'refused login of desk@example.org ("[AUTHENTICATIONFAILED] not ***")' in stage.detail
    assert "the part before @ alone" in str(stage.fix)


@pytest.mark.parametrize(
    ("host", "fix"), [("imap.gmail.com", "Google wants an app password"), ("outlook.office365.com", "OAuth alone")]
)
async def test_a_refused_login_at_a_well_known_provider_says_what_it_wants(
    tmp_path: Path, resolver: Callable[[names.Lookup], None], host: str, fix: str
) -> None:
    resolver(lambda _: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))])
    script = "S: * OK [CAPABILITY IMAP4rev1] ready\nC: LOGIN * *\nS: $ NO [AUTHENTICATIONFAILED] no"
    async with scripted(script) as server:
        stage = await failed(server.source(tmp_path, server=host), "auth", server)
    assert fix in str(stage.fix)


async def test_a_login_that_is_switched_off_in_the_clear_leads_to_tls(tmp_path: Path) -> None:
    async with scripted("S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED STARTTLS] ready") as server:
        stage = await failed(server.source(tmp_path), "auth", server)
        assert not any("LOGIN " in line for line in server.lines)
    assert 'it takes passwords over TLS alone: security = "tls"' in str(stage.fix)


async def test_a_password_is_not_said_in_the_clear_to_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailwicket.net.imap.client.ImapClient.local", False)
    async with scripted("S: * OK [CAPABILITY IMAP4rev1] ready") as server:
        stage = await failed(server.source(tmp_path), "auth", server)
    assert "allow_plaintext" in str(stage.fix)


# --- the folder -----------------------------------------------------------------------------------------------------

LISTED = """
    C: LIST "" "*"
    S: * LIST (\\\\HasChildren) "." INBOX
    S: * LIST (\\\\HasNoChildren) "." "INBOX.Support"
    S: * LIST (\\\\HasNoChildren) "." "INBOX.Entw&APw-rfe"
    S: * LIST (\\\\Noselect) "." "INBOX.Supporter"
    S: $ OK
""".replace("\\\\", "\\")


@pytest.mark.parametrize(
    ("folder", "nearest"),
    [
        ("Support", "nearest there: INBOX.Support"),
        ("inbox.suport", "nearest there: INBOX.Support"),
        ("Entw\u00fcrfe", "nearest there: INBOX.Entw\u00fcrfe"),
        ("xyz", "there are: INBOX, INBOX.Support, INBOX.Entw\u00fcrfe"),
    ],
)
async def test_a_folder_that_is_not_there_leads_to_the_nearest(tmp_path: Path, folder: str, nearest: str) -> None:
    script = LOGIN + "C: EXAMINE *\nS: $ NO [NONEXISTENT] no such folder\n" + LISTED
    async with scripted(script) as server:
        stage = await failed(server.source(tmp_path, folder=folder), "folder", server)
    assert f'does not open the folder {folder} ("[NONEXISTENT] no such folder")' in stage.detail
    assert stage.fix == f"mend folder; {nearest}"


async def test_a_folder_that_is_away_for_now_is_no_wrong_name(tmp_path: Path) -> None:
    async with scripted(LOGIN + "C: EXAMINE *\nS: $ NO [UNAVAILABLE] later") as server:
        stage = await failed(server.source(tmp_path), "folder", server)
    assert "it passes" in str(stage.fix)


async def test_a_mailbox_to_which_a_good_login_has_no_right_is_no_wrong_folder(tmp_path: Path) -> None:
    async with scripted(LOGIN + "C: EXAMINE *\nS: $ BAD User is authenticated but not connected.") as server:
        stage = await failed(server.source(tmp_path), "folder", server)
    assert "full access" in str(stage.fix)
    assert "mend folder" not in str(stage.fix)


async def test_a_folder_without_lasting_numbers(tmp_path: Path) -> None:
    async with scripted(LOGIN + "C: EXAMINE *\nS: * 0 EXISTS\nS: $ OK open") as server:
        stage = await failed(server.source(tmp_path), "folder", server)
    assert "UIDVALIDITY" in stage.detail


async def test_a_target_that_is_there_is_good(tmp_path: Path) -> None:
    script = LOGIN + EMPTY + 'C: LIST "" "INBOX.Done"\nS: * LIST () "." INBOX.Done\nS: $ OK'
    async with scripted(script) as server:
        stages = await stages_of(server.source(tmp_path, after="move:INBOX.Done"), server)
    assert stages["after"].state == "ok"
    assert stages["after"].detail.startswith("moved to INBOX.Done")


@pytest.mark.parametrize("answer", ["", 'S: * LIST (\\Noselect) "." "Support"\n'])
async def test_a_target_that_is_not_there_is_told_with_the_nearest(tmp_path: Path, answer: str) -> None:
    script = LOGIN + EMPTY + f'C: LIST "" "Support"\n{answer}S: $ OK\n' + LISTED
    async with scripted(script) as server:
        stage = await failed(server.source(tmp_path, after="move:Support"), "after", server)
    assert "has no folder Support to move to" in stage.detail
    assert "nearest there: INBOX.Support" in str(stage.fix)


RIGHTS = (LOGIN + EMPTY).replace("IMAP4rev1]", "IMAP4rev1 ACL]")


@pytest.mark.parametrize(
    ("after", "rights", "missing"),
    [
        ("seen", "lrs", ""),
        ("seen", "lr", "mark mails as seen"),
        ("delete", "lrste", ""),
        ("delete", "lrsd", ""),  # of RFC 2086
        ("delete", "lrst", "delete mails for good"),
        ("delete", '""', "flag mails as deleted or delete mails for good"),
    ],
)
async def test_rights_that_the_server_tells_are_judged(tmp_path: Path, after: str, rights: str, missing: str) -> None:
    async with scripted(RIGHTS + f'C: MYRIGHTS "INBOX"\nS: * MYRIGHTS INBOX {rights}\nS: $ OK') as server:
        source = server.source(tmp_path, after=after)
        if missing:
            stage = await failed(source, "after", server)
            assert f"may not {missing} in INBOX" in stage.detail
            assert '"leave" needs none' in str(stage.fix)
        else:
            assert (await stages_of(source, server))["after"].detail.endswith("; allowed here")


async def test_rights_that_the_server_does_not_tell_are_no_failure(tmp_path: Path) -> None:
    async with scripted(RIGHTS + 'C: MYRIGHTS "INBOX"\nS: $ NO not now') as server:
        stages = await stages_of(server.source(tmp_path), server)
    assert stages["after"].detail.endswith("shows with the first")


@pytest.mark.parametrize("answer", ["", "S: * 2 FETCH (FLAGS ())\n", "S: * 2 FETCH (UID 9 BODY[]<0> NIL)\n"])
async def test_a_mail_that_is_there_and_not_given(tmp_path: Path, answer: str) -> None:
    async with scripted(LOGIN + TWO_MAILS + f"C: FETCH *\n{answer}S: $ OK") as server:
        stage = await failed(server.source(tmp_path), "read", server)
    assert "has 2 mails and gives nothing of the last one" in stage.detail


@pytest.mark.parametrize("where", ["C: LOGIN *", "C: EXAMINE *"])
async def test_a_command_that_is_never_answered_fails_its_stage_in_time(tmp_path: Path, where: str) -> None:
    script = (LOGIN + EMPTY).split(where.rstrip(" *"))[0] + f"{where}\nX: hang"
    async with scripted(script) as server:
        stage = await failed(server.source(tmp_path), {"C: LOGIN *": "auth", "C: EXAMINE *": "folder"}[where])
    assert "in time" in stage.detail
    assert "try again" in str(stage.fix)


async def test_a_server_that_hangs_up_amid_a_stage(tmp_path: Path) -> None:
    async with scripted(LOGIN + "C: EXAMINE *\nX: close") as server:
        stage = await failed(server.source(tmp_path), "folder")
    assert "closed the connection" in stage.detail


# --- what it leaves -------------------------------------------------------------------------------------------------


@pytest.fixture
def nothing_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert not {one for one in set(threading.enumerate()) - before if one.name == "mailwicket-dns"}


async def test_a_test_leaves_neither_task_nor_thread(tmp_path: Path, nothing_is_left: None) -> None:
    before = len(asyncio.all_tasks())
    async with scripted(LOGIN + EMPTY) as server:
        await stages_of(server.source(tmp_path, BRISK))
    assert len(asyncio.all_tasks()) <= before
