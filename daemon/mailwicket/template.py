"""Templates of admins: a small part of Jinja in a sandbox, with known names, bounded in what it costs and writes.

What is not expressly allowed is refused when the configuration is loaded: no calls, no assignments, no arithmetic, no
attribute that is not in `NAMES`. What mails say are values: nothing in them is ever read as a template.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes, pass_eval_context
from jinja2.filters import do_join
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import escape

SOURCE_MAX_CHARS: Final = 64 * 1024
OUTPUT_MAX_CHARS: Final = 256 * 1024
OUTPUT_MAX_BYTES: Final = 700_000
"""In UTF-8: of a text that is longer when it is encoded, `mail.parse` reads no more than a part."""

LOOPS_MAX: Final = 2
"""One within the other."""

WIDTH_MAX: Final = 10_000

JOINED_MAX: Final = 20
"""Pieces of one expression joined by `~`."""

_PERSON: Final[Mapping[str, Any]] = {"name": None, "address": None}
_WORDS: Final[Mapping[str, Any]] = {"text": None, "html": None}
NAMES: Final[Mapping[str, Any]] = {
    "ticket": {
        "number": None,
        "tag": None,
        "subject": None,
        "status": None,
        "group": None,
        "requester": _PERSON,
        "assignee": _PERSON,
        "cc": [_PERSON],
    },
    "author": _PERSON,
    "words": _WORDS,
    "quote": _WORDS,
    "added": [_PERSON],
    "failure": {"address": None, "told": None},
    "desk": None,
    "audience": None,
    "answer": None,
    "for_technicians": None,
    "forwarded": None,
    "fixed": None,
}
"""What a template may name: of a list, what its members have."""

_LOOP: Final[Mapping[str, Any]] = {"index": None, "first": None, "last": None, "length": None}
FILTERS: Final = {
    "upper": 0, "lower": 0, "capitalize": 0, "title": 0, "trim": 0, "default": 2, "d": 2, "length": 0, "count": 0,
    "first": 0, "last": 0, "join": 1, "truncate": 3, "wordwrap": 1, "e": 0, "escape": 0, "striptags": 0,
}  # fmt: skip
"""By name, how many values each takes here."""
_TESTS: Final = frozenset({"defined", "undefined", "none", "true", "false", "in", "eq", "ne", "equalto", "odd", "even"})
_NODES: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.Getattr, nodes.If, nodes.CondExpr,
    nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Test, nodes.Filter, nodes.Concat, nodes.For,
    nodes.List, nodes.Tuple,
)  # fmt: skip
_QUOTED: Final = re.compile(r"'([^']*)'")
_JINJA: Final = frozenset(
    {"if", "elif", "else", "endif", "for", "in", "endfor", "is", "not", "and", "or", "end of template",
     "end of print statement", "end of statement block", "begin of print statement", "begin of statement block",
     "%}", "}}", "#}", "{{", "{%", "{#", "(", ")", "[", "]", "{", "}", ",", ":", ".", "|", "~", "name"}
)  # fmt: skip
_KINDS: Final[Mapping[type[nodes.Node], str]] = {
    nodes.Call: "calls something",
    nodes.Getitem: "asks for an item by [...]",
    nodes.Assign: "sets a name",
    nodes.AssignBlock: "sets a name",
    nodes.Include: "includes another template",
    nodes.Import: "imports another template",
    nodes.FromImport: "imports another template",
    nodes.Extends: "extends another template",
    nodes.Macro: "defines a macro",
    nodes.BinExpr: "reckons",
}


@pass_eval_context
def _joined(context: nodes.EvalContext, value: object, by: str = "") -> str:
    """Join the members of a list; a text is one already, so that nothing grows by being joined again and again."""
    if isinstance(value, str) or not isinstance(value, tuple):
        return str(value) if not context.autoescape else escape(value)
    told: str = do_join(context, value, by)
    return told


def _environment(*, escapes: bool) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        autoescape=escapes, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    allowed = {name: told for name, told in environment.filters.items() if name in FILTERS}
    environment.filters = {**allowed, "join": _joined}
    environment.tests = {name: told for name, told in environment.tests.items() if name in _TESTS}
    environment.globals = {}
    return environment


_PLAIN: Final = _environment(escapes=False)
_ESCAPING: Final = _environment(escapes=True)


def check_template(source: str) -> str | None:
    """Return what is wrong with a template, with its line, and what is allowed; None for nothing."""
    if len(source) > SOURCE_MAX_CHARS:
        return f"is longer than {SOURCE_MAX_CHARS} characters"
    try:
        tree = _PLAIN.parse(source)
        _Check().read(tree)  # before it is compiled: that reckons what is constant
        _PLAIN.compile(tree)
    except TemplateSyntaxError as error:
        return f"line {error.lineno}: {_QUOTED.sub(_known, error.message or '').rstrip('.')}"
    except TemplateError:
        return "is no template"
    except _RefusedError as refused:
        return str(refused)
    except (RecursionError, MemoryError, OverflowError, SyntaxError):
        return "is nested too deeply"
    return None


def _known(found: re.Match[str]) -> str:
    """What Jinja quotes, if it is a word of its own: text of a configuration is shown to nobody."""
    return found[0] if found[1] in _JINJA else "..."


def render(source: str, values: Mapping[str, Any], *, escapes: bool) -> str:
    """Return *source*, which `check_template` found nothing wrong with, filled with *values*.

    *escapes*: what stands in for a name is HTML-escaped, unless it is `markupsafe.Markup`.

    Raises:
        ValueError: it cannot be filled, or becomes longer than OUTPUT_MAX_CHARS.
    """
    pieces, length = [], 0
    try:
        for piece in _compiled(source, escapes).generate(values):
            pieces.append(piece)
            length += len(piece)
            if length > OUTPUT_MAX_CHARS:
                raise ValueError(f"becomes longer than {OUTPUT_MAX_CHARS} characters")
    except (TemplateError, TypeError, ArithmeticError, AttributeError, LookupError) as error:
        raise ValueError(str(error)) from error
    told = "".join(pieces)
    if len(told.encode("utf-8", "replace")) > OUTPUT_MAX_BYTES:
        raise ValueError(f"becomes longer than {OUTPUT_MAX_BYTES} bytes")
    return told


@lru_cache(256)
def _compiled(source: str, escapes: bool) -> Template:  # noqa: FBT001 - a key of the cache
    if (told := check_template(source)) is not None:
        raise ValueError(told)
    return (_ESCAPING if escapes else _PLAIN).from_string(source)


class _RefusedError(Exception):
    """Carries what is wrong."""


class _Check:
    """Walks through a template; names in sight are those of NAMES and of the loops around."""

    def __init__(self) -> None:
        self._names: list[Mapping[str, Any]] = [NAMES]

    def read(self, node: nodes.Node) -> None:
        if not isinstance(node, _NODES):
            what = next(
                (told for kind, told in _KINDS.items() if isinstance(node, kind)), "uses what Jinja offers more"
            )
            raise _at(node, f"{what}, which is not allowed here; names, if, for and simple filters are")
        if isinstance(node, nodes.Name | nodes.Getattr):
            self._name(node)
            return
        if isinstance(node, nodes.Output) and (lists := [one for one in node.nodes if self._is_list(one)]):
            raise _at(lists[0], "shows a list as it is; join it: |join(', ')")
        if isinstance(node, nodes.For):
            self._loop(node)
            return
        if isinstance(node, nodes.Filter):
            self._filter(node)
        if isinstance(node, nodes.Test) and node.name not in _TESTS:
            raise _at(node, f"has a test that there is not here; {', '.join(sorted(_TESTS))}")
        if isinstance(node, nodes.Concat) and len(node.nodes) > JOINED_MAX:
            raise _at(node, f"joins more than {JOINED_MAX} pieces in one expression")
        for child in node.iter_child_nodes():
            self.read(child)

    def _name(self, node: nodes.Name | nodes.Getattr) -> None:
        shape = self._shape(node)
        if isinstance(shape, Mapping) and shape is not _PERSON:
            raise _at(node, f"shows what is no text; of it: {', '.join(shape)}")

    def _is_list(self, node: nodes.Node) -> bool:
        return isinstance(node, nodes.Name | nodes.Getattr) and isinstance(self._shape(node), list)

    def _filter(self, node: nodes.Filter) -> None:
        if node.name not in FILTERS or node.node is None:
            raise _at(node, f"has a filter that there is not here; {', '.join(sorted(FILTERS))}")
        if node.dyn_args or node.dyn_kwargs or node.kwargs or len(node.args) > FILTERS[node.name]:
            raise _at(node, f"gives the filter {node.name} more than it takes here, or gives it by name")
        for one in node.args:
            if not isinstance(one, nodes.Const) or (isinstance(one.value, int) and not 0 <= one.value <= WIDTH_MAX):
                raise _at(node, f"gives the filter {node.name} other than a text or a number from 0 to {WIDTH_MAX}")

    def _loop(self, node: nodes.For) -> None:
        if len(self._names) > LOOPS_MAX or node.recursive:
            raise _at(node, f"has more than {LOOPS_MAX} loops one within the other")
        if not isinstance(node.target, nodes.Name):
            raise _at(node, "takes members of a list apart, which is not allowed here")
        shape = self._shape(node.iter)
        if not isinstance(shape, list):
            raise _at(node, "goes through what is no list; added, ticket.cc")
        self._names.append({node.target.name: shape[0], "loop": _LOOP})
        for child in [*([node.test] if node.test else []), *node.body]:
            self.read(child)
        self._names.pop()
        for child in node.else_:
            self.read(child)

    def _shape(self, node: nodes.Node) -> Any:  # noqa: ANN401 - a piece of NAMES
        if isinstance(node, nodes.Name):
            known: Mapping[str, Any] = {name: told for scope in self._names for name, told in scope.items()}
            return _of(node, node.name, known, "")
        if not isinstance(node, nodes.Getattr):
            raise _at(node, "asks something of what is no name, which is not allowed here")
        shape = self._shape(node.node)
        if not isinstance(shape, Mapping):
            raise _at(node, "names something of what is a text")
        return _of(node, node.attr, shape, "of it: ")


def _of(node: nodes.Node, name: str, known: Mapping[str, Any], where: str) -> Any:  # noqa: ANN401
    if name not in known:
        near = difflib.get_close_matches(name, list(known), 1)
        hint = f" (nearest: {near[0]})" if near else ""
        raise _at(node, f"names what there is not{hint}; {where}{', '.join(known)}")
    return known[name]


def _at(node: nodes.Node, what: str) -> _RefusedError:
    return _RefusedError(f"line {node.lineno}: {what}")
