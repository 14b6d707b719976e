"""The wheel as others get it: whole, without tests, and without the daemon's packages."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from checkout import ROOT, copy

PACKAGES = {
    "taskdash": "clients/python",
    "taskdash_ctl": "tools",
    "taskdash_protocol": "protocol",
    "taskdashd": ".",
}
NEVER_BY_THEMSELVES = {"trio", "peewee", "apsw", "structlog", "textual", "rich", "msgspec"}
REQUIRED = {"taskdash", "click", "msgpack", "orjson"}
BUILD = "import sys; from setuptools import build_meta as b; getattr(b, sys.argv[1])(sys.argv[2])"


def pip(venv: Path, *wanted: str) -> None:
    """Install into an environment that has no pip of its own."""
    command = [sys.executable, "-m", "pip", "--python", str(venv / "bin/python"), "install", "-q"]
    done = subprocess.run([*command, *wanted], capture_output=True, text=True, timeout=120)
    if done.returncode:
        pytest.fail(
            f"pip could not install {' '.join(wanted)}: is there a network to the package index?"
            f" {done.stderr.strip().splitlines()[-1]}",
            pytrace=False,
        )


def bare(path: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(path)], check=True)
    return path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sdist, and the wheel that was built from it and from nothing else."""
    work = tmp_path_factory.mktemp("wheel")
    source = copy(work / "source")
    builder = bare(work / "builder")
    pip(
        builder, *tomllib.loads((source / "pyproject.toml").read_text())["build-system"]["requires"]
    )

    def build(what: str, where: Path) -> None:
        command = [str(builder / "bin/python"), "-c", BUILD, what, str(work)]
        subprocess.run(command, cwd=where, check=True, capture_output=True, timeout=60)

    build("build_sdist", source)
    (sdist,) = work.glob("*.tar.gz")
    subprocess.run(["tar", "-xf", str(sdist), "-C", str(work)], check=True)
    build("build_wheel", work / sdist.name.removesuffix(".tar.gz"))
    return work


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (wheel,) = built.glob("*.whl")
    return wheel


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run(wheel: Path) -> Run:
    """Runs a program of an environment that holds the wheel without extras."""
    venv = bare(wheel.parent / "bare")
    pip(venv, str(wheel))
    # No PYTHONPATH, no TASKDASH_URL, and not the checkout as working directory.
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}

    def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(venv / "bin" / program), *arguments],
            cwd=venv,
            env=env,
            capture_output=True,
            text=True,
            timeout=30,
        )

    return run


def test_the_wheel_holds_the_four_packages_whole_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    meant = set()
    for package, below in PACKAGES.items():
        base = (ROOT / below).resolve()
        for kind in ("*.py", "py.typed", "openapi.json", "static/**/*"):
            found = (base / package).rglob(kind)
            meant |= {str(file.relative_to(base)) for file in found if file.is_file()}
    assert held == meant
    assert {"taskdash/py.typed", "taskdash_protocol/py.typed"} <= held


def test_the_licence_goes_with_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/LICENSE"))
        assert archive.read(name) == (ROOT / "LICENSE").read_bytes()


def test_it_is_as_large_as_the_documents_say(built: Path) -> None:
    """Within a fifth."""
    told = (ROOT / "docs/packaging.md").read_text()
    for kind, name in ("wheel", "*.whl"), ("sdist", "*.tar.gz"):
        (file,) = built.glob(name)
        (kib,) = re.findall(rf"{kind}(?: takes)? (\d+) KiB", told)
        assert file.stat().st_size / 1024 == pytest.approx(int(kib), rel=0.2), kind


def test_it_requires_neither_the_daemon_nor_the_board(run: Run) -> None:
    code = "import importlib.metadata as m; print(sorted({d.name for d in m.distributions()}))"
    there = set(ast.literal_eval(run("python", "-c", code).stdout))
    assert there == REQUIRED
    for name in NEVER_BY_THEMSELVES:
        assert run("python", "-c", f"import {name}").returncode == 1, name


def test_the_client_is_imported_from_where_it_was_installed(run: Run) -> None:
    done = run("python", "-c", "import taskdash; print(taskdash.__file__)")
    assert "/bare/lib/" in done.stdout, done.stderr


def test_the_command_line_answers(run: Run) -> None:
    version = run("taskdash-ctl", "--version")
    assert version.returncode == 0, version.stderr
    assert version.stdout.startswith("taskdash-ctl ")
    assert "SQLite not installed here" in version.stdout
    assert "Commands:" in run("taskdash-ctl", "--help").stdout


def test_without_a_daemon_it_says_so_in_a_line(run: Run) -> None:
    done = run("taskdash-ctl", "--server", "taskdash://127.0.0.1:1", "list")
    assert done.returncode == 5
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "cannot reach taskdashd" in done.stderr


def test_top_names_the_package_that_is_missing(run: Run) -> None:
    done = run("taskdash-ctl", "top")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "pip install 'taskdash[top]'" in done.stderr


def test_the_daemon_names_the_extra_that_is_missing(run: Run) -> None:
    for words in ((), ("run",), ("--version",)):
        done = run("taskdashd", *words)
        assert (done.returncode, done.stdout) == (1, "")
        needed = 'taskdashd needs the daemon\'s parts: pip install "taskdash[daemon]"\n'
        assert done.stderr == needed
