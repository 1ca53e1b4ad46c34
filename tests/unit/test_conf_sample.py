"""The sample is a configuration that works once its secret is there."""

from pathlib import Path

from typer.testing import CliRunner

from mailwicket.cli import app

SAMPLE = Path(__file__).parents[2] / "conf.d"


def test_check_accepts_the_sample() -> None:
    told = CliRunner().invoke(app, ["check", "--conf", str(SAMPLE)])
    assert told.exit_code == 0, told.output


def test_check_names_file_line_key_and_the_nearest_known_key_and_shows_no_value(tmp_path: Path) -> None:
    (tmp_path / "10-x.toml").write_text(
        '[incoming.x]\nemail = "x@example.org"\nserver = "s"\npasword = "canary-4711"\n'
    )
    told = CliRunner().invoke(app, ["check", "--conf", str(tmp_path)])
    assert told.exit_code == 1
    assert "10-x.toml:4: incoming.x.pasword: unknown key" in told.output
    assert "password" in told.output
    assert "canary-4711" not in told.output
