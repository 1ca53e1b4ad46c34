"""Lines that name author and date of the mail below them, in any language."""

# ruff: noqa: RUF001 - the letters of all scripts are meant

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwicket.mail.byline import byline

CY = ("Cy Example", "cy@example.com")


@pytest.mark.parametrize(
    "line",
    [
        'On Wed, 2 Jun 2021 at 10:59, "Cy Example" <cy@example.com> wrote:',
        "On Jun 2, 2021, at 10:59 AM, Cy Example <cy@example.com> wrote:",
        "On 6/2/21, 10:59 AM, Cy Example <cy@example.com> wrote:",
        "On Wed, Jun 2, 2021 at 10:59 AM Cy Example <cy@example.com<mailto:cy@example.com>> wrote:",
        "On Wed, Jun 2, 2021 at 10:59 AM Cy Example <\ncy@example.com> wrote:",
        "On Wed, Jun 2, 2021 at 10:59 AM Cy Example <cy@example.com>\nwrote:",
        "Am 02.06.2021 um 10:59 Uhr schrieb Cy Example <cy@example.com>:",
        'Am 02.06.21, 10:59 schrieb "Cy Example" <cy@example.com>:',
        "Le mer. 2 juin 2021 à 10:59, Cy Example <cy@example.com> a écrit :",
        "El mié, 2 jun 2021 a las 10:59, Cy Example (<cy@example.com>) escribió:",
        "Il giorno mer 2 giu 2021 alle ore 10:59 Cy Example <cy@example.com> ha scritto:",
        "Op wo 2 jun. 2021 om 10:59 schreef Cy Example <cy@example.com>:",
        'Op 02-06-2021 10:59 heeft "Cy Example" <cy@example.com> geschreven:',
        "Den ons 2 juni 2021 kl 10:59 skrev Cy Example <cy@example.com>:",
        "Den 02.06.2021 10.59, skrev Cy Example <cy@example.com>:",
        '"Cy Example" <cy@example.com> kirjoitti 2.6.2021 kello 10.59:',
        'W dniu 02.06.2021 o 10:59 użytkownik "Cy Example" <cy@example.com> napisał:',
        "Dne st 2. 6. 2021 10:59 uživatel Cy Example <cy@example.com> napsal:",
        "Dňa 02.06.21 10:59 používateľ „Cy Example“ <cy@example.com> napísal:",
        "2021. 06. 02. 10:59 dátummal Cy Example <cy@example.com> ezt írta:",
        'Pe 02.06.21, 10:59, "Cy Example" <cy@example.com> a scris:',
        "ср, 2 июн. 2021 г. в 10:59, Cy Example <cy@example.com>:",
        '02.06.21, 10:59 пользователь "Cy Example" <cy@example.com> написал:',
        '02.06.2021, 10:59, "Cy Example" <cy@example.com>:',
        '02.06.2021 10:59 tarihinde "Cy Example" <cy@example.com> şunu yazdı:',
        "Στις Τετ 2 Ιουν 2021 στις 10:59, ο χρήστης Cy Example <cy@example.com> έγραψε:",
        "2021年6月2日(水) 10:59 Cy Example <cy@example.com>:",
        "2021年6月2日(水) 10:59 Cy Example <cy@example.com>：",
        "2021년 6월 2일 (수) 오전 10:59, Cy Example <cy@example.com>님이 작성:",
        "\u200fOn Wed, 2 Jun 2021 at 10:59,\u200e Cy Example\u200f <cy@example.com\u200e>\u200f wrote:",
        "> On Wed, 2 Jun 2021 at 10:59, Cy Example <cy@example.com> wrote:",
    ],
)
def test_a_byline_names_the_author(line: str) -> None:
    lines = line.split("\n")
    found = byline([*lines, "", "> Backwards."], 0)
    assert found is not None
    assert found.author is not None
    assert (found.author.name, found.author.address) == CY
    assert found.end == len(lines)
    assert found.quotes == line.count("> O", 0, 3)


@pytest.mark.parametrize(
    "line",
    [
        "Write to cy@example.com:",
        "On Wed, 2 Jun 2021 Cy Example wrote:",
        "On Wed, 2 Jun 2021 <cy@example.com> wrote",
        "12 rooms for cy@example.com and all the others who will come with him to the house:",
        "",
        "10:59:",
    ],
)
def test_what_lacks_date_address_or_colon_is_none(line: str) -> None:
    assert byline([line], 0) is None


def test_a_byline_is_not_read_over_an_empty_line() -> None:
    assert byline(["On 2 Jun 2021 Cy <cy@example.com>", "", "wrote:"], 0) is None


def test_a_name_may_be_lacking() -> None:
    found = byline(["On 2 Jun 2021 at 10:59, <cy@example.com> wrote:"], 0)
    assert found is not None
    assert found.author is not None
    assert (found.author.name, found.author_name) == (None, None)


def test_groupwise_frames_author_and_date() -> None:
    found = byline([">>> Cy Example <cy@example.com> 02.06.2021 10:59 >>>", "Backwards."], 0)
    assert found is not None
    assert found.author is not None
    assert (found.author.name, found.author.address, found.quotes) == (*CY, 0)
    found = byline([">>> Cy Example 6/2/2021 10:59 AM >>>", "Backwards."], 0)
    assert found is not None
    assert (found.author, found.author_name) == (None, "Cy Example")
    assert byline([">>> deeply quoted"], 0) is None


@given(st.lists(st.text(alphabet='On2 ,:<@>.a"\n'), max_size=4))
def test_a_byline_ends_within_three_lines(lines: list[str]) -> None:
    for at in range(len(lines)):
        found = byline(lines, at)
        assert found is None or at < found.end <= at + 3
