"""Lines of keys, against documents whose writer noted them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from random import Random
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailwicket.config.locate import TreePath, locate

NAMES = st.sampled_from(["a", "b-1", "_", "7", "é", "", "a.b", "#", "]", "=", '"', "'", "\\", "\t", "x\ny", "[["])
TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=12),
    st.text(st.sampled_from("a\n'\"\\#]},= \t"), max_size=12),
)
PLAIN = st.one_of(
    TEXTS,
    st.integers(-(10**6), 10**6),
    st.booleans(),
    st.floats(allow_nan=False),
    st.dates(min_value=date(1, 1, 1)),
    st.just(datetime(2026, 1, 31, 12, 30, tzinfo=UTC)),
    st.times(),
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=5)


class Writer:
    """Writes a document in one of its many ways, and notes the line of each table, key and element."""

    def __init__(self, chance: Random) -> None:
        self.text = ""
        self.lines: dict[TreePath, int] = {}
        self._chance = chance

    def table(self, path: TreePath, table: Mapping[str, Any], *, header: bool = True) -> None:
        """Pairs come before headers: behind a header, they would be that table's."""
        ways = {name: self._way(value) for name, value in table.items()}
        pairs = [name for name, way in ways.items() if way in {"pair", "dotted"}]
        tables = [name for name in table if name not in pairs]
        late = bool(tables) and header and self._chance.random() < 0.2 and isinstance(path[-1], str)
        if header and not late and (pairs or not tables or self._chance.random() < 0.5):
            self._header(path, "[", "]")
        pending = list(pairs)
        if not late:
            self._pairs(path, pending, ways, table)
        for name in tables:
            if ways[name] == "table":
                self.table((*path, name), table[name])
            else:
                for index, one in enumerate(table[name]):
                    self._header((*path, name), "[[", "]]")
                    self.lines[(*path, name, index)] = self._line
                    self.text += self._end()
                    self.table((*path, name, index), one, header=False)
        if late:
            self._header(path, "[", "]")
            self._pairs(path, pending, ways, table)

    def _way(self, value: Any) -> str:
        if isinstance(value, dict):
            return self._chance.choice(["pair", "dotted", "table"] if value else ["pair", "table"])
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            return self._chance.choice(["pair", "tables"])
        return "pair"

    def _header(self, path: TreePath, begin: str, end: str) -> None:
        self.text += "\n" * self._chance.choice([0, 0, 1, 2]) + self._blank()
        for stop in range(1, len(path)):
            self.lines.setdefault(path[:stop], self._line)
        if begin == "[":
            self.lines[path] = self._line
        else:
            self.lines.setdefault(path, self._line)
        self.text += begin + self._key(name for name in path if isinstance(name, str)) + end
        self.text += self._end() if begin == "[" else ""

    def _pairs(self, path: TreePath, names: list[str], ways: Mapping[str, str], table: Mapping[str, Any]) -> None:
        for name in names:
            for steps, value in self._leaves((name,), table[name], dotted=ways[name] == "dotted"):
                self.text += self._blank()
                self._pair(path, steps, value)
                self.text += self._end()

    def _leaves(self, steps: tuple[str, ...], value: Any, *, dotted: bool) -> Iterator[tuple[tuple[str, ...], Any]]:
        if dotted and isinstance(value, dict) and value:
            for name, one in value.items():
                yield from self._leaves((*steps, name), one, dotted=True)
        else:
            yield steps, value

    def _pair(self, path: TreePath, steps: tuple[str, ...], value: Any) -> None:
        for stop in range(1, len(steps) + 1):
            self.lines.setdefault((*path, *steps[:stop]), self._line)
        self.text += self._key(steps) + self._blank() + "=" + self._blank()
        self._value((*path, *steps), value)

    def _value(self, path: TreePath, value: Any) -> None:
        match value:
            case dict():
                self.text += "{" + self._blank()
                for index, (name, one) in enumerate(value.items()):
                    self.text += "," + self._blank() if index else ""
                    self._pair(path, (name,), one)
                    self.text += self._blank()
                self.text += "}"
            case list():
                self.text += "[" + self._void()
                for index, one in enumerate(value):
                    self.text += "," + self._void() if index else ""
                    self.lines[(*path, index)] = self._line
                    self._value((*path, index), one)
                    self.text += self._void()
                self.text += self._chance.choice(["", ","] if value else [""]) + self._void() + "]"
            case str():
                self.text += self._string(value)
            case bool():
                self.text += str(value).lower()
            case datetime():
                self.text += value.isoformat(self._chance.choice("T "))
            case date() | time():
                self.text += value.isoformat()
            case _:
                self.text += repr(value)

    def _string(self, text: str) -> str:
        plain = all(one.isprintable() or one in "\t\n" for one in text)
        ways = ['"', '"""']
        if plain and "'" not in text and "\n" not in text:
            ways.append("'")
        if plain and "'''" not in text and not text.endswith("'"):
            ways.append("'''")
        way = self._chance.choice(ways)
        if way.startswith("'"):
            return way + ("\n" if len(way) == 3 else "") + text + way
        return way + ("\n" if len(way) == 3 else "") + self._escaped(text, many=len(way) == 3) + way

    def _escaped(self, text: str, *, many: bool) -> str:
        written = ""
        for one in text:
            lone = one == '"' and not written.endswith('"') and self._chance.random() < 0.5
            raw = one.isprintable() and one not in '"\\'
            written += one if raw or (many and (lone or one == "\n")) else f"\\U{ord(one):08x}"
        return written

    def _key(self, names: Any) -> str:
        return (self._blank() + "." + self._blank()).join(map(self._name, names))

    def _name(self, name: str) -> str:
        if (
            name
            and all(one.isascii() and (one.isalnum() or one in "-_") for one in name)
            and self._chance.random() < 0.7
        ):
            return name
        if name.isprintable() and "'" not in name and self._chance.random() < 0.5:
            return f"'{name}'"
        return f'"{self._escaped(name, many=False)}"'

    def _blank(self) -> str:
        return self._chance.choice(["", " ", "\t "])

    def _end(self) -> str:
        return self._blank() + self._chance.choice(["", "# [x] = '''"]) + "\n" * self._chance.choice([1, 1, 2])

    def _void(self) -> str:
        return self._chance.choice(["", " ", "\n", "\n\n\t", ' # ], "\n', "#\n#'\n "])

    @property
    def _line(self) -> int:
        return self.text.count("\n") + 1


@settings(max_examples=80)
@given(DOCUMENTS, st.randoms(use_true_random=False), st.booleans())
def test_every_table_key_and_element_is_found_in_its_line(document: dict[str, Any], chance: Random, crlf: bool) -> None:  # noqa: FBT001
    writer = Writer(chance)
    writer.table((), document, header=False)
    text = writer.text.replace("\n", "\r\n") if crlf else writer.text
    assert tomllib.loads(text) == document
    assert locate(text) == writer.lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", {}),
        ("a=1", {("a",): 1}),
        ("\n# a = 0\na = 1 # b = 2\n", {("a",): 3}),
        ("[a.b]\n[a]\nc = 1\n", {("a",): 2, ("a", "b"): 1, ("a", "c"): 3}),
        ('a = """\n\\\n  b = 1\n\\""""\nc = 2\n', {("a",): 1, ("c",): 5}),
        ("a = '''\n'''''\nb = 2\n", {("a",): 1, ("b",): 3}),
        ('a = "\\\\" # "\nb = "\\""\n', {("a",): 1, ("b",): 2}),
        ('a = """b"""""\nc = 2\n', {("a",): 1, ("c",): 2}),
        ("a = 1979-05-27 07:32:00\nb = +inf\n", {("a",): 1, ("b",): 2}),
        ("[[a]]\nx = 1\n[[a]]\n[a.b]\nx = 2\n", {
            ("a",): 1, ("a", 0): 1, ("a", 0, "x"): 2, ("a", 1): 3, ("a", 1, "b"): 4, ("a", 1, "b", "x"): 5,
        }),
        ("[[a.b]]\n[[a.b.c]]\n[[a.b.c]]\n", {
            ("a",): 1, ("a", "b"): 1, ("a", "b", 0): 1, ("a", "b", 0, "c"): 2, ("a", "b", 0, "c", 0): 2,
            ("a", "b", 0, "c", 1): 3,
        }),
    ],
)  # fmt: skip
def test_odd_documents_are_read_as_well(text: str, lines: dict[TreePath, int]) -> None:
    tomllib.loads(text)
    assert locate(text) == lines


def test_ten_thousand_keys_take_no_second() -> None:
    text = "".join(f"[incoming.unit-{number}]\nemail = 'x@example.org'\nport = 993\n" for number in range(5000))
    begin = perf_counter()
    assert locate(text)["incoming", "unit-4999", "port"] == 15_000
    assert perf_counter() - begin < 1
