"""The README's example, links and main command work as shown."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from processes import last_lines

from taskdash.testing import running_daemon

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_python_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The example runs as printed, but for the port."""
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(code.splitlines()) <= 12
    with running_daemon(tmp_path) as daemon:
        exec(code.replace("taskdash://127.0.0.1:13920", daemon.url), {})
    assert capsys.readouterr().out.startswith("import-9 finish 20")


def test_every_link_leads_somewhere() -> None:
    """Links in the README and in the documents lead to files that exist."""
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))):
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_main_job_runs_on_a_real_command(tmp_path: Path) -> None:
    """tools/run: the daemon, a command as a task, the board, and a clean end."""
    env = {**os.environ, "TASKDASHD_DATA": str(tmp_path), "TASKDASHD_LISTEN": "127.0.0.1:0"}
    env.pop("TASKDASH_URL", None)
    result = subprocess.run(
        ["tools/run", "--demo-seconds", "1"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert result.returncode == 0, last_lines(result.stderr)
    before, after = result.stdout.split("What to do next")
    assert re.search(r"^find-.*\tCount the files\tfinish\t", before, re.MULTILINE)
    assert re.search(r"^sleep-.*\tSleep a while\trunning\t", before, re.MULTILINE)
    assert re.search(r"^sleep-.*\tSleep a while\tfailed\t", after, re.MULTILINE)
    # Without it `taskdashd token`, `backup` and `check` act in another directory.
    assert f" TASKDASHD_DATA={tmp_path} " in after
    assert '"event": "stopped"' in (tmp_path / "taskdashd.log").read_text()
