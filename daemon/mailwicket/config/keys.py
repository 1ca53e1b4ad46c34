"""What the keys of a table may hold, in words: told by errors, by the reference, and to the environment's reader."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mailwicket.config.model import Says
from mailwicket.config.secret import ALLOWED, Secret

UNITS: Final = {"_s": "seconds", "_days": "days", "_bytes": "bytes"}
"""The end of a number's name says its unit."""

LISTS: Final = (tuple, list, set, frozenset)


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a table, or an item of a list that it holds."""

    kind: Any
    """Its type, without `Annotated` and `| None`."""
    allowed: str
    """What it may hold, with its unit; empty where only a plug-in's own type knows."""
    default: str = ""
    """As TOML or in words; empty where there is none."""
    description: str = ""
    required: bool = False

    @property
    def is_secret(self) -> bool:
        """Tell whether it holds a `Secret`."""
        return self.kind is Secret

    @property
    def is_text(self) -> bool:
        """Tell whether whatever is written for it is text, even if it looks like a number."""
        return self.kind in (str, Path, Secret)


def is_table(kind: Any) -> bool:  # noqa: ANN401 - any annotation
    """Tell whether *kind* is a model."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def keys_of(model: type[BaseModel]) -> dict[str, Key]:
    """Return the keys of *model* in their order."""
    return {name: _key(name, field) for name, field in model.model_fields.items()}


def below(key: Key, step: str | int) -> Key | None:
    """Return what stands one *step* below *key*: a key of its table, an item of its list; None where nothing can."""
    if is_table(key.kind):
        field = key.kind.model_fields.get(step)
        return None if field is None else _key(str(step), field)
    inner = get_args(key.kind)
    if get_origin(key.kind) is dict and isinstance(step, str):
        return _bare_key(step, inner[1])
    if get_origin(key.kind) in LISTS and isinstance(step, int):
        return _bare_key("", inner[0])
    return None


def _key(name: str, field: FieldInfo) -> Key:
    kind, metadata = _bare(field.annotation, field.metadata)
    return Key(kind, _allowed(name, kind, metadata), _default(field), field.description or "", field.is_required())


def _bare_key(name: str, annotation: Any) -> Key:  # noqa: ANN401 - any annotation
    kind, metadata = _bare(annotation, ())
    return Key(kind, _allowed(name, kind, metadata))


def _bare(annotation: Any, metadata: Sequence[Any]) -> tuple[Any, Sequence[Any]]:  # noqa: ANN401 - any annotation
    """Take `Annotated` and `| None` off; what stood outside comes last in the metadata."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return _bare(inner, (*more, *metadata))
    if get_origin(annotation) in (Union, UnionType):
        kinds = [one for one in get_args(annotation) if one is not NoneType]
        return _bare(kinds[0], metadata) if len(kinds) == 1 else (annotation, metadata)
    return annotation, metadata


def _allowed(name: str, kind: Any, metadata: Sequence[Any]) -> str:  # noqa: ANN401 - any annotation
    said = [one.words for one in metadata if isinstance(one, Says)]
    if said:
        return said[-1]
    origin = get_origin(kind)
    if origin is Literal:
        return _either([to_toml(value) for value in get_args(kind)])
    if origin in (Union, UnionType):
        return _either([words for one in get_args(kind) if (words := _bare_key(name, one).allowed)])
    if origin in LISTS:
        return f"a list of: {_bare_key('', get_args(kind)[0]).allowed}"
    if kind is int or kind is float:
        return _number(name, kind, metadata)
    if is_table(kind) or origin is dict:
        return "a table"
    return {bool: "true or false", str: "text", Secret: ALLOWED}.get(kind, "")


def _number(name: str, kind: type[int | float], metadata: Sequence[Any]) -> str:
    what = "a whole number" if kind is int else "a number"
    unit = next((words for end, words in UNITS.items() if name.endswith(end)), what)
    lowest = next((one.ge for one in metadata if isinstance(one, Ge)), None)
    highest = next((one.le for one in metadata if isinstance(one, Le)), None)
    match lowest, highest:
        case None, None:
            return unit
        case _, None:
            return f"{unit}, at least {lowest}"
        case None, _:
            return f"{unit}, at most {highest}"
    return f"{unit}, {lowest} to {highest}"


def _either(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def _default(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "default" in extra:
        return str(extra["default"])
    if field.is_required() or field.default_factory is not None or field.default is None:
        return ""
    return to_toml(field.default)


def to_toml(value: object) -> str:
    """Write a text, number, truth value, path or a list of such as TOML has it."""
    return json.dumps(value, ensure_ascii=False, default=str)
