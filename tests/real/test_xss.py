"""What a mail's HTML does in a real browser once it is cleaned: nothing. The cleaner alone must hold, nothing helps it.

Each vector is a mail, read and told by `explain`, and shown in a frame of its own, all in one page, all poured into
one document, and set as `innerHTML` twice over, as pages do that show mails. Clicks, hovers and focus are tried on
every element.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator, Sequence

import pytest
from tests.lab.chromium import Browser, browser
from tests.lab.processes import until
from tests.lab.vectors import VECTORS

from mailwicket.mail.explain import explain
from mailwicket.mail.parse import parse

pytestmark = pytest.mark.real

HIT_HOST = "hit.example"
FIRING_LEAST = 190  # of 258 vectors as they are: else the test could not fail; the rest was for other browsers
MIXTURES = 200

# The one way out that a script of a vector is given.
CANARY = "window.fire = n => { document.title = 'fired'; window.report(String(n)) };"

TOUCH = """
(() => {
  let touched = 0;
  const touch = doc => {
    doc.addEventListener('click', e => {
      const a = e.target.closest && e.target.closest('a');
      if (a && /^(https?|mailto|tel):$/.test(a.protocol)) e.preventDefault();
    }, true);
    for (const one of [...doc.querySelectorAll('*')].slice(0, 3000)) {
      for (const kind of ['mouseover', 'mouseenter', 'mousemove', 'pointerover', 'pointerdown', 'mousedown', 'input',
                          'keydown', 'dblclick', 'contextmenu', 'dragstart', 'toggle', 'copy', 'wheel', 'scroll'])
        one.dispatchEvent(new Event(kind, {bubbles: true, cancelable: true}));
      if (one.focus) one.focus();
      if (one.click) one.click(); else one.dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}));
      touched++;
    }
  };
  touch(document);
  for (const frame of document.querySelectorAll('iframe.vector')) {
    try { touch(frame.contentDocument) } catch (e) { /* gone elsewhere */ }
  }
  return touched;
})()
"""


def vector(number: int) -> str:
    host = f"{HIT_HOST}/v{number}"
    told = VECTORS[number].replace("JS", f"fire({number})").replace("NUMBER", str(number))
    return told.replace("HIT", f"http://{host}").replace("HOST", host)


def mailed(markup: str, charset: str = "utf-8") -> str:
    """Return what is shown of *markup* as the body of a mail."""
    body = base64.encodebytes(markup.encode("utf-8"))
    head = f"From: a@example.org\nSubject: x\nContent-Type: text/html; charset={charset}\n"
    told = explain(parse(head.encode() + b"Content-Transfer-Encoding: base64\n\n" + body))
    return str(told["html"] or "")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as one:
        one.site.pages["/nothing"] = "<!doctype html><title>calm</title>"
        one.ask("Runtime.addBinding", name="report")
        one.ask("Page.addScriptToEvaluateOnNewDocument", source=CANARY)
        yield one


def framed(chromium: Browser, name: str, markups: Sequence[str]) -> None:
    """Show each in a frame of its own: one that breaks out breaks out of that."""
    for number, markup in enumerate(markups):
        chromium.site.pages[f"/{name}/{number}"] = "<!doctype html><meta charset=utf-8><body>" + markup
    frames = "".join(f"<iframe class=vector src=/{name}/{number}></iframe>" for number in range(len(markups)))
    chromium.site.pages[f"/{name}"] = "<!doctype html><title>calm</title>" + frames
    chromium.show(f"/{name}")
    until(lambda: chromium.run("document.readyState") == "complete", 30)
    chromium.run(TOUCH)
    chromium.until_quiet()


def forget(chromium: Browser) -> None:
    chromium.show("/nothing")
    chromium.events.clear()
    chromium.site.hits.clear()


def fired(chromium: Browser) -> set[int]:
    """Return the numbers of the vectors that ran a script or made a request."""
    told = {int(one["payload"]) for one in chromium.told("Runtime.bindingCalled")}
    paths = [hit.partition("/v")[2] for hit in chromium.site.hits]
    return told | {int(number) for path in paths if (number := path.partition("/")[0].split("#")[0]).isdigit()}


def assert_calm(chromium: Browser) -> None:
    asked = [str(one["request"]["url"]) for one in chromium.told("Network.requestWillBeSent")]
    assert [url for url in asked if not url.startswith(("http://lab.example/", "cid:", "data:", "about:"))] == []
    assert chromium.site.hits == []
    assert chromium.told("Runtime.bindingCalled") == []
    assert chromium.told("Page.javascriptDialogOpening") == []
    assert chromium.told("Runtime.exceptionThrown") == []
    assert chromium.told("Runtime.consoleAPICalled") == []
    errors = [one["entry"] for one in chromium.told("Log.entryAdded") if one["entry"]["level"] in {"error", "warning"}]
    assert [one for one in errors if one["source"] != "network" or "script" in one["text"].lower()] == []
    assert chromium.run("document.title") == "calm"


def test_the_vectors_act_where_nothing_cleans_them(chromium: Browser) -> None:
    forget(chromium)
    framed(chromium, "raw", [vector(number) for number in range(len(VECTORS))])
    acting = fired(chromium)
    assert chromium.told("Page.javascriptDialogOpening")
    assert len(acting) >= FIRING_LEAST, sorted(set(range(len(VECTORS))) - acting)


def test_no_vector_acts_in_a_page_of_its_own(chromium: Browser) -> None:
    forget(chromium)
    framed(chromium, "clean", [mailed(vector(number)) for number in range(len(VECTORS))])
    assert_calm(chromium)


def test_no_vector_acts_where_another_charset_is_claimed(chromium: Browser) -> None:
    forget(chromium)
    some = range(0, len(VECTORS), 4)
    framed(chromium, "charset", [mailed(vector(n), charset) for n in some for charset in ("utf-7", "utf-16", "hz")])
    assert_calm(chromium)


def test_no_mixture_of_vectors_acts(chromium: Browser) -> None:
    chance = random.Random(7)
    mixtures = []
    for _ in range(MIXTURES):
        one, other, last = (vector(chance.randrange(len(VECTORS))) for _ in range(3))
        mixtures.append(one[: chance.randrange(len(one))] + other[chance.randrange(len(other)) :] + last)
    forget(chromium)
    framed(chromium, "mixed", [mailed(markup) for markup in mixtures])
    assert_calm(chromium)


def test_no_vector_acts_poured_into_one_document_or_set_as_inner_html(chromium: Browser) -> None:
    forget(chromium)
    cleaned = [mailed(vector(number)) for number in range(len(VECTORS))]
    chromium.site.pages["/one"] = "<!doctype html><meta charset=utf-8><title>calm</title>" + "".join(cleaned)
    chromium.show("/one")
    chromium.run(TOUCH)
    told = json.dumps(cleaned)
    chromium.run(
        f"for (const html of {told}) {{ const d = document.createElement('div'); document.body.append(d);"
        "d.innerHTML = html; d.innerHTML = d.innerHTML; const t = document.createElement('template');"
        "t.innerHTML = d.innerHTML; document.body.append(t.content.cloneNode(true)) }"
    )
    assert chromium.run(TOUCH) > len(VECTORS)
    chromium.until_quiet()
    assert_calm(chromium)


def test_what_is_cleaned_covers_nothing_of_the_page_around_it(chromium: Browser) -> None:
    covering = [
        "position:fixed;top:0;left:0;width:100%;height:100%;z-index:9999",
        "position:absolute;inset:0",
        "margin-top:-500px;height:900px",
        "transform:translateY(-400px) scale(9)",
        "top:-300px;position:relative",
        "margin:-300px 0 0 0;padding:500px",
        "display:block;float:left;margin-left:-9999px;box-shadow:0 0 0 9999px red",
        "outline:9999px solid red",
    ]
    boxes = "".join(
        f"<div class=box>{mailed(markup)}</div>" for markup in (f'<div style="{style}">x</div>' for style in covering)
    )
    chromium.site.pages["/cover"] = f"<!doctype html><title>calm</title><p id=top>above</p>{boxes}"
    chromium.show("/cover")
    top = "document.elementFromPoint(document.getElementById('top').getBoundingClientRect().left + 5, 20).id"
    assert chromium.run(top) == "top"
    script = (
        "[...document.querySelectorAll('.box')].every(b => [...b.querySelectorAll('*')].every(e => "
        "e.getBoundingClientRect().top >= b.getBoundingClientRect().top - 1 && "
        "getComputedStyle(e).position == 'static'))"
    )
    assert chromium.run(script) is True
