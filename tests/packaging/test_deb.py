"""The Debian package: built twice, judged by lintian, and lived with in a Debian of its own.

`mmdebstrap` makes a fresh Debian of this machine's release, `systemd-nspawn` boots it without a
network of its own, and `lifecycle` goes through installation, use, upgrade, removal and purge in
it. So shown: the maintainer scripts and the hardened unit under a real systemd, the dependencies on
a system that holds nothing else, and what is left at the end. Not shown: an upgrade from an older
version (there is none yet; the same one is installed over itself), the other architecture, and
how much of the unit's sandbox the container's kernel grants.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT
from processes import last_lines

pytestmark = pytest.mark.soak

TOOLS = {
    "fish": "fish",
    "lintian": "lintian",
    "man": "man-db",
    "mandoc": "mandoc",
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "zsh": "zsh",
}
LIFECYCLE = """
[Unit]
SuccessAction=exit-force
FailureAction=exit-force
FailureActionExitStatus=1

[Service]
Type=oneshot
ExecStart=/lifecycle
StandardOutput=file:/log
StandardError=file:/log
TimeoutStartSec=150
"""
COMPLETE = {
    "bash": """source "$SHARE/bash-completion/completions/$PROGRAM"
        read -r _ _ _ _ function _ < <(complete -p "$PROGRAM")
        COMP_LINE="$PROGRAM comp" COMP_WORDS=($COMP_LINE) COMP_CWORD=1 COMP_POINT=${#COMP_LINE}
        $function "$PROGRAM"; echo "${COMPREPLY[@]}" """,
    "fish": 'source $SHARE/fish/vendor_completions.d/$PROGRAM.fish; complete -C "$PROGRAM comp"',
    "zsh": """fpath=($SHARE/zsh/vendor-completions $fpath); autoload -U compinit; compinit -u -D
        echo $_comps[$PROGRAM]; autoload +X $_comps[$PROGRAM]""",
}
COMPLETED = {"taskdash-ctl": "completion", "taskdashd": "compact"}
# All that may differ after a purge: dpkg begins its log, and removes an /opt that is empty.
DIFFERENCE_OF_THE_SYSTEM = {"> /var/log/dpkg.log", "< /opt"}


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    missing = sorted(package for tool, package in TOOLS.items() if not shutil.which(tool))
    if missing:
        pytest.fail(f"run first: sudo apt-get install {' '.join(missing)}", pytrace=False)


def build(into: Path) -> Path:
    done = subprocess.run(
        [str(ROOT / "tools/deb/build"), str(into)],
        cwd=into,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, last_lines(done.stderr)
    return Path(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("deb"))


def test_its_name_is_that_of_its_contents(deb: Path) -> None:
    form = "--showformat=${Package}_${Version}_${Architecture}.deb"
    assert subprocess.check_output(["dpkg-deb", "--show", form, deb], text=True) == deb.name


def test_it_is_as_large_as_the_documents_say(deb: Path) -> None:
    """Within a fifth."""
    told = (ROOT / "docs/packaging.md").read_text()
    ((packed, installed),) = re.findall(r"takes ([\d.]+) MiB, and (\d+) MiB\s+installed", told)
    field = subprocess.check_output(["dpkg-deb", "--field", deb, "Installed-Size"], text=True)
    assert deb.stat().st_size / 2**20 == pytest.approx(float(packed), rel=0.2)
    assert int(field) / 1024 == pytest.approx(int(installed), rel=0.2)


def test_two_builds_are_the_same_to_the_byte(deb: Path, tmp_path: Path) -> None:
    assert build(tmp_path).read_bytes() == deb.read_bytes()


def test_lintian_finds_nothing_that_is_not_explained(deb: Path) -> None:
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error,warning", str(deb)],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.parametrize("program", COMPLETED)
def test_each_shell_finds_the_completion(deb: Path, tmp_path: Path, program: str) -> None:
    """Only on a terminal zsh completes: it is asked which function it would call."""
    subprocess.run(["dpkg-deb", "--extract", str(deb), str(tmp_path)], check=True)
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    env |= {"HOME": str(tmp_path), "SHARE": str(tmp_path / "usr/share"), "PROGRAM": program}
    said = {
        shell: subprocess.run([shell, "-c", script], capture_output=True, text=True, env=env)
        for shell, script in COMPLETE.items()
    }
    for shell in ("bash", "fish"):
        assert said[shell].stdout.split()[:1] == [COMPLETED[program]], said[shell].stderr
    assert said["zsh"].stdout == f"_{program}\n", said["zsh"].stderr


@pytest.mark.parametrize("page", ["man1/taskdash-ctl.1.gz", "man8/taskdashd.8.gz"])
def test_the_man_pages_are_well_formed(deb: Path, tmp_path: Path, page: str) -> None:
    subprocess.run(["dpkg-deb", "--extract", str(deb), str(tmp_path)], check=True)
    path = tmp_path / "usr/share/man" / page
    env = {**os.environ, "LC_ALL": "C.UTF-8"}
    shown = subprocess.run(
        ["man", "--warnings", "-l", path], capture_output=True, text=True, env=env
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "EXIT STATUS" in shown.stdout
    linted = subprocess.run(["mandoc", "-T", "lint", path], capture_output=True, text=True)
    assert linted.stdout == ""


def test_it_is_installed_used_upgraded_and_purged(deb: Path, tmp_path: Path) -> None:
    if os.geteuid():
        pytest.fail("only root can boot a container: run this test with sudo", pytrace=False)
    root = tmp_path / "root"
    command = ["mmdebstrap", "--variant=essential", "--include=python3,systemd-sysv,tzdata"]
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    made = subprocess.run(
        [*command, release, str(root)], capture_output=True, text=True, timeout=900
    )
    assert made.returncode == 0, last_lines(made.stderr)
    shutil.copy(deb, root / "taskdash.deb")
    shutil.copy(Path(__file__).with_name("lifecycle"), root / "lifecycle")
    units = root / "etc/systemd/system"
    (units / "lifecycle.service").write_text(LIFECYCLE)
    wanted = units / "multi-user.target.wants"
    wanted.mkdir(exist_ok=True)
    (wanted / "lifecycle.service").symlink_to("/etc/systemd/system/lifecycle.service")
    # The last two options let nspawn work on a machine that runs no systemd.
    boot = ["systemd-nspawn", "--quiet", "--boot", "--private-network", f"--directory={root}"]
    boot += ["--register=no", "--keep-unit"]
    booted = subprocess.run(
        boot,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=200,
    )
    log = root / "log"
    said = log.read_text() if log.exists() else booted.stdout
    assert booted.returncode == 0, last_lines(said, 20)
    assert set((root / "difference").read_text().splitlines()) <= DIFFERENCE_OF_THE_SYSTEM
