"""The file itself: operations by path, and what its schemas say against a value (OpenAPI 3.0)."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from openapi_schema_validator import OAS30Validator, oas30_format_checker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

NAME = "urn:microsoft-graph"


class Description:
    """The file, and the operations in it."""

    def __init__(self, path: Path) -> None:
        self.tree: dict[str, Any] = yaml.safe_load(path.read_bytes())
        resource = Resource(contents=self.tree, specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource(NAME, resource)
        self._validators: dict[tuple[str, ...], OAS30Validator] = {}

    def followed(self, *keys: str) -> tuple[tuple[str, ...], Any]:
        """Where that really stands once references are followed, and what stands there."""
        here: tuple[str, ...] = ()
        found: Any = self.tree
        for key in keys:
            here, found = (*here, key), found[key]
            while isinstance(found, dict) and set(found) == {"$ref"}:
                here, found = self.followed(*found["$ref"].removeprefix("#/").split("/"))
        return here, found

    def options(self, path: str, method: str) -> dict[str, dict[str, Any]]:
        """Query options of an operation, by name in small letters, each with its schema."""
        told = {}
        for parameter in self.tree["paths"][path][method].get("parameters", ()):
            found = parameter
            if "$ref" in found:
                _, found = self.followed(*found["$ref"].removeprefix("#/").split("/"))
            if found["in"] == "query":
                told[found["name"].lower()] = found["schema"]
        return told

    def faults(self, value: Any, *keys: str) -> list[str]:
        """What the schema at that place says against *value*."""
        if keys not in self._validators:
            pointer = "/".join(quote(key.replace("~", "~0").replace("/", "~1"), safe="~") for key in keys)
            self._validators[keys] = OAS30Validator(
                {"$ref": f"{NAME}#/{pointer}"}, registry=self._registry, format_checker=oas30_format_checker
            )
        errors = self._validators[keys].iter_errors(value)
        return [f"{'/'.join(map(str, error.absolute_path)) or 'body'}: {error.message[:200]}" for error in errors]

    def option_faults(self, schema: dict[str, Any], text: str) -> list[str]:
        """What the schema of a query option says against its text."""
        return [error.message for error in OAS30Validator(schema).iter_errors(_typed(schema, text))]

    @cache  # noqa: B019 - one description lives as long as the process
    def operation(self, method: str, parts: tuple[str, ...]) -> tuple[str, dict[str, Any]] | None:
        """The path that these segments follow, and what is said of that method there."""
        for path in sorted(self.tree["paths"], key=lambda known: known.count("{")):
            wanted = path.strip("/").split("/")
            if len(wanted) == len(parts) and all(
                want == part or want.startswith("{") for want, part in zip(wanted, parts, strict=True)
            ):
                found = self.tree["paths"][path].get(method.lower())
                return None if found is None else (path, found)
        return None


@lru_cache(maxsize=2)
def described(path: Path) -> Description:
    return Description(path)


def _typed(schema: dict[str, Any], text: str) -> Any:
    """As `style: form, explode: false` is read."""
    match schema.get("type"):
        case "array":
            return [part.strip() for part in text.split(",")]
        case "integer" if re.fullmatch(r"-?\d+", text):
            return int(text)
        case "boolean" if text in {"true", "false"}:
            return text == "true"
    return text
