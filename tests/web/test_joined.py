"""The page's files as they are served: joined, each name once, under a path that is their hash."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from taskdashd.web.joined import Fault, joined

STATIC = Path(__file__).parents[2] / "taskdashd" / "web" / "static"
SMALL = {
    "index.html": (
        '<html data-prefix=""><link href="static/icon.svg"><script src="static/page.js"></script>'
    ),
    "icon.svg": "<svg/>",
    "core/palette.css": "@layer core;\n",
    "core/base.css": "p {}\n",
    "core/a.js": "const own = 'a';\nexport const one = () => own;\nexport function two() {}\n",
    "core/words.json": '{"en": {"one": "One"}, "zh": {"one": "一"}}',
    "parts/b.css": "a {}\n",
    "parts/b.js": (
        "import { one } from '../core/a.js';\n\nconst own = 'b';\n"
        "export class Three {\n  says = one() + own;\n}\n"
    ),
    "views/x/view.js": (
        "import { Three } from '../../parts/b.js';\nimport { own } from './more.js';\n"
        "export const view = { paint: () => new Three().says + own };\n"
    ),
    "views/x/more.js": "import { one } from '../../core/a.js';\nexport const own = `x${one()}`;\n",
    "views/x/words.json": '{"en": {"view.x": "X"}, "zh": {"view.x": "叉"}}',
    "menus/z/menu.js": (
        "import { one } from '../../core/a.js';\n"
        "export async function menu() {\n  return one();\n}\n"
    ),
    "shell/main.js": (
        "import { Three } from '../parts/b.js';\n"
        "const open = () => import('../views/x/view.js');\n"
        "const asked = () => import('../menus/z/menu.js');\n"
        "globalThis.ran = [...(globalThis.ran ?? []), new Three().says, open, asked];\n"
    ),
}


def made(**changed: str) -> dict[str, str]:
    """Join the small page with some files changed (`core__a` is core/a.js); by path, no hash."""
    files = {**SMALL, **{f"{name.replace('__', '/')}.js": text for name, text in changed.items()}}
    served = joined({path: text.encode() for path, text in files.items()})
    return {re.sub(r"^[0-9a-f]{16}/", "", path): text.decode() for path, text in served.items()}


def test_what_is_served_runs_and_private_names_stay_private(tmp_path: Path) -> None:
    for path, text in made().items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    script = """
      const page = await import('./page.js');
      const [said, open, asked] = globalThis.ran;
      const { view } = await open();
      const { menu } = await asked();
      const told = [said, view.paint(), await menu()];
      console.log(JSON.stringify([Object.keys(page), globalThis.ran.length, ...told]));
    """
    command = ["node", "--input-type=module", "-e", script]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == [["Three", "one", "two"], 3, "ab", "abxa", "a"]


def test_the_page_knows_below_what_path_it_is() -> None:
    files = {path: text.encode() for path, text in SMALL.items()}
    assert b'<html data-prefix="/tasks">' in joined(files, "/tasks")["index.html"]
    assert b'<html data-prefix="">' in joined(files)["index.html"]


def test_styles_begin_with_the_layers_and_words_are_of_all_rooms() -> None:
    served = made()
    assert served["style.css"] == "@layer core;\np {}\na {}\n"
    assert json.loads(served["words/zh.json"]) == {"one": "一", "view.x": "叉"}
    assert served["index.html"].count('"static/') == 2
    assert len(re.findall(r'"static/[0-9a-f]{16}/(?:icon.svg|page.js)"', served["index.html"])) == 2


@pytest.mark.parametrize("path", sorted(SMALL.keys() - {"index.html"}))
def test_another_content_of_any_file_gives_all_of_them_another_path(path: str) -> None:
    """A browser keeps what it has for good: it must not go on with a file of an older page."""

    def version(files: dict[str, str]) -> str:
        served = joined({path: text.encode() for path, text in files.items()})
        (page,) = (path for path in served if path.endswith("/page.js"))
        assert f'src="static/{page}"' in served["index.html"].decode()
        return page

    other = {"json": SMALL[path].replace('"}', '!"}'), "js": f"{SMALL[path]}void 0;\n"}
    changed = {**SMALL, path: other.get(path.rpartition(".")[2], f"{SMALL[path]}<!-- -->")}
    assert version(changed) != version(SMALL)


def test_comments_on_lines_of_their_own_are_not_sent() -> None:
    files = {path: text.encode() for path, text in SMALL.items()}
    path = "shell/main.js"
    files[path] += b"/**\n * Say why: 2 * 3.\n */\n  // Not sent.\nvoid '/** kept */'; // kept\n"
    served = joined(files)
    (page,) = (text.decode() for path, text in served.items() if path.endswith("/page.js"))
    assert "Say why" not in page
    assert "Not sent" not in page
    assert "void '/** kept */'; // kept\n" in page


FAULTS = {
    "parts/c.js: one is exported by core/a.js already": {"parts__c": "export const one = 1;\n"},
    "views/x/more.js: Three is exported by parts/b.js already": {
        "views__x__more": "export const Three = 1;\nexport const own = 1;\n"
    },
    "parts/b.js: there is no core/none.js": {"parts__b": "import { a } from '../core/none.js';\n"},
    "parts/b.js: core/a.js exports no four": {"parts__b": "import { four } from '../core/a.js';\n"},
    "parts/b.js: core/a.js exports no one as uno": {
        "parts__b": "import { one as uno } from '../core/a.js';\n"
    },
    "core/d.js: core/c.js imports it too, by itself or by others": {
        "core__c": "import { d } from './d.js';\nexport const c = 1;\n",
        "core__d": "import { c } from './c.js';\nexport const d = 1;\n",
    },
    "parts/c.js: import and export by name, one declaration each": {
        "parts__c": "export default 1;\n"
    },
    "parts/d.js: import and export by name, one declaration each": {
        "parts__d": "import * as a from '../core/a.js';\n"
    },
    "views/x/more.js: the first page must not import a view or menu": {
        "shell__main": "import { view } from '../views/x/view.js';\n"
    },
    "views/x/more.js: another view is imported by views/y/view.js": {
        "views__y__view": "import { own } from '../x/more.js';\nexport const view = own;\n"
    },
    "views/y/view.js: it exports no view": {"views__y__view": "export const vista = 1;\n"},
    "menus/z/menu.js: the first page must not import a view or menu": {
        "parts__c": "import { menu } from '../menus/z/menu.js';\nexport const c = menu;\n"
    },
    "menus/y/menu.js: it exports no menu": {"menus__y__menu": "export const view = 1;\n"},
    "shell/c.js: there is no views/y/view.js": {
        "shell__c": "export const c = () => import('../views/y/view.js');\n"
    },
}


@pytest.mark.parametrize("said", FAULTS)
def test_files_that_do_not_fit_together_are_told(said: str) -> None:
    with pytest.raises(Fault) as fault:
        made(**FAULTS[said])
    assert str(fault.value) == said


def test_words_that_are_there_twice_are_told() -> None:
    files = {path: text.encode() for path, text in SMALL.items()}
    with pytest.raises(Fault, match=r"views/x/words.json: one has words already"):
        joined({**files, "views/x/words.json": files["core/words.json"]})


def test_every_file_of_the_page_is_served() -> None:
    """A module that nobody imports, or a file that is asked for and not there, is a mistake."""
    files = {
        str(path.relative_to(STATIC)): path.read_bytes()
        for path in STATIC.rglob("*")
        if path.suffix in (".js", ".css", ".json", ".svg", ".html")
    }
    served = {path: text.decode() for path, text in joined(files).items()}
    whole = "".join(served.values())
    for path in files:
        assert not path.endswith(".js") or f"// {path}\n" in whole, path
    for path in re.findall(r'"static/([^"]+)"', served["index.html"]):
        assert path in served
