"""Rules of the house, checked: nothing is undocumented, untested in kind, or too long to read."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from inspect import signature
from pathlib import Path

import pytest

from declared import stale
from declared._lacks import lacks, place, shared
from declared.modules import PACKAGES
from declared.protocol_md import section_of
from declared.vectors import VECTORS, read
from taskdash_ctl.cli import main as ctl
from taskdash_protocol.errors import BY_ERRID
from taskdash_protocol.fields import CONTROL_FIELDS, DAEMON_FIELDS, TASK_FIELDS
from taskdash_protocol.request import AboutTask, Request
from taskdash_protocol.requests import REQUESTS, request_classes
from taskdash_protocol.statuses import ENDED, WAITING
from taskdashd.cli import main as daemon
from taskdashd.core.table import OPERATIONS
from taskdashd.families import load_operations
from taskdashd.process.doors import CONTROL_NAME
from taskdashd.settings import config

load_operations()
ROOT = Path(__file__).parents[1]
SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
TESTS = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
"""The tests of behaviour; this file holds for every request, and tests none."""
ARGUMENTS = {
    "writes": ("request", "caller", "transaction"),
    "reads": ("request", "caller", "task"),
    "alone": ("request", "caller"),
}
"""What a function is given under each decorator."""
LINES_MAX = 400
FUNCTION_LINES_MAX = 70


def text(path: str | Path) -> str:
    return (ROOT / path).read_text()


@pytest.mark.parametrize("request_class", list(request_classes()), ids=lambda one: one.__name__)
def test_a_request_says_what_it_is(request_class: type[Request]) -> None:
    """A class of a request has a RequestID, a meaning, and a way to read each field."""
    said = list(lacks(request_class))
    assert not said, "\n".join(said)


def test_no_two_requests_have_one_request_id() -> None:
    said = list(shared(list(request_classes())))
    assert not said, "\n".join(said)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_has_a_function_that_does_it(name: str) -> None:
    family = place(REQUESTS[name])
    assert name in OPERATIONS, (
        f"no function does {name} ({family}): write one under @writes({name}), @reads({name}) or"
        f" @alone({name}) in taskdashd/families/"
    )
    done = OPERATIONS[name].request
    assert done is REQUESTS[name], f"a function does {name} for {place(done)}, and not {family}"


def test_a_request_has_only_one_function() -> None:
    """Of two functions for a request, the one imported last would replace the other in silence."""
    done: dict[str, list[str]] = {}
    for path in sorted((ROOT / "taskdashd/families").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            for one in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
                if isinstance(one, ast.Call) and ast.unparse(one.func) in ARGUMENTS:
                    where = f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
                    done.setdefault(ast.unparse(one.args[0]), []).append(where)
    for name, functions in done.items():
        assert len(functions) == 1, f"{name} is done more than once: {', '.join(functions)}"


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_function_stands_under_the_decorator_that_gives_it_its_arguments(name: str) -> None:
    operation = OPERATIONS[name]
    code, takes = operation.run.__code__, tuple(signature(operation.run).parameters)
    where = f"{Path(code.co_filename).relative_to(ROOT)}:{code.co_firstlineno} {code.co_name}"
    gets = ARGUMENTS[operation.kind]
    assert takes == gets, (
        f"{where} takes ({', '.join(takes)}), and @{operation.kind} gives ({', '.join(gets)})"
    )
    # A door loads the task that the field `id` names before such a function runs.
    assert operation.kind == "alone" or issubclass(operation.request, AboutTask), (
        f"{where} stands under @{operation.kind}, so {place(operation.request)} must derive from"
        " AboutTask; what is not about one task stands under @alone"
    )


def test_there_is_no_function_without_a_request() -> None:
    for name in OPERATIONS:
        assert name in REQUESTS, f"a function does {name!r}, which no family declares"


def test_no_two_files_of_tests_have_one_name() -> None:
    """The rooms of the tests are no packages: of two files with one name, pytest finds one."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert not [name for name, count in names.items() if count > 1]


def test_each_folder_of_modules_is_a_package() -> None:
    """A folder without `__init__.py` is neither searched for operations nor installed."""
    for folder in sorted({path.parent for path in SOURCES}):
        name = folder.relative_to(ROOT)
        assert (folder / "__init__.py").exists(), f"{name}/ has no __init__.py: nothing finds it"


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_is_specified(name: str) -> None:
    found = section_of(text("protocol/PROTOCOL.md"), name)
    assert found, f"PROTOCOL.md has no section '### {name}': run tools/declare, then say more there"
    made, _, more = text("protocol/PROTOCOL.md")[slice(*found)].partition("<!-- end -->")
    # The acts of people share a table, and a sentence about what is replied.
    replied = "Reply: " in made or more.strip() or f"\n| {name} | " in text("protocol/PROTOCOL.md")
    assert replied, (
        f"PROTOCOL.md does not say what {name} is replied: put a paragraph 'Reply: …' into the"
        f" docstring of {place(REQUESTS[name])}, or into its section"
    )


def test_nothing_is_specified_that_is_not_declared() -> None:
    for name in re.findall(r"<!-- made by tools/declare: (\w+) -->", text("protocol/PROTOCOL.md")):
        assert name in REQUESTS, f"PROTOCOL.md has a table of {name}, which no family declares"


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_has_vectors_both_ways(name: str) -> None:
    vectors = [one for one in read(ROOT)["vectors"] if one["request"] == name]
    for valid, kind in ((True, "accepted"), (False, "refused")):
        assert any(one["valid"] is valid for one in vectors), (
            f"{VECTORS} has no {kind} vector of {name}: run tools/declare"
        )
    for one in vectors:
        assert "todo" not in one, (
            f"{VECTORS}: the vector {one['name']!r} is only begun: {one['todo']}"
        )


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_is_tested(name: str) -> None:
    """Some test shows what the request does, not only how it is parsed."""
    named = re.compile(rf"[\"']{name}[\"']|\b{name}[.(]")
    is_asked = any(named.search(source) for source in TESTS)
    assert is_asked, f"no test asks for {name}: write what it does in tests/families/"


def test_what_is_made_is_fresh() -> None:
    said = [f"{path} is stale: run tools/declare" for path in stale(ROOT)]
    assert not said, "\n".join(said)


def test_the_specification_names_every_field_status_and_error() -> None:
    protocol = text("protocol/PROTOCOL.md")
    for name in (*TASK_FIELDS, *DAEMON_FIELDS, *CONTROL_FIELDS, *ENDED, *WAITING):
        assert f"`{name}`" in protocol, f"PROTOCOL.md does not name `{name}`"
    for errid, error in BY_ERRID.items():
        row = f"| {errid} | {error.errmsg} |"
        assert row in protocol, f"PROTOCOL.md has no row that begins '{row}'"


def test_each_setting_is_documented_with_its_default() -> None:
    table = text("docs/configuration.md")
    for name, setting in config.TABLE.items():
        row = re.search(rf"^\| `{name}` \| (.*?) \| (.*?) \| +(yes )?\|", table, re.MULTILINE)
        assert row, f"docs/configuration.md has no row for the setting `{name}`"
        about, unit = setting.metadata["about"], setting.metadata["unit"].replace("|", " · ")
        assert about in table, f"docs/configuration.md does not say of `{name}`: {about}"
        assert row[2] == unit, f"docs/configuration.md: the unit of `{name}` is {unit}"
        assert bool(row[3]) == setting.metadata["live"], f"docs/configuration.md: `{name}` is live?"
        if name != "data":
            default = f"`{shown(setting.default)}`"
            assert row[1] == default, f"docs/configuration.md: the default of `{name}` is {default}"


def test_a_setting_that_a_part_reads_is_there() -> None:
    """`Live` finds settings by name, so the type checker believes any name and type: this does not.

    A part names the settings that it reads in a protocol `…Limits`; `parts.py` asks `live`.
    """
    settings = dict(fields_of(ROOT / "taskdashd/settings/config.py", "Settings"))
    for path in sorted((ROOT / "taskdashd").rglob("*.py")):
        for name, kind in fields_of(path, "Limits"):
            assert settings.get(name) == kind, f"{path.relative_to(ROOT)}: {name}: {kind}"
    for name in re.findall(r"\blive\.(\w+)", text("taskdashd/parts.py")):
        assert name in settings, f"taskdashd/parts.py: live.{name}"


def fields_of(path: Path, ending: str) -> Iterator[tuple[str, str]]:
    """Give the fields of the classes whose name ends so, each with its type as it is written."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef) and node.name.endswith(ending):
            for one in node.body:
                if isinstance(one, ast.AnnAssign):
                    yield ast.unparse(one.target), ast.unparse(one.annotation)


def test_each_flag_is_documented() -> None:
    flags = {flag for option in daemon.commands["run"].params for flag in option.opts}
    (told,) = re.findall(r"^Flags exist for (.*?)\.$", text("docs/configuration.md"), re.M | re.S)
    assert set(re.findall(r"`(--[a-z-]+)`", told)) == flags - {"--config"}


def test_what_is_told_to_operators_is_what_the_daemon_says() -> None:
    """The faults of docs/operations.md, word for word; what stands in brackets changes."""
    table = text("docs/operations.md").partition("## When something is wrong\n")[2]
    said = "".join(path.read_text() for path in (ROOT / "taskdashd").rglob("*.py"))
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| ")][1:]
    told = [phrase for row in rows for phrase in re.findall(r"`([^`]+)`", row)]
    assert len(told) > 5
    for phrase in told:
        # The one word of SQLite's own.
        assert phrase == "malformed" or phrase.partition(" (")[0] in said, phrase


def test_the_socket_is_where_operators_are_told_to_look() -> None:
    """The socket is in the directory that the unit keeps."""
    unit = text("systemd/taskdashd.service")
    (state,) = re.findall(r"^StateDirectory=(.*)$", unit, re.MULTILINE)
    told = re.findall(r"unix://(/\S+)", text("docs/operations.md"))
    assert told == [f"/var/lib/{state}/{CONTROL_NAME}"]


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
            command = f"{program} {name}"
            assert command in words, f"neither README.md nor docs/operations.md names '{command}'"


def test_a_document_that_the_code_names_is_there() -> None:
    """A document is named by its path in the checkout or its name; PROTOCOL.md has sections too."""
    names = {
        path.name for folder in (".", "docs", "protocol") for path in (ROOT / folder).glob("*.md")
    }
    sections = re.findall(r"^## (\d+\. .*)", text("protocol/PROTOCOL.md"), re.MULTILINE)
    for folder in ("protocol", "taskdashd", "clients", "tools", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            source = path.read_text()
            for name in re.findall(r"\b[\w/]+\.md\b", source):
                assert name in names or (ROOT / name).exists(), f"{path}: {name}"
            for number, title in re.findall(r'\b(\d+)\. "(\w[\w ]*)"', source):
                assert f"{number}. {title}" in sections, f"{path}: {number}. {title}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_read_in_one_sitting(path: Path) -> None:
    source = path.read_text()
    name = str(path.relative_to(ROOT))
    assert source.count("\n") <= LINES_MAX, f"{name} has more than {LINES_MAX} lines"
    tree = ast.parse(source)
    assert ast.get_docstring(tree), f"{name} does not say what it is"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= FUNCTION_LINES_MAX, (
                f"{name}:{node.lineno}: {node.name} has more than {FUNCTION_LINES_MAX} lines"
            )
