"""What an admin may ask of the outbox while the daemon runs (`web.outbox`)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from mailwicket.errors import ConflictError
from mailwicket.flow.judge import utc_now
from mailwicket.flow.posting import meant_for
from mailwicket.model import TicketNumber
from mailwicket.outgoing import Event
from mailwicket.ports import Transaction
from mailwicket.rules.own import canonical
from mailwicket.service.couriers import Couriers
from mailwicket.store import audit, outlist
from mailwicket.store.audit import Deed
from mailwicket.store.outbox import OutboxId
from mailwicket.store.outlist import Anew
from mailwicket.store.store import Store
from mailwicket.timestamp import timestamp

log = logging.getLogger(__name__)


class Outgoing:
    """Answers from the store, and changes it."""

    def __init__(self, store: Store, couriers: Couriers) -> None:
        """Ask *store*; what is retried goes by *couriers*."""
        self._store = store
        self._couriers = couriers

    def listed(self, *, every: bool, ticket: int | None) -> list[dict[str, Any]]:
        """See `store.outlist.listed`."""
        number = None if ticket is None else TicketNumber(ticket)
        return self._store.read(lambda tx: outlist.listed(tx, every=every, ticket=number))

    def shown(self, outbox_id: int) -> Mapping[str, Any]:
        """See `store.outlist.shown`."""
        return self._store.read(lambda tx: outlist.shown(tx, OutboxId(outbox_id)))

    def routes(self, ticket: int) -> list[dict[str, Any]]:
        """See `store.outlist.routes`."""
        return self._store.read(lambda tx: outlist.routes(tx, TicketNumber(ticket)))

    async def retry(self, outbox_id: int, who: str) -> str:
        """Try a mail again now, as *who* asks; return what happens.

        Raises:
            UnknownError: there is no such mail.
            ConflictError: it is sent, or is being sent; or no server is enabled.
        """
        posting, board = self._couriers.telling.posting, self._couriers.board

        def job(tx: Transaction) -> str:
            mail = outlist.shown(tx, OutboxId(outbox_id))
            facts = outlist.facts(tx, mail["ticket"])
            route = board.route(posting.question(Event(mail["event"]), facts, mail["chosen"]))
            if route is None:
                raise ConflictError("no outgoing server is enabled")
            known = board.exchange.servers
            meant = meant_for(Event(mail["event"]), route)
            outlist.retry(tx, OutboxId(outbox_id), utc_now(), Anew(meant, posting.told(route), known))
            _note(tx, who, "retry", str(outbox_id))
            return route.via

        via = await self._store.write(job)
        log.info("mail is tried again mail=%s via=%s", outbox_id, via)
        board.wake()
        return f"is tried again now, by outgoing/{via}"

    async def cancel(self, outbox_id: int, who: str) -> str:
        """Have a mail not sent, as *who* asks; return what happens.

        Raises:
            UnknownError: there is no such mail.
            ConflictError: it does not wait.
        """

        def job(tx: Transaction) -> None:
            outlist.cancel(tx, OutboxId(outbox_id), utc_now())
            _note(tx, who, "cancel", str(outbox_id))

        await self._store.write(job)
        log.info("mail cancelled mail=%s", outbox_id)
        self._couriers.board.wake()
        return "is not sent"

    def paused(self) -> list[dict[str, Any]]:
        """See `store.outlist.paused`."""
        return self._store.read(outlist.paused)

    async def unpause(self, address: str, who: str) -> None:
        """Have mail sent to *address* again, as *who* asks.

        Raises:
            UnknownError: it is not paused.
        """

        def job(tx: Transaction) -> None:
            outlist.unpause(tx, address, utc_now())
            _note(tx, who, "unpause", canonical(address))

        await self._store.write(job)
        log.info("address no longer paused")


def _note(tx: Transaction, who: str, verb: str, what: str) -> None:
    audit.note(tx, Deed(who, f"outbox.{verb}", what), timestamp(utc_now()))
