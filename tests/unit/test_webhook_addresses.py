"""Nothing is sent to an address inside: whatever the form, the canary hears nothing (CWE-918)."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from pydantic import ValidationError
from tests.contract.desks import ticket_draft
from tests.receiver import Receiver, receiving
from yarl import URL

from mailwicket.backends.webhook import WebhookDesk
from mailwicket.backends.webhook.addresses import CheckedResolver, Guard, RefusedAddressError
from mailwicket.backends.webhook.config import WebhookConfig
from mailwicket.config.secret import Secret
from mailwicket.errors import MailwicketError, TransientError
from mailwicket.model import IntakeKey
from mailwicket.net.machine import Machine
from mailwicket.net.resolver import Resolver


class Canary:
    """Listens on loopback, in both families, and counts who comes."""

    def __init__(self) -> None:
        self.listeners = [socket.create_server(("127.0.0.1", 0))]
        self.port = int(self.listeners[0].getsockname()[1])
        if socket.has_ipv6:
            self.listeners.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))
        for one in self.listeners:
            one.settimeout(0)

    def visits(self) -> int:
        count = 0
        for one in self.listeners:
            try:
                while True:
                    one.accept()[0].close()
                    count += 1
            except BlockingIOError:
                continue
        return count

    def close(self) -> None:
        for one in self.listeners:
            one.close()


@pytest.fixture
def canary() -> Iterator[Canary]:
    one = Canary()
    yield one
    one.close()


class Names(AbstractResolver):
    """Answers what a test says, one answer after the other; asks the machine where it says nothing."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:  # type: ignore[override]
        self.asked.append(host)
        if not self.answers:
            return await aiohttp.ThreadedResolver().resolve(host, port, socket.AddressFamily(family))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in answer
        ]

    async def close(self) -> None:
        pass


REFUSED_BY_CHECK = {
    "loopback": "127.0.0.1",
    "loopback, another": "127.8.9.10",
    "this network": "0.0.0.0",  # noqa: S104 - nobody listens: it is refused
    "private, 10": "10.0.0.1",
    "private, 172": "172.16.0.1",
    "private, 192": "192.168.1.1",
    "shared": "100.64.0.1",
    "link-local": "169.254.1.1",
    "metadata": "169.254.169.254",
    "metadata that looks global": "168.63.129.16",
    "multicast": "224.0.0.1",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "IPv6 loopback": "[::1]",
    "IPv6 loopback, written out": "[0:0:0:0:0:0:0:1]",
    "IPv6 unspecified": "[::]",
    "IPv4-mapped": "[::ffff:127.0.0.1]",
    "IPv4-mapped, in hexadecimal": "[::ffff:7f00:1]",
    "IPv4-compatible": "[::127.0.0.1]",
    "NAT64": "[64:ff9b::7f00:1]",
    "6to4": "[2002:7f00:1::]",
    "unique local": "[fd00::1]",
    "IPv6 metadata": "[fd00:ec2::254]",
    "IPv6 link-local": "[fe80::1]",
    "IPv6 site-local": "[fec0::1]",
    "IPv6 multicast": "[ff02::1]",
    "userinfo before it": "receiver.example.org@127.0.0.1",
    "userinfo with a password": "a:b@127.0.0.1",
    "backslash": "127.0.0.1\\@receiver.example.org",
    "full-width digits": "①②⑦.⓪.⓪.①",
    "ideographic full stops": "127。0。0。1",
    "its name, escaped": "%6cocalhost",
    "with an interface": "[fe80::1%25lo]",
    "a fragment": "receiver.example.org#@127.0.0.1",
}

ODD_FORMS = {
    "decimal": "2130706433",
    "hexadecimal": "0x7f000001",
    "hexadecimal, in capitals": "0X7F000001",
    "hexadecimal parts": "0x7f.0.0.1",
    "hexadecimal last": "127.0.0.0x1",
    "octal": "0177.0.0.1",
    "octal in one": "017700000001",
    "short": "127.1",
    "with a dot behind": "127.0.0.1.",
}

NAMES_OF_LOOPBACK = {
    "its name": "localhost",
    "its name in capitals": "LOCALHOST",
}


@pytest.mark.parametrize("host", (REFUSED_BY_CHECK | ODD_FORMS).values(), ids=REFUSED_BY_CHECK | ODD_FORMS)
def test_a_host_that_is_a_forbidden_address_is_an_error_of_the_configuration(host: str) -> None:
    with pytest.raises(ValidationError) as caught:
        WebhookConfig.model_validate({"url": f"https://{host}:443/hook", "secret": "s"})
    assert host not in str(caught.value)


def desk_at(host: str, port: int, directory: Path, names: Names, **keys: Any) -> WebhookDesk:
    config = WebhookConfig.model_validate({"url": f"https://{host}:{port}/hook", "secret": "s", "timeout_s": 5} | keys)
    return WebhookDesk("webhook", config, Machine(directory), lookup=lambda: names)


async def failure_of(desk: WebhookDesk) -> MailwicketError:
    try:
        with pytest.raises(MailwicketError) as caught:
            await desk.create(ticket_draft(), IntakeKey("k1"))
    finally:
        await desk.close()
    return caught.value


@pytest.mark.parametrize("host", (REFUSED_BY_CHECK | ODD_FORMS).values(), ids=REFUSED_BY_CHECK | ODD_FORMS)
async def test_a_forbidden_host_that_came_past_the_check_is_not_connected_to(
    host: str, canary: Canary, tmp_path: Path
) -> None:
    try:
        URL(url := f"https://{host.partition('#')[0]}:{canary.port}/hook")
    except ValueError:
        return  # what the parser does not take is never sent
    config = WebhookConfig.model_construct(url=url, secret=Secret("s"), timeout_s=5)
    failure = await failure_of(
        WebhookDesk("webhook", config, Machine(tmp_path), lookup=lambda: Names(["9.9.9.9", "127.0.0.1"]))
    )
    assert isinstance(failure, TransientError)
    assert canary.visits() == 0


@pytest.mark.parametrize("host", ODD_FORMS.values(), ids=ODD_FORMS)
async def test_an_odd_form_would_be_refused_by_the_resolver_too(host: str) -> None:
    resolver = CheckedResolver(Resolver(), Guard())
    with pytest.raises(OSError, match=r"is this machine|not known|No address"):
        await resolver.resolve(host, 443)


@pytest.mark.parametrize("host", NAMES_OF_LOOPBACK.values(), ids=NAMES_OF_LOOPBACK)
async def test_a_host_that_the_machine_takes_for_a_forbidden_address_is_not_asked(
    host: str, canary: Canary, tmp_path: Path
) -> None:
    names = Names()
    failure = await failure_of(desk_at(host, canary.port, tmp_path, names))
    assert isinstance(failure, TransientError)
    assert failure.reason == "address_refused", failure
    assert "is this machine" in str(failure)
    assert canary.visits() == 0


ANSWERS = {
    "a name that leads to loopback": ["127.0.0.1"],
    "a CNAME that ends in the private network": ["10.1.2.3"],
    "one good address and one bad": ["192.0.2.7", "127.0.0.1"],
    "one good address of the internet and one bad": ["9.9.9.9", "127.0.0.1"],
    "the bad one first": ["127.0.0.1", "9.9.9.9"],
    "IPv4-mapped loopback": ["::ffff:127.0.0.1"],
    "IPv6 loopback": ["::1"],
    "a link-local address with its interface": ["fe80::1%lo"],
    "metadata": ["169.254.169.254"],
    "what is no address": ["127.0.0.1 "],
    "nothing": [],
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_a_name_is_refused_for_any_forbidden_address_that_it_leads_to(
    answer: list[str], canary: Canary, tmp_path: Path
) -> None:
    names = Names(answer)
    failure = await failure_of(desk_at("receiver.example.org", canary.port, tmp_path, names))
    assert isinstance(failure, TransientError)
    assert names.asked == ["receiver.example.org"]
    assert canary.visits() == 0


async def test_a_name_is_resolved_once_for_a_connection_and_that_answer_is_connected_to(
    canary: Canary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names(["9.9.9.9"], ["127.0.0.1"])  # it is rebound right after it was looked at
    tried: list[str] = []

    def gate(guard: Guard, info: tuple[Any, ...]) -> socket.socket:
        guard.check(info[4][0])
        tried.append(info[4][0])
        raise OSError("this test reaches nobody")

    monkeypatch.setattr(Guard, "socket", gate)
    desk = desk_at("receiver.example.org", canary.port, tmp_path, names)
    first = await failure_of(desk)
    second = await failure_of(desk)
    assert tried == ["9.9.9.9"]
    assert names.asked == ["receiver.example.org"] * 2
    assert "this test reaches nobody" in str(first)
    assert isinstance(second, TransientError)
    assert second.reason == "address_refused"
    assert canary.visits() == 0


def test_the_last_gate_is_the_socket_itself(canary: Canary) -> None:
    info = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", canary.port))
    with pytest.raises(RefusedAddressError):
        Guard().socket(info)
    with ExitStack() as stack:
        stack.enter_context(Guard(allow_private=True).socket(info))


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    async with receiving(tmp_path) as one:
        yield one


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int, receiver: Receiver, canary: Canary, tmp_path: Path) -> None:
    async def elsewhere(_body: dict[str, Any]) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": f"https://127.0.0.1:{canary.port}/"})

    receiver.before = elsewhere
    desk = WebhookDesk("webhook", WebhookConfig.model_validate(receiver.keys()), Machine(tmp_path))
    failure = await failure_of(desk)
    assert isinstance(failure, TransientError)
    assert f"answered {status} to another place, which is not followed" in str(failure)
    assert canary.visits() == 0
    assert len(receiver.asked) == 1


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"])
async def test_a_proxy_of_the_environment_is_not_used(
    name: str, receiver: Receiver, canary: Canary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    desk = WebhookDesk("webhook", WebhookConfig.model_validate(receiver.keys()), Machine(tmp_path))
    await desk.create(ticket_draft(), IntakeKey("k1"))
    await desk.close()
    assert canary.visits() == 0
    assert len(receiver.asked) == 1


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "168.63.129.16", "fd00:ec2::254", "224.0.0.1", "fe80::1", "0.0.0.1", "240.0.0.1", "fe80::1%1"],
)
def test_allow_private_lets_no_metadata_link_local_or_multicast_address_be_used(address: str) -> None:
    assert Guard(allow_private=True).refusal(address) is not None


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "10.0.0.1", "172.16.1.1", "192.168.1.1", "100.64.0.1", "fd12::1", "::ffff:10.0.0.1"]
)
def test_allow_private_lets_private_networks_and_this_machine_be_used(address: str) -> None:
    assert Guard(allow_private=True).refusal(address) is None
    assert Guard().refusal(address) is not None


@pytest.mark.parametrize(
    "address", ["9.9.9.9", "2606:4700:4700::1111", "::ffff:9.9.9.9", "64:ff9b::909:909", "2002:909:909::1"]
)
def test_addresses_of_the_internet_may_be_used_in_each_form(address: str) -> None:
    assert Guard().refusal(address) is None
    assert Guard(allow_private=True).refusal(address) is None


@pytest.mark.parametrize("address", ["10.0.0.1", "9.9.9.9", "2606:4700:4700::1111"])
def test_what_is_not_encrypted_stays_on_the_machine(address: str) -> None:
    guard = Guard(allow_private=True, loopback_only=True)
    assert guard.refusal(address) == "not this machine, and the request is not encrypted"
    assert guard.refusal("127.0.0.1") is None
