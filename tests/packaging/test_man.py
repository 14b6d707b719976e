"""The man pages tell everything, for they are made from the commands."""

import re
import subprocess
import sys
from functools import cache

import pytest
from checkout import ROOT

from taskdash_ctl.cli import main as ctl
from taskdashd.cli import main as daemon
from taskdashd.settings import config

PROGRAMS = {"taskdash-ctl": ctl, "taskdashd": daemon}


@cache
def page(program: str) -> str:
    """Give a page with the typesetter's signs undone."""
    made = subprocess.run(
        [sys.executable, "-B", str(ROOT / "tools/deb/man.py"), program],
        env={"SOURCE_DATE_EPOCH": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    return re.sub(r"\\f[BR]", "", made.stdout).replace(r"\-", "-")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_page_names_each_command_and_option(program: str) -> None:
    text = page(program)
    for name, command in PROGRAMS[program].commands.items():
        (section,) = re.findall(rf"^\.SS {name}\n(.*?)^\.S[SH] ", text, re.M | re.S)
        for param in command.params:
            for option in param.opts if param.param_type_name == "option" else ():
                assert re.search(rf"^\.B .*{option}\b", section, re.M), (name, option)


def test_the_page_names_each_variable_that_the_client_reads() -> None:
    text = page("taskdash-ctl")
    sources = [*ROOT.glob("clients/python/taskdash/*.py"), *ROOT.glob("tools/taskdash_ctl/*.py")]
    read = {
        name for path in sources for name in re.findall(r"\bTASKDASH_[A-Z_]+", path.read_text())
    }
    assert {"TASKDASH_URL", "TASKDASH_TASK_ID"} <= read
    for name in read:
        assert f".B {name}\n" in text, name


def test_the_page_names_each_setting_and_exit_code() -> None:
    text = page("taskdashd")
    for name in config.TABLE:
        assert f".B {config.ENVIRONMENT_PREFIX}{name.upper()}\n" in text
    for code in re.findall(r"(\d+) ", (ctl.help or "").split("Exit codes:")[1]):
        assert f".B {code}\n" in page("taskdash-ctl")
