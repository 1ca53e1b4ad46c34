"""Templates of admins: what they may say, what is refused and where, and that nothing gets out of the sandbox."""

# ruff: noqa: E501 - templates in tables are long

from __future__ import annotations

import time
from typing import Any, Final

import pytest
from markupsafe import Markup

from mailwicket.mail.wording import Failure, Passage, Person, TicketWords
from mailwicket.template import NAMES, OUTPUT_MAX_CHARS, SOURCE_MAX_CHARS, check_template, render

VALUES: Final[dict[str, Any]] = {
    "ticket": TicketWords(
        "7", "[#7]", "It burns", group="it", requester=Person("Ada", "ada@example.org"), cc=(Person("Bob", "b@example.org"), Person("c@example.org", "c@example.org"))
    ),
    "author": Person("Ada", "ada@example.org"),
    "words": Passage("Some words", Markup("<p>Some words</p>")),
    "quote": Passage(),
    "added": (),
    "failure": Failure(),
    "desk": "The Desk",
    "audience": "requester",
    "answer": "Just answer.",
    "for_technicians": False,
    "forwarded": False,
    "fixed": False,
}  # fmt: skip

ESCAPES: Final = [
    "{{ ''.__class__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ticket.__class__.__init__.__globals__ }}",
    "{{ ticket['__class__'] }}",
    "{{ ticket|attr('__class__') }}",
    "{{ author.__init__ }}",
    "{{ ().__class__.__base__ }}",
    "{{ [].append(1) }}",
    "{{ {}.__class__ }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ config }}",
    "{{ request }}",
    "{{ cycler.__init__.__globals__.os }}",
    "{{ joiner.__init__ }}",
    "{{ namespace.__init__ }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ range(10) }}",
    "{{ dict(a=1) }}",
    "{{ url_for.__globals__ }}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ '{0.__class__}'.format(ticket) }}",
    "{{ '{0.__class__}'|format(ticket) }}",
    "{{ '%s'|format(ticket) }}",
    "{{ ticket.subject.encode('utf-8') }}",
    "{{ words.text.__add__('x') }}",
    "{{ ticket.cc|map(attribute='__class__') }}",
    "{{ ticket.cc|map('upper')|list }}",
    "{{ ticket.cc|selectattr('__class__')|list }}",
    "{{ ticket.cc|groupby('__class__') }}",
    "{{ ticket.cc|sort(attribute='__class__') }}",
    "{{ ticket.cc|join(', ', '__class__') }}",
    "{{ words.text|xmlattr }}",
    "{{ words.text|safe }}",
    "{{ words.html|tojson }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% from 'os' import system %}",
    "{% extends 'frame.html' %}",
    "{% macro m() %}{{ caller() }}{% endmacro %}",
    "{% call ticket() %}{% endcall %}",
    "{% set x = ticket.__class__ %}",
    "{% set ns.x = 1 %}",
    "{% with x = ticket.__class__ %}{{ x }}{% endwith %}",
    "{% for x in ticket.__class__.__mro__ %}{{ x }}{% endfor %}",
    "{% for x in [1, 2] recursive %}{{ loop([3]) }}{% endfor %}",
    "{% filter upper %}{{ words.text }}{% endfilter %}",
    "{% block b %}{% endblock %}",
    "{% do 1 %}",
    "{% autoescape false %}{{ words.text }}{% endautoescape %}",
    "{% if ticket.__class__ %}x{% endif %}",
    "{% if false %}{{ ''.__class__ }}{% endif %}",
    "{{ 'x' if ''.__class__ else 'y' }}",
    "{{ loop.cycle('a', 'b') }}",
    "{{ ticket is mapping }}",
    "{{ ticket.number is callable }}",
]

COSTS: Final = [
    "{{ 'a' * 1000000000 }}",
    "{{ 10 ** 10 ** 10 }}",
    "{{ 7 * 7 }}",
    "{{ 'a'|center(1000000000) }}",
    "{{ words.text|truncate(1000000000) }}",
    "{{ words.text|wordwrap(10, true, 'aaaaaaaaaaaaaaaaa') }}",
    "{{ words.text|replace('a', 'aaaaaaaaa') }}",
    "{{ words.text|indent(1000000) }}",
    "{{ ticket.cc|join('a' * 1000000) }}",
    "{{ " + " ~ ".join(["words.text"] * 30) + " }}",
    "{{ " + "(" * 20000 + "1" + ")" * 20000 + " }}",
    "{{ " + "not " * 8000 + "fixed }}",
    "{% if fixed %}" * 3000 + "{% endif %}" * 3000,
    "{% for a in ticket.cc %}" * 3 + "x" + "{% endfor %}" * 3,
    "x" * (SOURCE_MAX_CHARS + 1),
]


@pytest.mark.parametrize("source", ESCAPES)
def test_whatever_leads_out_of_the_sandbox_is_refused(source: str) -> None:
    told = check_template(source)
    assert told is not None
    with pytest.raises(ValueError, match=r"."):
        render(source, VALUES, escapes=False)


@pytest.mark.parametrize("source", COSTS, ids=range(len(COSTS)))
def test_whatever_costs_without_bound_is_refused_at_once(source: str) -> None:
    begin = time.process_time()
    assert check_template(source) is not None
    assert time.process_time() - begin < 1


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (
            "\n\n{{ ticket.subjct }}",
            "line 3: names what there is not (nearest: subject); of it: number, tag, subject",
        ),
        ("{{ tikcet.tag }}", "line 1: names what there is not (nearest: ticket); ticket, author, words"),
        ("a\n{% if fixed %}", "line 2: Unexpected end of template"),
        ("{{ ticket }}", "line 1: shows what is no text; of it: number, tag"),
        ("{{ ticket.cc }}", "line 1: shows a list as it is; join it: |join(', ')"),
        ("{{ ticket.subject.x }}", "line 1: names something of what is a text"),
        ("{% for x in ticket.subject %}{% endfor %}", "line 1: goes through what is no list; added, ticket.cc"),
        (
            "{% for x in ticket.cc %}{{ x.adress }}{% endfor %}",
            "line 1: names what there is not (nearest: address)",
        ),
        ("{{ x }}{% for x in ticket.cc %}{% endfor %}", "line 1: names what there is not; ticket"),
        ("{{ words.text|uper }}", "line 1: has a filter that there is not here; capitalize, count"),
        ("{{ words.text|upper(1) }}", "line 1: gives the filter upper more than it takes here"),
        ("{% set x = 1 %}", "line 1: sets a name, which is not allowed here"),
        ("{{ 7 * 7 }}", "line 1: reckons, which is not allowed here"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_what_there_is(source: str, told: str) -> None:
    assert (check_template(source) or "").startswith(told)


@pytest.mark.parametrize("source", ["{{ CANARY }}", "{{ ticket.CANARY }}", "{{ ticket|CANARY }}", "{{ 1 is CANARY }}", "{% CANARY %}", "{% if CANARY %}", "CANARY {{", "{{ 'CANARY }}",
                                    "{% endCANARY %}", "{{ CANARY CANARY }}", "{% for CANARY %}", "{{ ticket['CANARY'] }}", "{{ ticket.subject|upper('CANARY') }}"])  # fmt: skip
def test_what_is_wrong_is_told_without_showing_it(source: str) -> None:
    told = check_template(source)
    assert told
    assert "CANARY" not in told


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("plain words", "plain words"),
        ("{{ ticket.tag }} {{ ticket.subject|upper }}", "[#7] IT BURNS"),
        ("{{ ticket.requester }}, {{ author.name }}", "Ada <ada@example.org>, Ada"),
        ("{{ ticket.cc|join(', ') }}", "Bob <b@example.org>, c@example.org"),
        ("{% for one in ticket.cc %}{{ loop.index }} {{ one.name }};{% endfor %}", "1 Bob;2 c@example.org;"),
        ("{% for one in added %}x{% else %}nobody{% endfor %}", "nobody"),
        ("{% if ticket.cc|length == 2 and not fixed %}yes{% endif %}", "yes"),
        ("{% if audience in ['cc', 'requester'] %}people{% elif fixed %}x{% else %}others{% endif %}", "people"),
        ("{{ quote.text|default('nothing', true) }}", "nothing"),
        ("{{ answer|truncate(4) }}", "J..."),
        ("{{ 'a' if fixed else 'b' }}{# a remark #}", "b"),
        ("{{ ticket.number ~ '/' ~ ticket.group }}", "7/it"),
        ("{% raw %}{{ 7*7 }}{% endraw %}", "{{ 7*7 }}"),
    ],
)
def test_what_is_allowed_works(source: str, expected: str) -> None:
    assert check_template(source) is None
    assert expected == render(source, VALUES, escapes=False)


def test_html_is_escaped_unless_it_is_sanitised_already() -> None:
    values = {**VALUES, "author": Person("<b>&", "a@example.org")}
    told = render("{{ author.name }} {{ author }} {{ words.html }} {{ ticket.cc|join('<br>') }}", values, escapes=True)
    assert told.startswith("&lt;b&gt;&amp; &lt;b&gt;&amp; &lt;a@example.org&gt; <p>Some words</p> ")
    assert "<br>" not in told


def test_what_becomes_too_long_is_refused_while_it_grows() -> None:
    source = "{% for a in ticket.cc %}{% for b in ticket.cc %}" + "{{ words.text }}" * 20 + "{% endfor %}{% endfor %}"
    values = {**VALUES, "words": Passage("x" * 10_000), "ticket": TicketWords("1", "", "", cc=(Person("a", "a"),) * 50)}
    assert check_template(source) is None
    with pytest.raises(ValueError, match=f"longer than {OUTPUT_MAX_CHARS}"):
        render(source, values, escapes=False)


def test_every_name_that_is_documented_can_be_shown() -> None:
    assert set(NAMES) == set(VALUES)
    for name, shape in NAMES.items():
        if isinstance(shape, dict):
            for inner, kind in shape.items():
                source = f"{{{{ {name}.{inner}{'|join' if isinstance(kind, list) else ''} }}}}"
                assert check_template(source) is None, source
                render(source, VALUES, escapes=True)
