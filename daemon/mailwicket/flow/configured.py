"""From conf.d to what the rules look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mailwicket.config.incoming import Incoming
from mailwicket.config.outgoing import Outgoing
from mailwicket.config.settings import Settings
from mailwicket.flow.posting import Posting, new_nonce
from mailwicket.flow.switchboard import Exchange, Switchboard
from mailwicket.flow.telling import Telling
from mailwicket.flow.writing import Writing
from mailwicket.mail.subject import SubjectTag
from mailwicket.mail.token import Keyring
from mailwicket.rules.directory import Directory, Person, Role
from mailwicket.rules.own import OwnAddresses, canonical
from mailwicket.rules.policy import Home, Policy
from mailwicket.rules.route import Mailbox


def policy_of(settings: Settings, keys: Keyring) -> Policy:
    """Return what *settings* say to the rules; *keys* sign and verify."""
    preferences = settings.preferences
    return Policy(
        own=_own(settings),
        directory=_directory(settings),
        preferences=preferences,
        homes={name: _home(name, unit) for name, unit in settings.incoming.items()},
        primary=_primary(settings),
        keys=keys,
        msp=settings.msp.enabled,
        tag=SubjectTag(preferences.subject_tag),
    )


def exchange_of(settings: Settings, keys: Keyring) -> Exchange:
    """Return what *settings* say of the servers that send; *keys* sign addresses for answers where that is asked."""
    mailboxes = {name: Mailbox(one.email, one.outgoing) for name, one in settings.incoming.items()}
    return Exchange(
        settings.outgoing,
        settings.outgoing_rule,
        mailboxes,
        _primary(settings),
        settings.preferences.allow_choosing_outgoing,
        _desks(settings.outgoing, settings.incoming),
        keys.plus_address if settings.preferences.plus_address else None,
    )


def telling_of(  # noqa: PLR0913 - by which rules and servers, in which words, and where it shows
    settings: Settings,
    policy: Policy,
    board: Switchboard,
    writing: Writing,
    *,
    desk: Callable[[], object],
    nonce: Callable[[], str] = new_nonce,
) -> Telling:
    """Return who tells people by *settings*, of which *policy* was made and *board* has adopted what is sent.

    *desk* shows what becomes of the mail, where it lives in our store.
    """
    desks = _desks(settings.incoming, settings.outgoing)
    posting = Posting(policy, settings.notification, board, desks=desks, nonce=nonce, writing=writing)
    return Telling(posting, desk)


def _desks(named: Mapping[str, Incoming | Outgoing], others: Mapping[str, Incoming | Outgoing]) -> Mapping[str, str]:
    """How the desk is called by the servers *named*: as they say, else as the one of the same address does."""
    titles = {canonical(one.email): one.title for one in reversed(list(others.values())) if one.title}
    return {name: one.title or titles.get(canonical(one.email), "") for name, one in named.items()}


def _primary(settings: Settings) -> str | None:
    """The mailbox that says so, or the only one that is enabled."""
    enabled = [name for name, one in settings.incoming.items() if one.enabled]
    alone = enabled[0] if len(enabled) == 1 else None
    return next((name for name in enabled if settings.incoming[name].primary), alone)


def _own(settings: Settings) -> OwnAddresses:
    """All that we receive at or send from, or that answers go to, of disabled servers too.

    Where two mailboxes share an address, an enabled one comes first.
    """
    sources: dict[str, str] = {}
    for name, unit in sorted(settings.incoming.items(), key=lambda item: not item[1].enabled):
        for address in (unit.email, *unit.aliases):
            sources.setdefault(canonical(address), name)
    sent_from = (one for server in settings.outgoing.values() for one in (server.email, server.reply_to) if one)
    return OwnAddresses(sent_from, sources)


def _home(name: str, unit: Incoming) -> Home:
    ids = frozenset(one.casefold() for one in unit.trusted_authserv_ids)
    edges = frozenset(one.casefold() for one in unit.trusted_received_by)
    return Home(name, unit.email, unit.group, unit.category, unit.company, unit.filter, ids, edges or ids)


def _directory(settings: Settings) -> Directory:
    people = [
        Person(
            canonical(address),
            one.name,
            Role.TECHNICIAN,
            one.active,
            groups=frozenset(one.groups),
            addresses=frozenset(map(canonical, (address, *one.addresses))),
        )
        for address, one in settings.technician.items()
    ]
    people += [
        Person(
            canonical(address),
            one.name,
            Role.REQUESTER,
            one.active,
            company=one.company,
            addresses=frozenset(map(canonical, (address, *one.addresses))),
        )
        for address, one in settings.requester.items()
    ]
    domains = {domain: name for name, company in settings.company.items() for domain in company.domains}
    return Directory(people, domains)
