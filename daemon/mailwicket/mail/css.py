"""What of a style attribute may stay: properties that colour, size and align, with plain values.

Nothing that loads (`url`, `image-set`), computes (`expression`, `var`), covers other parts of the page (`position`,
negative margins) or names what the page around it owns. Source: the CSS grammar, read strictly: a value that is not
understood is none.
"""

from __future__ import annotations

import re
from typing import Final

from mailwicket.mail.markup import names

STYLE_MAX_CHARS: Final = 4096
DECLARATIONS_MAX: Final = 60

_SIDES: Final = ("top", "right", "bottom", "left")
PROPERTIES: Final = names(
    "background background-color border border-collapse border-color border-radius border-spacing border-style "
    "border-width caption-side clear color direction display empty-cells float font font-family font-size font-style "
    "font-variant font-weight height letter-spacing line-height list-style list-style-type margin max-height "
    "max-width min-height min-width overflow overflow-wrap padding table-layout text-align text-decoration "
    "text-decoration-color text-decoration-line text-indent text-transform unicode-bidi vertical-align visibility "
    "white-space width word-break word-spacing word-wrap"
).union(
    (f"{what}-{side}" for what in ("margin", "padding", "border") for side in _SIDES),
    (f"border-{side}-{what}" for side in _SIDES for what in ("color", "style", "width")),
)

_ITEM: Final = (
    r"(?:[0-9]{1,4}(?:\.[0-9]{1,6})?|\.[0-9]{1,6})(?:px|pt|em|rem|ex|ch|cm|mm|in|pc|%)?"
    r"|\#[0-9a-f]{3,8}"
    r"|(?:rgb|hsl)a?\([0-9., %/]{1,40}\)"
    r"|-?[a-z][a-z0-9-]{0,40}"
    r"|'[\w -]{1,40}'"
    r'|"[\w -]{1,40}"'
)
_VALUE: Final = re.compile(rf"(?:{_ITEM})(?:(?: ?[,/] ?| )(?:{_ITEM})){{0,15}}+", re.IGNORECASE)


def safe_style(style: str) -> str:
    """Return the declarations of *style* that may stay, in one spelling; `""` for none."""
    kept: list[str] = []
    for declaration in style[:STYLE_MAX_CHARS].split(";", DECLARATIONS_MAX)[:DECLARATIONS_MAX]:
        name, colon, value = declaration.partition(":")
        name = name.strip().lower()
        if not colon or name not in PROPERTIES:
            continue
        value = " ".join(value.replace("!important", "").split())
        if _VALUE.fullmatch(value):
            kept.append(f"{name}:{value}")
    return ";".join(kept)
