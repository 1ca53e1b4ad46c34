"""Every mail of the corpus says what stands beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mailwicket.mail.explain import explain
from mailwicket.mail.parse import parse

CORPUS = Path(__file__).parent.parent / "corpus"
MAILS = sorted(CORPUS.glob("*.eml"))


@pytest.mark.parametrize("path", MAILS, ids=lambda path: path.stem)
def test_a_mail_of_the_corpus_says_what_is_expected(path: Path) -> None:
    expected = json.loads(path.with_suffix(".json").read_text())
    told = explain(parse(path.read_bytes()))
    assert {name: told[name] for name in expected} == expected


def test_every_mail_has_its_expectation_and_there_are_some() -> None:
    assert [path.stem for path in sorted(CORPUS.glob("*.json"))] == [path.stem for path in MAILS]
    assert len(MAILS) >= 24
