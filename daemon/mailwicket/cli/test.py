"""`mailwicket test`: the staged test of connections. Changes nothing unless asked to send; needs no daemon."""

from __future__ import annotations

import dataclasses
import difflib
import json
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from mailwicket.cli.run import Conf
from mailwicket.cli.terminal import be_lenient, give_up, one_line

if TYPE_CHECKING:
    from mailwicket.config.incoming import Incoming
    from mailwicket.config.load import Loaded
    from mailwicket.config.outgoing import Outgoing
    from mailwicket.config.settings import Settings
    from mailwicket.net.machine import BringsTokens
    from mailwicket.ports import Net
    from mailwicket.service.trial import Errand
    from mailwicket.stages import ConnectionReport

    Server = Incoming | Outgoing

INCOMING: Final = "incoming/"
OUTGOING: Final = "outgoing/"
STYLES: Final = {"ok": "green", "failed": "bold red", "skipped": "dim"}

ROUNDTRIP_POLL_S: Final = 5
"""A person waits: where the server cannot tell of new mail, it is asked this often."""


@dataclasses.dataclass(frozen=True, slots=True)
class Sending:
    """What a test sends."""

    to: str | None = None
    roundtrip: bool = False
    incoming: Mapping[str, Incoming] = dataclasses.field(default_factory=dict)
    """Where a mail may come back."""


def run_test(
    units: Annotated[
        list[str] | None,
        typer.Argument(metavar="[UNIT...]", help="incoming/NAME, outgoing/NAME or NAME; none is all of them."),
    ] = None,
    conf: Conf = None,
    *,
    send_to: Annotated[
        str | None, typer.Option("--send-to", metavar="ADDR", help="Also send a mail there by each outgoing server.")
    ] = None,
    roundtrip: Annotated[
        bool, typer.Option("--roundtrip", help="Also send a mail to a mailbox of ours, and wait for it there.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
) -> None:
    """Test connections stage by stage, from the password to a mail that is read or a sender that is accepted.

    Nothing is changed, and nothing sent unless --send-to or --roundtrip ask for it. Disabled units are tested, too, and
    conf.d need not be loaded by a daemon. Exit 1 when a stage failed.
    """
    from mailwicket.cli.settings import loaded
    from mailwicket.config.model import is_addr_spec

    be_lenient()
    if send_to is not None and not is_addr_spec(send_to):
        give_up('--send-to takes an address, "local@domain"', 2)
    result = loaded(conf)
    for error in result.errors:
        typer.echo(str(error), err=True)
    ready = _chosen(result, units or ())
    if not ready:
        what = "no unit whose table is good" if result.errors else "conf.d has no [incoming.NAME] or [outgoing.NAME]"
        give_up(f"{what}: nothing was tested")
    sending = Sending(send_to, roundtrip, result.incoming)
    senders = [unit for unit, server in ready.items() if _sends(unit, server, units or ())]
    if (send_to or roundtrip) and not senders:
        give_up("there is no outgoing server to send by", 2)
    more = dict.fromkeys(senders, sending) if send_to or roundtrip else {}
    with ExitStack() as stack:
        tokens = None if result.settings is None else _tokens(result.settings, ready.values(), conf, stack)
        reports = report(ready, more, tokens, quiet=as_json)
    if as_json:
        print(json.dumps([_as_json(one) for one in reports], ensure_ascii=False))
    else:
        show(reports)
    good = all(one.ok for one in reports) and not result.errors
    raise typer.Exit(0 if good else 1)


def _tokens(settings: Settings, ready: Iterable[Server], conf: Path | None, stack: ExitStack) -> BringsTokens | None:
    """Return who brings tokens to *ready*; a daemon, or its store, is wanted for what people signed in to alone."""
    named = [settings.oauth[one.oauth] for one in ready if one.auth == "oauth" and one.oauth in settings.oauth]
    if not named:
        return None
    from mailwicket.cli.bearing import CliTokens
    from mailwicket.cli.signing import signing
    from mailwicket.config.oauth import SIGNED_IN
    from mailwicket.net.machine import Machine

    machine = Machine(settings.daemon.state_dir)
    desk = stack.enter_context(signing(conf)) if any(one.grant in SIGNED_IN for one in named) else None
    return CliTokens(desk, settings, lambda: machine.trust(None))


def _chosen(result: Loaded, units: Sequence[str]) -> dict[str, Server]:
    """Return the servers that *units* name, of those whose tables are good; all of them where none is named."""
    ready: dict[str, Server] = {INCOMING + name: one for name, one in sorted(result.incoming.items())}
    ready |= {OUTGOING + name: one for name, one in sorted(result.outgoing.items())}
    if not units:
        return ready
    tables = ((kind, result.merged.values.get(kind.rstrip("/"))) for kind in (INCOMING, OUTGOING))
    known = [kind + name for kind, table in tables if isinstance(table, dict) for name in sorted(table)]
    named: list[str] = []
    unknown: list[str] = []
    for unit in units:
        found = [one for one in known if unit in {one, one.partition("/")[2]}]
        named += found
        if not found:
            unknown.append(unit)
    if unknown and (result.settings is not None or known):
        for unit in unknown:
            print(f"mailwicket: {_no_unit(unit, known)}", file=sys.stderr)
        raise typer.Exit(2)
    return {unit: ready[unit] for unit in dict.fromkeys(named) if unit in ready}


def _no_unit(unit: str, known: Sequence[str]) -> str:
    from mailwicket.config.mistake import printable

    if unit == "backend":
        return 'the backend is not tested; "mailwicket status" tells how it is'
    kind = next((one for one in (INCOMING, OUTGOING) if unit.startswith(one)), "")
    names = {one.partition("/")[2]: one for one in reversed(known) if one.startswith(kind)}
    near = difflib.get_close_matches(unit.removeprefix(kind).casefold(), names, 1)
    whole = unit if kind else f"{names[near[0]].partition('/')[0] if near else 'incoming'}/{unit}"
    if near:
        return f"no unit {printable(whole)} (nearest: {printable(names[near[0]])})"
    there = f"; there are: {', '.join(printable(one) for one in known[:5])}" if known else ""
    return f"no unit {printable(whole)}{there}"


def _sends(unit: str, server: Server, named: Collection[str]) -> bool:
    """Tell whether mail is sent by *unit* where that is asked for: by a disabled one only where it is named."""
    return unit.startswith(OUTGOING) and (server.enabled or bool(named))


def report(
    units: Mapping[str, Server],
    more: Mapping[str, Sending] | None = None,
    tokens: BringsTokens | None = None,
    *,
    quiet: bool = False,
) -> Sequence[ConnectionReport]:
    """Test *units*, with *tokens* where one logs in with them, and do *more*; on a terminal tell what is under way."""
    import anyio
    from rich.console import Console

    from mailwicket.config.plugins import installed
    from mailwicket.net.machine import Machine
    from mailwicket.service.trial import Candidate, try_connections

    plugins = installed()
    machine = Machine(Path("/nonexistent"))  # a test keeps nothing
    machine.tokens = tokens
    candidates = []
    for unit, server in units.items():
        adapters = plugins.senders if unit.startswith(OUTGOING) else plugins.sources
        adapter = adapters[server.protocol](unit.partition("/")[2], server, machine)
        sending = (more or {}).get(unit)
        errands = tuple(_errands(unit, server, adapter, sending, machine)) if sending else ()
        candidates.append(Candidate(unit, f"{server.server}:{server.port}", adapter, errands))
    with Console(stderr=True, quiet=quiet).status("Testing") as status:  # on a terminal alone

        def tell(unit: str, stage: str) -> None:
            status.update(f"Testing {unit}: {stage}")

        return anyio.run(try_connections, candidates, tell)


def _errands(unit: str, server: Server, sender: Any, sending: Sending, machine: Net) -> Iterator[Errand]:  # noqa: ANN401
    """Yield what is sent by the adapter *sender*, a plug-in's perhaps."""
    from mailwicket.config.outgoing import Outgoing
    from mailwicket.config.plugins import installed
    from mailwicket.service.errands import RoundTrip, SendTo

    assert isinstance(server, Outgoing)  # noqa: S101 - or its unit were named otherwise
    if sending.to is not None:
        yield SendTo(unit, sender, server, sending.to)
    if sending.roundtrip:
        if (found := mailbox_for(server, sending.incoming)) is None:
            give_up(f"{unit}: no mailbox to wait in: none receives at its address, and none is primary", 2)
        name, box, address = found
        still = {"start_from": "now", "after": "leave", "poll_s": min(box.poll_s, ROUNDTRIP_POLL_S)}
        source = installed().sources[box.protocol](name, box.model_copy(update=still), machine)
        yield RoundTrip(unit, sender, server, INCOMING + name, source, address)


def mailbox_for(server: Outgoing, incoming: Mapping[str, Incoming]) -> tuple[str, Incoming, str] | None:
    """Return the mailbox, its name first, at which answers to *server* arrive, and the address; else the primary."""
    from mailwicket.rules.own import OwnAddresses

    enabled = {name: box for name, box in incoming.items() if box.enabled}
    places = {address: name for name, box in reversed(enabled.items()) for address in (box.email, *box.aliases)}
    own = OwnAddresses((), places)
    for address in filter(None, (server.reply_to, server.email)):
        if (name := own.source(address)) is not None:
            return name, enabled[name], address
    primary = next((name for name, box in enabled.items() if box.primary or len(enabled) == 1), None)
    return None if primary is None else (primary, enabled[primary], enabled[primary].email)


def _as_json(one: ConnectionReport) -> dict[str, object]:
    return {
        "unit": one.unit,
        "server": one.server,
        "ok": one.ok,
        "stages": [dataclasses.asdict(stage) for stage in one.stages],
    }


def show(reports: Sequence[ConnectionReport]) -> None:
    """Print *reports* for a person: one line a stage, what to do below one that failed."""
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True)
    for number, one in enumerate(reports):
        console.print(Text("\n" * bool(number) + f"{one.unit}  {one.server}", "bold"))
        for stage in one.stages:
            taken = "" if stage.state == "skipped" else f"{stage.ms} ms"
            line = Text(f"  {stage.state:8}", STYLES[stage.state])
            line.append(f" {stage.name:13} {taken:>8}  {one_line(stage.detail)}", "none")
            line.rstrip()
            console.print(line)
            if stage.fix:
                console.print(Text(f"  {'':8} fix: {one_line(stage.fix)}", "yellow"))
