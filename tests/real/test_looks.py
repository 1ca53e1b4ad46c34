"""How the shipped mails look in a real browser: nothing sticks out on a telephone, nothing is asked of anybody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from tests.lab.chromium import Browser, browser
from tests.wordings import SAMPLES

from mailwicket.mail.wording import Wording

pytestmark = pytest.mark.real

WIDTHS: Final = (360, 1200)
CONTRAST_MIN: Final = 4.5  # WCAG 2.2, 1.4.3

CONTRASTS: Final = """(() => {
  const rgb = (text) => (text.match(/[0-9.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const found = rgb(getComputedStyle(node).backgroundColor);
      if (found.length === 3) return found;
    }
    return dark ? [18, 18, 18] : [255, 255, 255];
  };
  const seen = [...document.querySelectorAll('body *')]
    .filter((one) => [...one.childNodes].some((c) => c.nodeType === 3 && c.data.trim()));
  return Math.min(...seen.map((one) => {
    const pair = [light(rgb(getComputedStyle(one).color)), light(behind(one))].sort((a, b) => b - a);
    return (pair[0] + 0.05) / (pair[1] + 0.05);
  }));
})()"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as one:
        yield one


@pytest.mark.parametrize("name", SAMPLES)
def test_a_mail_fits_every_screen_is_readable_and_asks_nobody(name: str, chromium: Browser) -> None:
    words = Wording({}).write(*SAMPLES[name])
    chromium.site.pages["/mail"] = words.html
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        chromium.ask("Emulation.setEmulatedMedia", features=[feature])
        for width in WIDTHS:
            chromium.ask(
                "Emulation.setDeviceMetricsOverride", width=width, height=700, deviceScaleFactor=1, mobile=width < 500
            )
            chromium.ask("Page.navigate", url="http://lab.example/mail")
            chromium.until_quiet(0.2)
            assert chromium.run("document.body.innerText.length") > 20
            assert chromium.run("document.documentElement.scrollWidth") <= width, (scheme, width)
            assert chromium.run(CONTRASTS) >= CONTRAST_MIN, (scheme, width)
    assert not chromium.site.hits
