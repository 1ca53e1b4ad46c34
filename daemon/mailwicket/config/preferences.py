"""`[preferences]` and `[msp]`: what the desk does with mail, for all mailboxes alike."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Strict

from mailwicket.config.model import Says, Table, Text, wrong
from mailwicket.config.pattern import Pattern

NUMBER: Final = "{number}"


def _on_off(value: Any) -> Any:  # noqa: ANN401 - whatever TOML holds
    if isinstance(value, bool):
        return "on" if value else "off"
    return value


def _subject_tag(value: str) -> str:
    if value.count(NUMBER) != 1:
        raise wrong(f"does not hold {NUMBER} once")
    if not value.replace(NUMBER, "").strip():
        raise wrong("is nothing but the number, which stands in many a subject")
    return value


def _check_dkim(value: bool) -> bool:  # noqa: FBT001 - a validator
    if value and find_spec("dkim") is None:
        raise wrong('needs the extra "auth": pip install "mailwicket[auth]"')
    return value


class ReplyToClosed(Table):
    """What a reply to a closed ticket does."""

    action: Literal["add", "reopen", "new"] = Field(
        default="reopen",
        description="`add`: the reply is added and the ticket stays closed. `reopen`: within `grace_days` after it was "
        "closed the ticket is open again, later a new one is opened and linked. `new`: always a new one.",
    )
    grace_days: int = Field(
        default=7,
        ge=0,
        le=36_500,
        description="Days of 24 hours from the last close to the moment when our mail server received the reply, the "
        "last moment included; 0: always a new ticket.",
    )


class Preferences(Table):
    """What becomes of mail, and who may do what by it."""

    email_to_ticket: Annotated[
        Literal["on", "off", "paused"], BeforeValidator(_on_off), Says('"on", "off" or "paused"')
    ] = Field(
        default="on",
        description="`off`: replies still join their ticket, new mail is parked. `paused`: no mail is fetched. true "
        "and false mean on and off.",
    )
    allow_guests: bool = Field(
        default=True,
        description="Whether somebody who is not in the directory may open a ticket; else such mail is parked. Who is "
        "on a ticket already may reply in either case.",
    )
    cc_from: Annotated[tuple[Literal["to", "cc"], ...], Strict(strict=False)] = Field(
        default=("cc",), description="Which recipients of the mail that opens a ticket become its CCs."
    )
    requester_from_reply_to: bool = Field(
        default=False, description="Whether the Reply-To of a mail, where it is usable, names the requester."
    )
    forwarded_by_technician_uses_original_sender: bool = Field(
        default=False,
        description="Whether a new mail that a technician forwards is opened for the one who wrote the forwarded mail.",
    )
    allow_choosing_outgoing: bool = Field(
        default=False, description="Whether a technician may choose by which outgoing server a reply goes."
    )
    reply_to_closed: ReplyToClosed = Field(
        default_factory=ReplyToClosed,
        description="What a reply to a closed ticket does.",
        json_schema_extra={"default": '{action = "reopen", grace_days = 7}'},
    )
    reply_from_other_technician: Literal["collaboration", "reply"] = Field(
        default="collaboration",
        description="What a mail is that a technician other than the assigned one sends into a ticket: for technicians "
        "only, or a public reply.",
    )
    cc_from_replies: Literal["participants", "never"] = Field(
        default="participants", description="Whose replies add their CCs to the ticket."
    )
    technician_cc: Literal["follower", "cc", "drop"] = Field(
        default="follower", description="What a technician among the recipients of a mail becomes."
    )
    max_cc: int = Field(
        default=48, ge=0, le=1000, description="The most CCs that a ticket has; further ones are flagged."
    )
    cross_mailbox: Literal["one", "per_mailbox"] = Field(
        default="one", description="Whether one mail to several of our addresses is one ticket, or one for each."
    )
    auth_policy: Literal["quarantine", "flag", "off"] = Field(
        default="quarantine",
        description="What a failed authentication (DMARC) does: `quarantine` parks the mail where the domain asks for "
        "it and flags it elsewhere, `flag` flags it, `off` does not look.",
    )
    technician_proof: Literal["required", "none"] = Field(
        default="required",
        description="Whether a technician's mail needs proof (an authentication pass, for public replies one of our "
        "Message-IDs as well) to act as a technician's. `none`: whoever writes his address is believed.",
    )
    subject_tag: Annotated[Text, AfterValidator(_subject_tag), Says(f"text that holds {NUMBER} once")] = Field(
        default="[#{number}]", description="How a ticket's number stands in a subject."
    )
    no_reopen_patterns: Annotated[tuple[Pattern, ...], Strict(strict=False)] = Field(
        default=(),
        description="Regular expressions (RE2): a short reply that one of them is found in is added to a closed ticket "
        "without opening it again.",
    )
    refusal_notice: bool = Field(
        default=False, description="Whether a sender whose mail was refused is told, if he is authenticated; rarely."
    )
    plus_address: bool = Field(
        default=False,
        description="Whether our Reply-To carries the ticket's token (`desk+TOKEN@example.org`). Incoming ones always "
        "count.",
    )
    body_marker: bool = Field(
        default=False,
        description="Whether our mail carries the ticket's token in its text. Incoming ones always count.",
    )
    check_dkim: Annotated[bool, AfterValidator(_check_dkim)] = Field(
        default=False,
        description="Whether DKIM signatures are also verified by ourselves. Needs name servers, and the extra `auth`.",
    )


class Msp(Table):
    """A desk that serves several companies."""

    enabled: bool = Field(default=False, description="Whether `company` of a mailbox counts.")
