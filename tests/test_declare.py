"""`tools/declare` on declarations for which something made is missing."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import declared
from declared import protocol_md, vectors
from declared.__main__ import main
from declared._lacks import lacks, shared
from taskdash_protocol.errors import BadRequest
from taskdash_protocol.readers import integer
from taskdash_protocol.request import Request
from taskdash_protocol.requests import REQUESTS

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that are made, and what they are made in."""
    path = tmp_path_factory.mktemp("made")
    shutil.copytree(ROOT / "protocol", path / "protocol")
    shutil.copy(ROOT / "setup.cfg", path)
    for room in ("rules", "wire"):
        (path / "taskdashd/web/static" / room).mkdir(parents=True)
    (path / "docs").mkdir()
    for page in ("people.md", "architecture.md"):
        shutil.copy(ROOT / "docs" / page, path / "docs")
    declared.write(path)
    return path


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A copy of the files that are made."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_what_was_made_is_stale_only_when_it_is_touched(root: Path) -> None:
    assert declared.stale(root) == []
    path = root / "taskdashd/web/openapi.json"
    path.write_text(path.read_text().replace("Claim", "Clam"))
    assert declared.stale(root) == [Path("taskdashd/web/openapi.json")]
    assert declared.write(root) == [Path("taskdashd/web/openapi.json")]
    assert declared.stale(root) == []


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_without_a_section_gets_one(root: Path, name: str) -> None:
    """The section stands behind the operations: heading, meaning, fields. Nothing else moves."""
    path = root / protocol_md.PROTOCOL_MD
    whole = path.read_text()
    found = protocol_md.section_of(whole, name)
    assert found
    begin = found[0] - len(f"### {name}\n")
    path.write_text(whole[:begin] + whole[found[1] :])
    declared.write(root)
    document = path.read_text()
    assert document.count(f"\n### {name}\n") == 1
    made = protocol_md.section_of(document, name)
    assert made
    assert made[1] == document.index("## 8. ")
    table = f"<!-- made by tools/declare: {name} -->"
    assert document[slice(*made)].count(table) == 1
    rest = document[: made[0] - len(f"### {name}\n\n")] + document[made[1] :]
    assert rest.split() == (whole[:begin] + whole[found[1] :]).split()


def test_a_section_without_a_table_gets_one_after_its_first_paragraph(root: Path) -> None:
    path = root / protocol_md.PROTOCOL_MD
    whole = path.read_text()
    begin, end = protocol_md.section_of(whole, "Unwatch") or (0, 0)
    path.write_text(f"{whole[:begin]}\nEnd a watch.\n\nReply: nothing further.\n\n{whole[end:]}")
    declared.write(root)
    document = path.read_text()
    begin, end = protocol_md.section_of(document, "Unwatch") or (0, 0)
    said, mark, rest = document[begin:end].partition("<!-- made by tools/declare: Unwatch -->")
    assert said.split() == ["End", "a", "watch."]
    assert mark
    assert "| `watch` | integer |" in rest
    assert rest.strip().endswith("Reply: nothing further.")


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_without_vectors_gets_some_that_are_begun(root: Path, name: str) -> None:
    """One vector is accepted and one refused, both marked as unfinished."""
    path = root / vectors.VECTORS
    whole = json.loads(path.read_text())
    whole["vectors"] = [one for one in whole["vectors"] if one["request"] != name]
    path.write_text(json.dumps(whole))
    declared.write(root)
    begun = [one for one in json.loads(path.read_text())["vectors"] if one["request"] == name]
    accepted, refused = begun
    assert "todo" in accepted
    assert "todo" in refused
    assert accepted["valid"]
    REQUESTS[name].parse(json.loads(accepted["body"]))
    assert not refused["valid"]
    if type(json.loads(refused["body"])) is dict:
        with pytest.raises(BadRequest, match=refused["detail"]):
            REQUESTS[name].parse(json.loads(refused["body"]))


def test_what_is_replied_stands_behind_the_table(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once: where the docstring has it, and not in what is said before the table."""
    said = "Ask for one task.\n\n    Reply: the task.\n    Or 1002.\n    "
    monkeypatch.setattr(REQUESTS["Find"], "__doc__", said)
    path = root / protocol_md.PROTOCOL_MD
    begin, end = protocol_md.section_of(path.read_text(), "Find") or (0, 0)
    whole = path.read_text()
    path.write_text(whole[: begin - len("### Find\n")] + whole[end:])
    for _ in range(2):
        declared.write(root)
        document = path.read_text()
        section = document[slice(*(protocol_md.section_of(document, "Find") or ()))]
        before, _, table = section.partition("<!-- made by tools/declare: Find -->")
        assert before.strip() == "Ask for one task."
        assert table.strip().endswith("|\n\nReply: the task.\nOr 1002.\n\n<!-- end -->")


def test_vectors_that_are_no_json_are_told_by_their_name(root: Path) -> None:
    path = root / vectors.VECTORS
    path.write_text(path.read_text().replace("true\n", "true,\n", 1))
    with pytest.raises(declared.Incomplete, match=r"^protocol/vectors/requests.json is no JSON: "):
        declared.write(root)


@pytest.mark.parametrize("page", ["docs/people.md", "docs/architecture.md"])
def test_a_page_that_has_lost_a_mark_is_told_by_its_name(root: Path, page: str) -> None:
    path = root / page
    path.write_text(path.read_text().replace("<!-- end -->", ""))
    with pytest.raises(declared.Incomplete, match=f"^{page} has lost its mark "):
        declared.write(root)


class Bare(Request):
    pass


@dataclass(frozen=True)
class Half(Request):
    """Ask for half."""

    request_id = "Hale"

    one: str = ""
    two: int = integer("No sentence", default=0)


def test_half_a_declaration_is_told_what_it_lacks() -> None:
    """In a sentence for each thing, with the place and the name."""
    here = f"protocol/{__name__}.py: "
    assert list(lacks(Bare)) == [
        f'{here}Bare has no request_id: write request_id = "Bare"',
        f"{here}Bare is not under @dataclass(frozen=True, slots=True)",
        f"{here}Bare has no docstring that says what it asks for",
    ]
    assert list(lacks(Half)) == [
        f"{here}Half has the request_id 'Hale', and its class another name",
        f"{here}Half is not under @dataclass(frozen=True, slots=True)",
        f"{here}Half.one is declared by no function of taskdash_protocol.readers",
        f"{here}Half.two has a meaning that does not end with a full stop",
    ]
    other = type("Other", (Half,), {})
    assert list(shared([Half, other])) == [
        f"{here}Half and {here}Other have one request_id, 'Hale'"
    ]


def test_nothing_is_made_of_half_a_declaration(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`tools/declare` says what is missing instead, and fails."""
    monkeypatch.setattr(declared._lacks, "request_classes", lambda: [Half])
    monkeypatch.setattr("declared.__main__.ROOT", root)
    (root / "taskdashd/web/openapi.json").unlink()
    for words in ([], ["--check"]):
        assert main(words) == 1
        assert "Half.one is declared by no function" in capsys.readouterr().err
    assert not (root / "taskdashd/web/openapi.json").exists()


def test_a_new_package_is_installed_too(root: Path) -> None:
    """In its place in setup.cfg, where nobody has to think of it."""
    before = (root / "setup.cfg").read_text()
    (root / "taskdashd/web/__init__.py").touch()
    (root / "taskdashd/__init__.py").touch()
    assert declared.write(root) == [Path("docs/architecture.md"), Path("setup.cfg")]
    added = "    taskdashd\n    taskdashd.web\n"
    assert (root / "setup.cfg").read_text() == before.replace("package_dir", f"{added}package_dir")


def test_the_frame_of_a_vector_follows_its_body(root: Path) -> None:
    path = root / vectors.VECTORS
    before = path.read_text()
    whole: dict[str, Any] = json.loads(before)
    hello = next(one for one in whole["vectors"] if one["name"] == "hello")
    hello["hex"] = "00"
    path.write_text(json.dumps(whole))
    declared.write(root)
    assert path.read_text() == before
