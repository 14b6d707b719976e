"""The page's own code: its pure parts are tested, and the check tells each kind of fault."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STATIC = "taskdashd/web/static"
VIEW = f"{STATIC}/views/services/view.js"
MODEL = f"{STATIC}/views/services/model.js"
STYLE = f"{STATIC}/views/services/services.css"
FAULTS = {
    "type": (MODEL, "\n/** @type {number} */\nexport const a = 'text';\n", "TS2322"),
    "rule": (MODEL, "\nexport const b = 1 == Number('1');\n", "eqeqeq"),
    "long function": (
        MODEL,
        "\nexport function c() {\n" + "  Date.now();\n" * 70 + "}\n",
        "max-lines-per-function",
    ),
    "long file": (MODEL, "// A line.\n" * 400, "File has too many lines"),
    "long line": (MODEL, f"// {'long ' * 20}\n", "max-len"),
    "shell": (VIEW, "import { help } from '../../shell/bar.js';\n", "views does not know shell"),
    "another view": (
        VIEW,
        "import { view as other } from '../now/view.js';\n",
        "A view does not import another view",
    ),
    "format": (VIEW, '\nexport const d = "text"\n', "services/view.js"),
    "colour": (STYLE, "\n.wrong {\n  color: #123456;\n}\n", "color-no-hex"),
    "test": (
        "tests/web/page/wrong.test.js",
        "import test from 'node:test';\n\ntest('wrong', () => {\n  throw new Error('no');\n});\n",
        "not ok",
    ),
}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the page, beside the same tools."""
    root = tmp_path_factory.mktemp("page")
    leave = shutil.ignore_patterns("node_modules", "__pycache__")
    for folder in (STATIC, "tools/page"):
        shutil.copytree(ROOT / folder, root / folder, ignore=leave)
    # None of our own tests: they are run above.
    (root / "tests/web/page").mkdir(parents=True)
    shutil.copy(ROOT / "tools/setup.sh", root / "tools")
    (root / "tools/page/node_modules").symlink_to(ROOT / "tools/page/node_modules")
    return root


def checked(root: Path) -> tuple[int, str]:
    """Run the check; give its exit status and all that it says."""
    command = [str(root / "tools/page/check")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def test_what_is_pure_is_tested() -> None:
    """The suite runs them too: they need Node alone, and no other tool."""
    tests = sorted(str(path) for path in (ROOT / "tests/web/page").glob("*.test.js"))
    assert tests
    done = subprocess.run(["node", "--test", *tests], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_check_tells_each_kind_of_fault(copied: Path) -> None:
    """All at once: nobody must mend one to be told the next."""
    for name, more, _ in FAULTS.values():
        before = (copied / name).read_text() if (copied / name).exists() else ""
        (copied / name).write_text(more + before if more[:6] == "import" else before + more)
    status, said = checked(copied)
    assert status == 1
    assert [kind for kind, (_, _, told) in FAULTS.items() if told not in said] == [], said
