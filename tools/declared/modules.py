"""The list of all modules in docs/architecture.md, each with the first line of its docstring."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from declared._marks import END, between

PAGE: Final = Path("docs/architecture.md")
BEGIN: Final = "<!-- made by tools/declare: modules -->\n"
PACKAGES: Final = (
    "protocol/taskdash_protocol",
    "taskdashd",
    "clients/python/taskdash",
    "tools/taskdash_ctl",
    "tools/declared",
    "tools/mutation",
)


def files(root: Path) -> dict[Path, str]:
    """Give docs/architecture.md with its list of modules, whole."""
    tables = "".join(_table(root, package) for package in PACKAGES)
    return {PAGE: between(root, PAGE, BEGIN, END, tables)}


def _table(root: Path, package: str) -> str:
    rows = "".join(f"| `{name}` | {about} |\n" for name, about in _modules(root / package))
    return f"\n| `{package}/` | |\n| --- | --- |\n{rows}\n"


def _modules(package: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(package.rglob("*.py"), key=_place):
        if "migrations" in path.parts:
            continue
        name = str(path.relative_to(package)).removesuffix("__init__.py")
        about = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
        # Skip the package itself, the root `__init__.py`: the table is named after it.
        if name:
            yield name, about.replace("|", "\\|")


def _place(path: Path) -> tuple[str, ...]:
    """Sort a package before its modules, and folders among them by name."""
    parts = path.with_suffix("").parts
    return tuple("" if part == "__init__" else part for part in parts)
