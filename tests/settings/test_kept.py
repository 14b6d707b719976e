"""What is kept, and how long: the command, the documents and the settings say the same."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from taskdashd.cli import main
from taskdashd.settings import config, kept
from taskdashd.settings.config import Settings

OPERATIONS = Path(__file__).parents[2] / "docs/operations.md"


def test_the_document_has_the_table() -> None:
    for one in kept.told(Settings()):
        row = f"| {one.what} | {one.how_long} | {f'`{one.setting}`' if one.setting else ''} |"
        assert row in OPERATIONS.read_text(), f"docs/operations.md has no row {row}"


def test_each_row_names_a_setting_that_there_is() -> None:
    assert {one.setting for one in kept.TABLE} - {""} <= set(config.TABLE)


def test_the_values_are_those_in_force() -> None:
    shown = {one.what: one.how_long for one in kept.told(replace(Settings(), keep_runs=None))}
    assert shown["tasks that services ran"] == "for ever"
    result = CliRunner().invoke(main, ["config", "--kept"], env={"TASKDASHD_KEEP_RUNS": "36h"})
    assert "tasks that services ran  " in result.output
    assert "  36h after " in result.output


@pytest.mark.parametrize("value", ["59m", "10s", "0", "x", "400d"])
def test_runs_are_kept_for_an_hour_at_least(value: str) -> None:
    with pytest.raises(config.ConfigError, match="keep_runs"):
        config.load({"keep_runs": value}, {}, None)


@pytest.mark.parametrize(("value", "seconds"), [("1h", 3600.0), ("off", None), ("7d", 604800.0)])
def test_how_long_runs_are_kept(value: str, seconds: float | None) -> None:
    assert config.load({"keep_runs": value}, {}, None)[0].keep_runs == seconds
