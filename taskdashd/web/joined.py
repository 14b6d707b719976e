"""The page's files as they are served: joined, under a path that names their content.

A browser asks for each module by itself, and dozens of small files would be dozens of requests. So
all modules but the views are sent one behind another as one module, `page.js`, and each view's as
another; all stylesheets are one, and the words of a language. Each module stays as it was written,
in a function of its own, so that its private names stay private: only the lines that import and
export are put differently. Exported names must therefore differ, and be given once.

The path holds a hash of all files: a browser keeps them for good, and never mixes old and new ones.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from posixpath import dirname, join, normpath
from typing import Final

from taskdash_protocol import strictjson

ENTRY: Final = "shell/main.js"
LANGUAGES: Final = ("en", "zh")
FIRST_STYLES: Final = ("core/palette.css", "core/base.css")
"""The files that name the layers and the colours, which the others use."""

_IMPORT: Final = re.compile(r"^import (?:\{([^}]*)\} from )?'(\.[^']+)';\n", re.MULTILINE)
_EXPORT: Final = re.compile(
    r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE
)
_OPENED: Final = re.compile(r"import\('\.\./views/(\w+)/view\.js'\)")
_VIEW: Final = re.compile(r"views/(\w+)/view\.js")


class Fault(Exception):
    """Raised where the page's files do not fit together; the message says how."""


def joined(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Give all that is served of the page, by path, from the files of `static/` by theirs.

    The first page is under "index.html". Raises `Fault`.
    """
    texts = {path: content.decode() for path, content in files.items()}
    sources = {path: text for path, text in texts.items() if path.endswith(".js")}
    made = {"page.js": _page(sources)}
    for path in sources:
        if view := _VIEW.fullmatch(path):
            made[f"views/{view[1]}.js"] = _view(sources, path)
    styles = sorted((path for path in texts if path.endswith(".css")), key=_style_order)
    made["style.css"] = "".join(texts[path] for path in styles)
    for language in LANGUAGES:
        made[f"words/{language}.json"] = _words(texts, language)
    made["icon.svg"] = texts["icon.svg"]
    digest = hashlib.sha256("".join(f"{path}\n{made[path]}" for path in sorted(made)).encode())
    version = digest.hexdigest()[:16]
    first = texts["index.html"].replace('"/static/', f'"/static/{version}/')
    served = {f"{version}/{path}": text.encode() for path, text in made.items()}
    return {**served, "index.html": first.encode()}


def _style_order(path: str) -> tuple[int, str]:
    return FIRST_STYLES.index(path) if path in FIRST_STYLES else len(FIRST_STYLES), path


def _words(texts: Mapping[str, str], language: str) -> str:
    words: dict[str, str] = {}
    for path in sorted(texts):
        if path.endswith("words.json"):
            theirs = strictjson.loads_object(texts[path].encode())[language]
            if twice := words.keys() & theirs.keys():
                raise Fault(f"{path}: {sorted(twice)[0]} has words already")
            words |= theirs
    return strictjson.dumps(words).decode()


def _page(sources: Mapping[str, str]) -> str:
    """Join all modules but the views; the entry, which begins to run, comes last."""
    exported: dict[str, str] = {}
    parts = []
    rooms = (path for path in sorted(sources) if not path.startswith("views/") and path != ENTRY)
    seen: set[str] = set()
    for path in [one for start in (*rooms, ENTRY) for one in _needed(sources, start, seen)]:
        if path.startswith("views/"):
            raise Fault(f"{path}: the first page must not import a view")
        part, names = _wrapped(path, sources[path])
        for name in names:
            if name in exported:
                raise Fault(f"{path}: {name} is exported by {exported[name]} already")
            exported[name] = path
        parts.append(part)
    page = _OPENED.sub(r"import('./views/\1.js')", "".join(parts))
    return f"{page}export {{ {', '.join(sorted(exported))} }};\n"


def _view(sources: Mapping[str, str], entry: str) -> str:
    """Join the modules of a view; what it has of the first page is imported from there."""
    folder = f"{dirname(entry)}/"
    parts, wanted = [], set()
    for path in _needed(sources, entry, set()):
        if path.startswith(folder):
            part, _ = _wrapped(path, sources[path])
            parts.append(part)
            for names, source in _imports(path, sources[path]):
                if not source.startswith(folder):
                    wanted.update(names)
        elif path.startswith("views/"):
            raise Fault(f"{path}: another view is imported by {entry}")
    have = f"import {{ {', '.join(sorted(wanted))} }} from '../page.js';\n"
    return f"{have}{''.join(parts)}export {{ view }};\n"


def _needed(sources: Mapping[str, str], path: str, seen: set[str]) -> Iterator[str]:
    """Give what a module imports, each once and before who imports it, and last the module."""
    if path in seen:
        return
    seen.add(path)
    for _, source in _imports(path, sources[path]):
        if source not in sources:
            raise Fault(f"{path}: there is no {source}")
        yield from _needed(sources, source, seen)
    yield path


def _imports(path: str, text: str) -> Iterator[tuple[list[str], str]]:
    for found in _IMPORT.finditer(text):
        names = [name.strip() for name in (found[1] or "").split(",") if name.strip()]
        yield names, normpath(join(dirname(path), found[2]))


def _wrapped(path: str, text: str) -> tuple[str, list[str]]:
    """Give a module as a function that gives its exports, and their names."""
    names = _EXPORT.findall(text)
    inside = _EXPORT.sub("", _IMPORT.sub("", text))
    if re.search(r"^(?:import|export)\b", inside, re.MULTILINE):
        raise Fault(f"{path}: import and export by name, one declaration each")
    given = f"{{ {', '.join(names)} }}"
    bound = f"const {given} = " if names else ""
    return f"// {path}\n{bound}(() => {{\n{inside}return {given};\n}})();\n", names
