"""The reference of every table and key, from the models: `python -m mailwicket.config.reference > docs/config.md`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel

from mailwicket.config.examples import ERRORS, EXAMPLES
from mailwicket.config.filter import Filter
from mailwicket.config.incoming import Incoming
from mailwicket.config.keys import Key, keys_of
from mailwicket.config.model import UNIT_NAME
from mailwicket.config.plugins import Plugins, installed
from mailwicket.config.preferences import ReplyToClosed
from mailwicket.config.secret import COMMAND_S, LIMIT_BYTES
from mailwicket.config.settings import Backend
from mailwicket.config.tables import ENTRIES, EVENTS, LISTED, PLAIN, UNITS, shown

HEAD: Final = """\
# Configuration

Written by `python -m mailwicket.config.reference > docs/config.md` from the models; a test compares.

mailwicket reads the directory of `--conf DIR`, else of the variable `MAILWICKET_CONF`, else `/etc/mailwicket/conf.d`.
`mailwicket check` tells every error in it, offline. Tables: {tables}.

## How files merge

- Files named `*.toml` are read in byte order of their names: `00-daemon.toml` before `10-incoming.toml` before
  `a.toml`. Hidden files, directories below and leftovers (`x.toml~`, `x.toml.bak`, `x.toml.dpkg-old`,
  `x.toml.rpmnew`, `.x.toml.swp`) are not.
- A file is TOML 1.0 in UTF-8 without a byte order mark.
- Tables of the same name become one, key by key. Of a key that is set twice the later file wins, as with drop-ins of
  systemd, and `check` prints a note that names both places. Lists and secrets are replaced as a whole.
- The tables `[[outgoing_rule]]` of all files are one list, in the order of the files; the environment replaces it.
- An unknown table or key is an error: a mistyped key never means its default.

```toml
# 90-local.toml: this machine differs from the files that are rolled out everywhere
[daemon]
log_level = "debug"
```

## Environment

`MAILWICKET__TABLE__KEY` overrides the files, in letters of either case. A value is written as in a file; text may leave
its quotes out. A name that leads to no key is an error. Shells take no `-` in a name, so a unit that shall be reached
has none either.

```sh
MAILWICKET__DAEMON__LOG_LEVEL=debug
MAILWICKET__HTTP__LISTEN='["127.0.0.1:8025"]'
MAILWICKET__INCOMING__SUPPORT__PASSWORD__FILE=/run/secrets/support
```

`MAILWICKET_CONF`, `STATE_DIRECTORY`, `CREDENTIALS_DIRECTORY` and `SSL_CERT_FILE` are read, too.

## Secrets

A key that holds a secret takes one of five forms:

| form | the secret is |
|---|---|
| `"text"` | that text. The file is then a secret itself |
| `{{ credential = "NAME" }}` | the file `NAME` in `$CREDENTIALS_DIRECTORY`, where systemd puts `LoadCredential=` |
| `{{ file = "PATH" }}` | what the file holds |
| `{{ env = "NAME" }}` | what the variable of the environment holds |
| `{{ command = ["PROGRAM", "ARGUMENT"] }}` | what the program prints within {command_s} s; it gets no shell or input |

One line end behind it is not part of it; it is UTF-8, not empty, at most {limit_kib} KiB.

```toml
[incoming.support]
email = "support@example.org"
server = "imap.example.org"
password = {{ command = ["pass", "show", "mail/support"] }}

[incoming.billing]
email = "billing@example.org"
server = "imap.example.org"
password = {{ credential = "billing" }}   # systemd: LoadCredential=billing:/etc/mailwicket/billing.password
```

`check` notes a secret that cannot be had now, and one in a file that everybody may read (`chmod o-r`). `run` blocks
only the server whose secret is missing, with reason `secret_missing`.

## What `check` prints

Errors go to standard error, one a line, all at once, as `FILE:LINE: KEY: what is wrong; what is allowed (nearest known
key: ...)`; one of the environment begins with `environment NAME`. Notes go to standard output and begin with `note:`.
Text that stands behind a key is never shown: it may be a password behind a mistyped one. While a file cannot be read,
nothing is called missing. Exit status 0: no error; 1: errors. From this file

```toml
# conf.d/10-incoming.toml
[incoming.support]
email = "support"
server = "imap.example.org"
pasword = "secret"
poll_s = 0
```

come these lines:

```text
{errors}
```

`check --json` prints one object, `line` null where there is none:
`{{"ok": bool, "errors": [{{"file", "line", "key", "message"}}], "notes": [the same]}}`.

`mailwicket run` prints the same errors and ends with status 78.
"""


def reference() -> str:
    """Return the page."""
    tables: dict[str, type[BaseModel]] = {**PLAIN, "backend": Backend}
    tables |= {shown(name): model for name, model in {**UNITS, **LISTED}.items()}
    tables |= {"incoming.NAME.filter": Filter, "preferences.reply_to_closed": ReplyToClosed}
    tables |= {shown(name): model for name, model in ENTRIES.items()}
    secret = keys_of(Incoming)["password"].allowed
    head = HEAD.format(
        tables=", ".join(f"[`{_header(name)}`](#{_anchor(name)})" for name in tables),
        command_s=COMMAND_S,
        limit_kib=LIMIT_BYTES // 1024,
        errors=ERRORS.format(secret=secret),
    )
    sections = [text for name, model in tables.items() for text in (_section(name, model), *_types(name))]
    return "\n".join([head, *sections])


def _types(name: str) -> list[str]:
    """Return a section for each of our own types of a table, where the type brings keys; plug-ins tell of theirs."""
    if name in _PROTOCOLS:
        return _protocols(name)
    if name != "backend":
        return []
    ours = {kind: one for kind, one in installed().backends.items() if one.__module__.startswith("mailwicket.")}
    return [
        _table(f'### `[backend]` with `type = "{kind}"`', adapter.Config, EXAMPLES[kind])
        for kind, adapter in sorted(ours.items())
        if keys_of(adapter.Config)
    ]


_PROTOCOLS: Final[Mapping[str, Callable[[Plugins], Mapping[str, Any]]]] = {
    "incoming.NAME": lambda plugins: plugins.sources,
    "outgoing.NAME": lambda plugins: plugins.senders,
}


def _protocols(table: str) -> list[str]:
    """Return a section for each of our own protocols that has keys other than those of all, with just these."""
    common = keys_of(UNITS[table.partition(".")[0]])
    kinds: dict[Any, list[str]] = {}
    for kind, adapter in sorted(_PROTOCOLS[table](installed()).items()):
        if adapter.__module__.startswith("mailwicket."):
            kinds.setdefault(adapter, []).append(kind)
    found: list[str] = []
    for adapter, names in kinds.items():
        keys = {name: key for name, key in keys_of(adapter.Config).items() if key != common.get(name)}
        if keys:
            told = " or ".join(f'`protocol = "{kind}"`' for kind in names)
            gone = ", ".join(f"`{name}`" for name in common if name not in keys_of(adapter.Config))
            more = [f"The keys above, without {gone}; these differ:", ""]
            example = EXAMPLES[f"{table} {names[0]}"]
            found.append(_table(f"### `[{table}]` with {told}", adapter.Config, example, more, keys))
    return found


def _section(name: str, model: type[BaseModel]) -> str:
    more: list[str] = []
    if name in map(shown, UNITS):
        more = [f"`NAME`: {UNIT_NAME.words}.", ""]
    if name == shown("notification"):
        more = [f"`EVENT`: {', '.join(f'`{event}`' for event in EVENTS)}.", ""]
    example = EXAMPLES.get(name) or EXAMPLES[name.partition(".")[0]]
    return _table(f"## `{_header(name)}`", model, example, more)


def _table(
    heading: str,
    model: type[BaseModel],
    example: str,
    more: Sequence[str] = (),
    keys: Mapping[str, Key] | None = None,
) -> str:
    """Return a section with the *keys* of *model*, all where none are given."""
    lines = [heading, "", (model.__doc__ or "").split("\n\n")[0].strip(), "", *more]
    lines += ["| key | what it is | allowed | default |", "|---|---|---|---|"]
    lines += [
        f"| `{key_name}` | {key.description} | {_cell(key.allowed)} | {_default(key)} |"
        for key_name, key in (keys or keys_of(model)).items()
    ]
    return "\n".join([*lines, "", "```toml", example.rstrip(), "```", ""])


def _default(key: Key) -> str:
    if key.required:
        return "required"
    return _cell(key.default) if key.default else "none"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _header(name: str) -> str:
    return f"[[{name}]]" if name in LISTED else f"[{name}]"


def _anchor(name: str) -> str:
    return name.lower().replace(".", "").replace('"', "")


if __name__ == "__main__":
    sys.stdout.write(reference())
