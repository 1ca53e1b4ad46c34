"""The alerting rules that come with mailwicket: checked by promtool, and against what a running daemon tells."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.lab import mailmix
from tests.lab.dovecot import Dovecot
from tests.lab.processes import until
from tests.lab.stand import Stand

from mailwicket.service.alerts import CRITICAL, Cause

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
RULES = ROOT / "monitoring" / "mailwicket.rules.yml"
TESTS = ROOT / "monitoring" / "mailwicket.rules.test.yml"

OF_PROMETHEUS = {"up"}
TARGET_LABELS = {"job", "instance"}
FUNCTIONS = {"time", "changes", "min_over_time"}
WORDS = {"unless", "and", "or", "on", "by"}


@pytest.fixture(scope="module")
def promtool() -> str:
    """The path of promtool; on a person's machine the tests may be skipped, where a change is judged they may not."""
    found = shutil.which("promtool") or shutil.which("promtool", path=str(ROOT / ".tools"))
    if found is None:
        told = "promtool is missing: tests/real/install"
        if os.environ.get("CI") == "true":
            pytest.fail(told)
        pytest.skip(told)
    return found


def run(*command: str, given: bytes = b"", cwd: Path = ROOT) -> tuple[int, str]:
    done = subprocess.run(command, input=given, capture_output=True, check=False, timeout=60, cwd=cwd)
    return done.returncode, (done.stdout + done.stderr).decode()


def rules() -> dict[str, str]:
    """Every rule's expression by its name."""
    return dict(re.findall(r"- alert: (\w+)\n +expr: (.+)\n", RULES.read_text()))


def test_promtool_takes_the_rules_and_their_tests_hold(promtool: str) -> None:
    code, told = run(promtool, "check", "rules", str(RULES))
    assert (code, f"{len(rules())} rules found" in told) == (0, True), told
    code, told = run(promtool, "test", "rules", str(TESTS))
    assert code == 0, told


def test_every_rule_has_a_test_that_fails_when_it_never_fires(promtool: str, tmp_path: Path) -> None:
    (tmp_path / RULES.name).write_text(re.sub(r"(?m)^( +expr:) .+$", r"\1 vector(0) > 1", RULES.read_text()))
    shutil.copy(TESTS, tmp_path)
    code, told = run(promtool, "test", "rules", TESTS.name, cwd=tmp_path)
    assert code != 0
    assert set(re.findall(r"alertname: (\w+)", told)) == set(rules())


def test_every_rule_has_a_test_that_fails_when_it_never_ends(promtool: str, tmp_path: Path) -> None:
    ever = re.sub(r"(?m)^( +expr:) (.+)$", r"\1 last_over_time((\2)[3h:1m])", RULES.read_text())
    (tmp_path / RULES.name).write_text(ever)
    shutil.copy(TESTS, tmp_path)
    code, told = run(promtool, "test", "rules", TESTS.name, cwd=tmp_path)
    assert code != 0
    assert set(re.findall(r"alertname: (\w+)", told)) == set(rules())


def test_every_rule_says_how_bad_it_is_and_what_to_do_and_where_that_is_written() -> None:
    blocks = RULES.read_text().split("- alert: ")[1:]
    headings = set(re.findall(r"^## (.+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE))
    for block in blocks:
        assert re.search(r"labels: \{severity: (critical|warning)\}", block), block
        assert re.search(r"^ +summary: ", block, re.MULTILINE), block
        assert re.search(r"^ +description: ", block, re.MULTILINE), block
        section = re.search(r'runbook: docs/runbook\.md, "([^"]+)"(?: \((\w+)\))?$', block, re.MULTILINE)
        assert section, block
        assert section[1] in headings
        if section[2] is not None:
            severity = "critical" if Cause(section[2]) in CRITICAL else "warning"
            assert f"severity: {severity}" in block, block


def test_every_cause_of_an_alert_has_a_rule() -> None:
    assert set(re.findall(r'"Alerts" \((\w+)\)$', RULES.read_text(), re.MULTILINE)) == {str(cause) for cause in Cause}


def told_by_a_daemon(stands: Callable[..., Stand], dovecot: Dovecot) -> list[bytes]:
    """Scrapes that show every metric that there is: of a daemon at rest, and of one in trouble."""
    well = stands(dovecot)
    well.lay([*mailmix.mix(20, seed=11, largest_bytes=5_000), b"Subject: from nobody, so parked\r\n\r\nHello.\r\n"])
    well.daemon.start_and_answer()
    well.wait_until_caught_up()
    well.daemon.wait_until(lambda unit: unit["untaken"] == 0)
    ill = stands(dovecot)
    ill.lay(mailmix.mix(5, seed=12, largest_bytes=5_000))
    ill.daemon.start("intake.fetched:1:die")
    assert ill.daemon.died(), "after the look is noted: a backlog that waits"
    ill.configure(password="another")
    ill.daemon.start_and_answer()
    ill.daemon.wait_until(lambda unit: unit["state"] == "blocked")
    (ill.daemon.conf / "20-broken.toml").write_text("broken = ")
    until(lambda: ill.daemon.metric("mailwicket_config_refused") == 1, 15)
    return [stand.daemon.get("/metrics") for stand in (well, ill)]


def test_what_the_rules_ask_for_is_what_a_running_daemon_tells_and_promtool_finds_nothing_odd_in_it(
    stands: Callable[..., Stand], dovecot: Dovecot, promtool: str
) -> None:
    labels: dict[str, set[str]] = defaultdict(set)
    values: dict[str, set[str]] = defaultdict(set)
    for told in told_by_a_daemon(stands, dovecot):
        code, words = run(promtool, "check", "metrics", given=told)
        assert (code, words) == (0, "")
        for family in text_string_to_metric_families(told.decode()):
            for sample in family.samples:
                labels[sample.name] |= sample.labels.keys()
                for label, value in sample.labels.items():
                    values[label].add(value)
    for name, expression in rules().items():
        for metric, matchers in metrics_in(expression):
            if metric in OF_PROMETHEUS:
                continue
            assert metric in labels, f"{name}: there is no {metric}"
            for label, value in re.findall(r'(\w+)\s*=~?\s*"([^"]*)"', matchers):
                assert label in labels[metric] | TARGET_LABELS, f"{name}: {metric} has no label {label}"
                known = {str(cause) for cause in Cause} if label == "cause" else values[label]
                assert label in TARGET_LABELS or value in known, f"{name}: {label} is never {value}"


def metrics_in(expression: str) -> list[tuple[str, str]]:
    """Every metric that is named in *expression*, with its matchers in braces."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    names = set(re.findall(r"\b[a-z_]\w+\b(?!\s*=)", re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", bare))) - FUNCTIONS - WORDS
    found = re.findall(r"\b([a-z]\w+)(\{[^}]*\})?", expression)
    return [(name, matchers) for name, matchers in found if name in names]


def test_the_names_and_matchers_of_an_expression_are_found() -> None:
    text = 'time() - a_b{c="d", e!="f"} > 7 unless changes(g_h[1h]) < 2'
    assert metrics_in(text) == [("a_b", '{c="d", e!="f"}'), ("g_h", "")]
