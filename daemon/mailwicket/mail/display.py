"""What of an HTML body a person may be shown in a page: nothing that runs, loads, asks for input or covers the page."""

from __future__ import annotations

import html
import re
from typing import Final

import nh3

from mailwicket.mail.charset import clean
from mailwicket.mail.css import safe_style
from mailwicket.mail.html import to_plain
from mailwicket.mail.markup import names, would_stall

DISPLAY_MAX_CHARS: Final = 512 * 1024
"""The worst that fits takes the cleaner some 50 ms, without the interpreter's lock."""

AMPERSANDS_MAX: Final = 100_000
"""nh3 takes 8 microseconds for each that begins no entity."""

TEXT_MAX_CHARS: Final = DISPLAY_MAX_CHARS - 100
"""Of what is shown as text: it must fit when it is cleaned again."""

ROUNDS: Final = 4
"""How often markup may change by being cleaned again (a parser mends what it wrote); else it is shown as text."""

PICTURE_MAX_CHARS: Final = 16 * 1024
"""Of a picture inside the markup, as a `data:` address."""

LINK_MAX_CHARS: Final = 4096

TAGS: Final = names(
    "a abbr address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del dfn div dl "
    "dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav ol p pre q rp rt "
    "ruby s samp section small span strike strong sub sup table tbody td tfoot th thead time tr tt u ul var wbr"
)
CONTENT_TOO: Final = names("datalist embed iframe math noembed script style svg template title")
"""Left out with all that is in them; of other tags that are not shown, the words stay."""

_CELL: Final = names("align valign bgcolor width height colspan rowspan nowrap scope")
ATTRIBUTES: Final = {
    "*": {"style", "title", "dir", "lang"},
    "a": {"href"},
    "blockquote": {"type"},
    "br": {"clear"},
    "col": {"span", "width", "align"},
    "colgroup": {"span", "width", "align"},
    "div": {"align"},
    "font": {"color", "face", "size"},
    "hr": {"align", "color", "size", "width"},
    "img": {"src", "data-remote-src", "alt", "width", "height", "align", "border"},
    "li": {"value", "type"},
    "ol": {"start", "type", "reversed"},
    "table": {"align", "bgcolor", "border", "cellpadding", "cellspacing", "width", "height"},
    "td": set(_CELL),
    "th": set(_CELL),
    "tr": {"align", "valign", "bgcolor", "height"},
    "ul": {"type"},
    **{name: {"align"} for name in ("p", "h1", "h2", "h3", "h4", "h5", "h6", "tbody", "thead", "tfoot", "caption")},
}
_TEXTS: Final = frozenset({"title", "alt"})
_PLAIN: Final = re.compile(r"[\w#%., +-]{0,80}")
_SPAN: Final = re.compile(r"[0-9]{1,3}")
_LINK: Final = re.compile(r"(?:https?://|mailto:|tel:)[^\x00-\x20\x7f-\x9f<>\"'`\\]+", re.IGNORECASE)
_REMOTE: Final = re.compile(r"https?://[^\x00-\x20\x7f-\x9f<>\"'`\\]+", re.IGNORECASE)
_PICTURE: Final = re.compile(
    r"cid:[^\x00-\x20\x7f-\x9f<>\"'`\\]{1,300}|data:image/(?:png|gif|jpe?g|bmp|webp);base64,[A-Za-z0-9+/]+={0,2}",
    re.IGNORECASE,
)
_LARGE_DATA: Final = re.compile(rf"data:[^\"'<>\s]{{{PICTURE_MAX_CHARS},}}+", re.IGNORECASE)
_HALF_ENTITY: Final = re.compile(r"&[a-z]{0,3}\Z")
_IMAGE: Final = re.compile(r"<img\b[^<>]*+>", re.IGNORECASE)
_REMOTE_SOURCE: Final = re.compile(r"(?<=[\s\"'/])src(?=\s*+=\s*+[\"']?\s*+https?:)", re.IGNORECASE)


def sanitised(markup: str) -> str:
    """Return *markup* without scripts, styles that load, forms and anything else that acts; fit to be shown in a page.

    Pictures of other servers are not loaded: their address stands in `data-remote-src`. What comes out stays the same
    when it is cleaned again. What is too deep or too long to be cleaned safely comes back as its text.
    """
    markup = clean(markup)
    cleaned = _LARGE_DATA.sub("data:", markup) if "data:" in markup else markup
    cleaned = _IMAGE.sub(lambda found: _REMOTE_SOURCE.sub("data-remote-src", found[0], count=1), cleaned)
    for _ in range(ROUNDS):
        if len(cleaned) > DISPLAY_MAX_CHARS or cleaned.count("&") > AMPERSANDS_MAX or would_stall(cleaned):
            break
        before, cleaned = cleaned, clean(_CLEANER.clean(cleaned))
        if cleaned == before:
            return cleaned
    return _as_text(markup)


def _as_text(markup: str) -> str:
    text = html.escape(to_plain(markup), quote=False)
    if len(text) > TEXT_MAX_CHARS:
        text = _HALF_ENTITY.sub("", text[:TEXT_MAX_CHARS])
    return f"<pre>{text.strip()}</pre>"


def _kept(tag: str, name: str, value: str) -> str | None:
    """Return what of an attribute may stay, None for nothing of it."""
    if name == "style":
        return safe_style(value) or None
    if name == "href":
        link = value.strip().replace("\t", "").replace("\n", "").replace("\r", "").replace(" ", "%20")
        return link if len(link) <= LINK_MAX_CHARS and _LINK.fullmatch(link) else None
    if name == "src":
        return value if len(value) <= PICTURE_MAX_CHARS and _PICTURE.fullmatch(value) else None
    if name == "data-remote-src":
        link = value.strip()
        return link if len(link) <= LINK_MAX_CHARS and _REMOTE.fullmatch(link) else None
    if name in _TEXTS:
        return value.replace("<", "").replace(">", "")
    if name in {"colspan", "rowspan", "span"}:
        return value if _SPAN.fullmatch(value) else None
    return value if tag and _PLAIN.fullmatch(value) else None


_CLEANER: Final = nh3.Cleaner(
    tags=set(TAGS),
    clean_content_tags=set(CONTENT_TOO),
    attributes=ATTRIBUTES,
    attribute_filter=_kept,
    url_schemes={"http", "https", "mailto", "tel", "cid", "data"},
    set_tag_attribute_values={"a": {"target": "_blank"}},
)
