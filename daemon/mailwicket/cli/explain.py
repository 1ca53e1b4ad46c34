"""`mailwicket explain`: what a mail says, read as the daemon reads it. No configuration, store or network."""

from __future__ import annotations

import json
import mmap
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailwicket.cli.terminal import be_lenient, block, one_line
from mailwicket.mail.charset import clean

if TYPE_CHECKING:
    from mailwicket.model import Mail

STDIN = "-"


def explain(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help='RFC 5322 messages; "-" is standard input.')],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a file, one line each.")] = False,
) -> None:
    """Tell what each mail says. A file that cannot be read stops nothing; exit 1 at the end if there was one."""
    be_lenient()
    bad = False
    for number, file in enumerate(files):
        try:
            told = {"file": clean(file), **_explained(file)}
        except OSError as error:
            bad = True
            told = {"file": clean(file), "error": (error.strerror or str(error)).lower()}
        except Exception as error:  # noqa: BLE001 - a mistake of ours about one mail must not hide what the others say
            bad = True
            told = {"file": clean(file), "error": f"not understood: {clean(repr(error))}"}
        if as_json:
            print(json.dumps(told), flush=True)
        else:
            print("\n" * bool(number) + "\n".join(_sheet(told)))
    raise typer.Exit(1 if bad else 0)


def _explained(file: str) -> dict[str, Any]:
    from mailwicket.mail.explain import explain as fields

    return fields(_read(file))


def _read(file: str) -> Mail:
    from mailwicket.mail.parse import parse

    if file == STDIN:
        return parse(sys.stdin.buffer.read())
    with Path(file).open("rb") as opened:
        try:
            mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        except (ValueError, OSError):  # empty, or a pipe
            return parse(opened.read())
        with mapped:
            return parse(mapped)


def _sheet(told: dict[str, Any]) -> list[str]:
    """The lines for a person to read."""
    if "error" in told:
        return [f"{one_line(told['file'])}: {told['error']}"]
    facts = {
        "file": told["file"],
        "subject": told["subject"],
        "from": _person(told["from"]) if told["from"] else "nobody that can be read",
        "to": ", ".join(map(_person, told["to"])),
        "cc": ", ".join(map(_person, told["cc"])),
        "reply to": ", ".join(map(_person, told["reply_to"])),
        "date": told["date"] or "none",
        "id": told["message_id"] or "none",
        "answers": ", ".join(dict.fromkeys([*filter(None, [told["in_reply_to"]]), *told["references"]])),
        "automatic": told["auto_submitted"]["reason"],
        "bounce": _bounce(told["bounce"]),
        "forward of": _original(told["forwarded"]),
        "damage": ", ".join(told["damage"]),
    }
    lines = [f"{name:<10} {one_line(value)}" for name, value in facts.items() if value]
    for one in told["attachments"]:
        how = "inline" if one["inline"] else "attached"
        name, kind = one_line(one["filename"] or "without a name"), one_line(one["content_type"])
        lines.append(f"{how:<10} {name} ({kind}, {one['size']} bytes, sha256 {one['sha256'][:12]})")
    own = block(told["reply_text"]).strip("\n")
    return [*lines, "", *(own.split("\n") if own else ["(no words of the writer's own)"])]


def _person(one: dict[str, str | None]) -> str:
    return f"{one['name']} <{one['address']}>" if one["name"] else str(one["address"])


def _bounce(told: dict[str, Any]) -> str:
    if not told["is_bounce"]:
        return ""
    what = {True: "given up", False: "only late", None: "unclear"}[told["permanent"]]
    return f"{what}: {', '.join(told['recipients']) or 'nobody named'}"


def _original(told: dict[str, Any]) -> str:
    if not told["is_forward"]:
        return ""
    author = _person(told["original_from"]) if told["original_from"] else "somebody"
    return f"{told['original_subject'] or 'a mail'} by {author}"
