"""The mutants that `tools/mutate` makes: one change each, of what runs, known by a lasting name."""

import ast
from pathlib import Path

from mutation.mutants import mutants

ROOT = Path(__file__).parents[1]
SOURCE = '''
"""A module."""

LIMIT: Final[int] = 3


@decorated(on=True)
def wait(self, tasks: list[int] | None = None, *, now: float) -> int:
    """Wait for 5 tasks."""
    assert now > 0
    for one in tasks:
        if one.at <= now and not one.done:
            self.left += 1
            continue
        try:
            self.say(f"{1 + 1}", one, loud=True)
        except (KeyError, ValueError):
            raise
    return self.left
'''


def changes(source: str, path: str = "taskdashd/x.py") -> set[str]:
    """Give what each mutant makes of which part."""
    return {one.name.split(" | ")[-1] for one in mutants(path, source.encode())}


def test_each_kind_of_change_is_made_where_it_can_be() -> None:
    """Annotations, decorators, docstrings, assertions and f-strings stay as they are."""
    assert changes(SOURCE) == {
        "3 -> 4",
        "3 -> (2)",
        "one.at <= now -> (one.at < now)",
        "one.at <= now -> (one.at > now)",
        "one.at <= now and (not one.done) -> (one.at <= now or not one.done)",
        "one.at <= now and (not one.done) -> (not (one.at <= now and (not one.done)))",
        "not one.done -> (one.done)",
        "self.left += 1 -> self.left -= 1",
        "self.left += 1 -> pass",
        "1 -> 2",
        "1 -> (0)",
        "continue -> pass",
        "self.say(f'{1 + 1}', one, loud=True) -> pass",
        "self.say(f'{1 + 1}', one, loud=True) -> self.say(f'{1 + 1}', one)",
        "self.say(f'{1 + 1}', one, loud=True) -> self.say(f'{1 + 1}', loud=True)",
        "True -> False",
        "(KeyError, ValueError) -> (KeyError,)",
        "(KeyError, ValueError) -> (ValueError,)",
        "raise -> pass",
        "return self.left -> return None",
    }


def test_a_function_that_gives_nothing_is_left_early_and_an_only_name_is_kept() -> None:
    source = "def f(self, a):\n    b = a.x\n    a = b\n    self.c = a\n"
    assert changes(source) == {"b = a.x -> return", "a = b -> pass", "self.c = a -> pass"}


def test_declarations_are_left_alone() -> None:
    source = "MAX = 3\n\nclass A:\n    limit = 4\n\n    def f(self):\n        return self.g(5)\n"
    declared = changes(source, "protocol/families/x.py")
    assert declared == {"return self.g(5) -> return None", "5 -> 6", "5 -> (4)"}
    assert changes(source) == declared | {"3 -> 4", "3 -> (2)", "4 -> 5", "4 -> (3)"}


def test_a_mutant_keeps_its_name_when_lines_are_added_above() -> None:
    source = "def f(a):\n    a.b(1)\n    a.b(1)\n"
    names = [one.name for one in mutants("x.py", source.encode())]
    assert len(set(names)) == len(names)
    later = "# 界\nB = None\n\n" + source
    assert [one.name for one in mutants("x.py", later.encode())] == names


def test_every_mutant_of_a_module_compiles_and_differs() -> None:
    name = "taskdashd/domain/budget.py"
    source = (ROOT / name).read_bytes()
    whole = ast.dump(ast.parse(source))
    assert len(mutants(name, source)) > 20
    for mutant in mutants(name, source):
        assert ast.dump(ast.parse(mutant.applied(source))) != whole, mutant.name
