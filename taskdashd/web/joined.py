"""The page's files as they are served: joined, under a path that names their content.

A browser asks for each module by itself, and dozens of small files would be dozens of requests. So
all modules but those of views and menus are sent one behind another as one module, `page.js`, and
each view's and menu's as another, fetched when it is opened; all stylesheets are one, and the words
of a language. Each module stays as it was written,
in a function of its own, so that its private names stay private: only the lines that import and
export are put differently, and comments on lines of their own are left out: they would be a third
of what a browser is sent. Exported names must therefore differ, and be given once.

The path holds a hash of all files: a browser keeps them for good, and never mixes old and new ones.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from posixpath import dirname, join, normpath
from typing import Final, NamedTuple

from taskdash_protocol import strictjson

ENTRY: Final = "shell/main.js"
LANGUAGES: Final = ("en", "zh")
FIRST_STYLES: Final = ("core/palette.css", "core/base.css")
"""The files that name the layers and the colours, which the others use."""

_IMPORT: Final = re.compile(r"^import (?:\{([^}]*)\} from )?'(\.[^']+)';\n", re.MULTILINE)
_EXPORT: Final = re.compile(
    r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE
)
_COMMENT: Final = re.compile(r"^[ \t]*(?:/\*\*(?:[^*]|\*(?!/))*\*/|//[^\n]*)\n", re.MULTILINE)
_OPENED: Final = re.compile(r"import\('\.\./(view|menu)s/(\w+)/\1\.js'\)")
_LATER: Final = re.compile(r"(view|menu)s/(\w+)/\1\.js")
_LATER_ROOMS: Final = ("views/", "menus/")


class _Module(NamedTuple):
    """A module of JavaScript without its comments, and what it says of others, read once."""

    text: str
    imports: list[tuple[list[str], str]]
    """Names, with the path of the module that exports them."""
    exports: list[str]


_Sources = Mapping[str, _Module]


class Fault(Exception):
    """Raised where the page's files do not fit together; the message says how."""


def joined(files: Mapping[str, bytes], prefix: str = "") -> dict[str, bytes]:
    """Give all that is served of the page, by path, from the files of `static/` by theirs.

    The first page is under "index.html", and knows the prefix of the board. Raises `Fault`.
    """
    texts = {path: content.decode() for path, content in files.items()}
    sources = {path: _module(path, text) for path, text in texts.items() if path.endswith(".js")}
    made = {"page.js": _page(sources)}
    for path in sources:
        if later := _LATER.fullmatch(path):
            made[f"{later[1]}s/{later[2]}.js"] = _later(sources, path, later[1])
    styles = sorted((path for path in texts if path.endswith(".css")), key=_style_order)
    made["style.css"] = "".join(texts[path] for path in styles)
    for language in LANGUAGES:
        made[f"words/{language}.json"] = _words(texts, language)
    made["icon.svg"] = texts["icon.svg"]
    # Of files and of what is made of them: neither another comment nor another way to join is old.
    whole = [f"{path}\n{of[path]}" for of in (texts, made) for path in sorted(of)]
    digest = hashlib.sha256("".join(whole).encode())
    version = digest.hexdigest()[:16]
    first = texts["index.html"].replace('"static/', f'"static/{version}/')
    first = first.replace(' data-prefix=""', f' data-prefix="{prefix}"')
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


def _page(sources: _Sources) -> str:
    """Join all modules but views and menus; the entry, which begins to run, comes last."""
    given: dict[str, str] = {}
    parts = []
    rooms = (
        path for path in sorted(sources) if not path.startswith(_LATER_ROOMS) and path != ENTRY
    )
    seen: dict[str, bool] = {}
    order = [
        path
        for start in (*rooms, ENTRY)
        if start not in seen
        for path in _needed(sources, start, seen)
    ]
    for path in order:
        if path.startswith(_LATER_ROOMS):
            raise Fault(f"{path}: the first page must not import a view or menu")
        parts.append(_wrapped(path, sources[path], given))
        for kind, name in _OPENED.findall(sources[path].text):
            if (opened := f"{kind}s/{name}/{kind}.js") not in sources:
                raise Fault(f"{path}: there is no {opened}")
    page = _OPENED.sub(r"import('./\1s/\2.js')", "".join(parts))
    return f"{page}export {{ {', '.join(sorted(given))} }};\n"


def _later(sources: _Sources, entry: str, kind: str) -> str:
    """Join the modules of a view or menu; what it has of the first page is imported from there."""
    folder = f"{dirname(entry)}/"
    needed = list(_needed(sources, entry, {}))
    mine = [path for path in needed if path.startswith(folder)]
    for path in needed:
        if path.startswith(_LATER_ROOMS) and path not in mine:
            raise Fault(f"{path}: another {kind} is imported by {entry}")
    given = {
        name: source
        for path in mine
        for names, source in sources[path].imports
        if source not in mine
        for name in names
    }
    have = f"import {{ {', '.join(sorted(given))} }} from '../page.js';\n" if given else ""
    parts = [_wrapped(path, sources[path], given) for path in mine]
    if given.get(kind) != entry:
        raise Fault(f"{entry}: it exports no {kind}")
    return f"{have}{''.join(parts)}export {{ {kind} }};\n"


def _needed(sources: _Sources, path: str, seen: dict[str, bool]) -> Iterator[str]:
    """Give what a module imports, each once and before who imports it, and last the module.

    `seen` tells of each module that was met whether all that it imports has been given.
    """
    seen[path] = False
    for names, source in sources[path].imports:
        if source not in sources:
            raise Fault(f"{path}: there is no {source}")
        for name in names:
            if name not in sources[source].exports:
                raise Fault(f"{path}: {source} exports no {name}")
        if source not in seen:
            yield from _needed(sources, source, seen)
        elif not seen[source]:
            # One of the two would run before what it needs is there.
            raise Fault(f"{path}: {source} imports it too, by itself or by others")
    seen[path] = True
    yield path


def _module(path: str, written: str) -> _Module:
    text = _COMMENT.sub("", written)
    imports = []
    for found in _IMPORT.finditer(text):
        names = [name.strip() for name in (found[1] or "").split(",") if name.strip()]
        imports.append((names, normpath(join(dirname(path), found[2]))))
    return _Module(text, imports, _EXPORT.findall(text))


def _wrapped(path: str, module: _Module, given: dict[str, str]) -> str:
    """Give a module as a function that gives its exports, and note them in `given`."""
    names = module.exports
    for name in names:
        if name in given:
            raise Fault(f"{path}: {name} is exported by {given[name]} already")
        given[name] = path
    inside = _EXPORT.sub("", _IMPORT.sub("", module.text))
    if re.search(r"^(?:import|export)\b", inside, re.MULTILINE):
        raise Fault(f"{path}: import and export by name, one declaration each")
    exports = f"{{ {', '.join(names)} }}"
    bound = f"const {exports} = " if names else ""
    return f"// {path}\n{bound}(() => {{\n{inside}return {exports};\n}})();\n"
