"""The families of operations: a folder or a module each, which imports `core` and no other family.

A family with rules or followers is a folder, and its operations stand in `operations`; one that has
operations alone may be a module. `load_operations` finds both, so that nothing lists them.
"""

from importlib import import_module
from pkgutil import iter_modules


def load_operations() -> None:
    """Import each family's operations, whose decorators fill `core.table.OPERATIONS`."""
    for family in iter_modules(__path__, f"{__name__}."):
        import_module(f"{family.name}.operations" if family.ispkg else family.name)
