"""Tags by how they are laid out (HTML standard 15, "Rendering"), and by what they end by themselves."""

from __future__ import annotations

from typing import Final

from mailwicket.mail.markup import names

VOID: Final = names(
    "area base basefont bgsound br col embed frame hr img input keygen link meta param source track wbr"
)
"""Without content and end tag."""

UNSEEN: Final = names("template svg datalist")
"""Shown nowhere in a mail; what stands in for films and objects is."""

BLOCKS: Final = names(
    "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption figure "
    "footer form frameset h1 h2 h3 h4 h5 h6 header hgroup html legend li listing main menu nav noframes ol option p "
    "pre search section summary table tbody tfoot thead title tr ul xmp plaintext optgroup"
)
"""Begin and end a line."""

SPACED: Final = names("blockquote dir dl fieldset figure h1 h2 h3 h4 h5 h6 listing menu ol p pre table ul xmp")
"""With an empty line above and below."""

PREFORMATTED: Final = names("pre listing xmp textarea plaintext")
"""Line ends and blanks count."""

LISTS: Final = names("ol ul menu dir")
"""Their items are marked."""

CELLS: Final = names("td th caption")
"""Nothing in them ends what is outside."""

PLAIN: Final = names("b strong i em u font small big sup sub s strike del ins code tt o:p nobr abbr")
"""Without attributes they say nothing to a reader of text."""

ROOMY: Final = names("a li dd dt option td th caption tr tbody thead tfoot")
"""End others by beginning."""

ROWS: Final = names("tr tbody thead tfoot")
"""Hold cells."""

ODD_ENDS: Final = names("table td th caption tr tbody thead tfoot p br")
"""Their end tags end more than themselves, or say something alone."""

CLOSES: Final = {"li": names("li"), "dd": names("dd dt"), "dt": names("dd dt"), "option": names("option")}
"""What an item ends that comes behind it."""
