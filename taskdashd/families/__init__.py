"""The families of operations: a folder each, which imports `core` and never another family.

`load_operations` finds them, so that a new family is a new folder and nothing else.
"""

from importlib import import_module
from pkgutil import iter_modules


def load_operations() -> None:
    """Import each family's `operations`, whose decorators fill `core.table.OPERATIONS`."""
    for family in iter_modules(__path__):
        import_module(f"{__name__}.{family.name}.operations")
