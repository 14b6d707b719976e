"""Rules of the house, checked: nothing is undocumented, untested in kind, or too long to read."""

import ast
import re
from dataclasses import fields
from pathlib import Path

import pytest

from taskdash_ctl.cli import main as ctl
from taskdash_protocol.errors import BY_ERRID
from taskdash_protocol.fields import CONTROL_FIELDS, DAEMON_FIELDS, TASK_FIELDS
from taskdash_protocol.requests import REQUESTS
from taskdash_protocol.statuses import ENDED, WAITING
from taskdashd.cli import main as daemon
from taskdashd.core.table import OPERATIONS
from taskdashd.families import load_operations
from taskdashd.settings import config

load_operations()
ROOT = Path(__file__).parents[1]
PACKAGES = (
    "protocol/taskdash_protocol",
    "taskdashd",
    "clients/python/taskdash",
    "tools/taskdash_ctl",
)
SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
LINES_MAX = 400
FUNCTION_LINES_MAX = 70


def text(path: str) -> str:
    return (ROOT / path).read_text()


@pytest.mark.parametrize("name", REQUESTS)
def test_each_request_has_a_handler_a_section_and_vectors_both_ways(name: str) -> None:
    assert OPERATIONS[name].request is REQUESTS[name]
    protocol = text("protocol/PROTOCOL.md")
    section = protocol.split(f"\n### {name}\n")[1].split("\n### ")[0]
    for field in fields(REQUESTS[name]):  # type: ignore[arg-type]
        assert field.metadata["about"]
        if field.name != "fields":
            assert f"`{field.name}`" in section, field.name
    vectors = text("protocol/vectors/requests.json")
    blocks = [block for block in vectors.split("{\n") if f'"request": "{name}"' in block]
    assert any('"valid": true' in block for block in blocks)
    assert any('"valid": false' in block for block in blocks)


def test_there_is_no_handler_without_a_request() -> None:
    assert set(OPERATIONS) == set(REQUESTS)


def test_the_specification_names_every_field_status_and_error() -> None:
    protocol = text("protocol/PROTOCOL.md")
    for name in (*TASK_FIELDS, *DAEMON_FIELDS, *CONTROL_FIELDS, *ENDED, *WAITING):
        assert f"`{name}`" in protocol, name
    for errid, error in BY_ERRID.items():
        assert f"| {errid} | {error.errmsg} |" in protocol


def test_each_setting_is_documented_with_its_default() -> None:
    table = text("docs/configuration.md")
    for name, setting in config.TABLE.items():
        row = re.search(rf"^\| `{name}` \| (.*?) \|", table, re.MULTILINE)
        assert row, name
        assert setting.metadata["about"] in table
        if name != "data":
            default = setting.default
            assert row[1] == f"`{shown(default)}`", name


def shown(default: object) -> str:
    if isinstance(default, float):
        return f"{default:g}"
    if isinstance(default, bool):
        return "on" if default else "off"
    return "off" if default in (None, ()) else str(default)


def test_each_command_is_documented() -> None:
    words = text("README.md") + text("docs/operations.md")
    for program, group in (("taskdashd", daemon), ("taskdash-ctl", ctl)):
        for name in group.commands:
            assert f"{program} {name}" in words, (program, name)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_read_in_one_sitting(path: Path) -> None:
    source = path.read_text()
    name = str(path.relative_to(ROOT))
    assert source.count("\n") <= LINES_MAX, name
    tree = ast.parse(source)
    assert ast.get_docstring(tree), f"{name} does not say what it is"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= FUNCTION_LINES_MAX, f"{name}:{node.lineno} {node.name}"
