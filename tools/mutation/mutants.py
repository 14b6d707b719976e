"""The mutants of a module: copies of its source that differ in one place. Rules only."""

import ast
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

_COMPARED: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_COUNTED: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
Node = ast.expr | ast.stmt
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_DECLARATIONS: Final = ("/families/", "/fields.py")
"""Files whose bounds and words are declarations: only their methods are mutated."""


class Mutant(NamedTuple):
    """One change of one file."""

    path: str
    line: int
    name: str
    """Says the change, whatever lines stand above it: module, function, line, and what became of
    which part of it."""
    start: int
    end: int
    """The bytes of the source that are replaced."""
    text: str

    def applied(self, source: bytes) -> bytes:
        """Give the source with the change in it."""
        return source[: self.start] + self.text.encode() + source[self.end :]


def mutants(path: str, source: bytes) -> list[Mutant]:
    """Give all mutants of a file, in the order of its text."""
    lines = source.split(b"\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    found: list[Mutant] = []
    for function, node, text in _changes(ast.parse(source), is_declared(path)):
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        said = (function, lines[node.lineno - 1].decode().strip(), f"{_short(node)} -> {text}")
        found.append(Mutant(path, node.lineno, f"{path} | {' | '.join(said)}", start, end, text))
    found.sort(key=lambda one: (one.start, one.end, one.text))
    seen: Counter[str] = Counter()
    for at, mutant in enumerate(found):
        seen[mutant.name] += 1
        if seen[mutant.name] > 1:
            # The line stands in the function more than once.
            found[at] = mutant._replace(name=f"{mutant.name} ({seen[mutant.name]})")
    return found


def is_declared(path: str) -> bool:
    """Tell whether what stands outside of functions in a file is a declaration."""
    return any(part in path for part in _DECLARATIONS)


def _short(node: Node) -> str:
    return ast.unparse(node).partition("\n")[0]


def _changes(tree: ast.Module, declared: bool) -> Iterator[tuple[str, Node, str]]:
    """Give each change: the function it is in, the node that is replaced, and by what."""
    waiting: list[tuple[str, ast.AST, bool]] = [("module", tree, not declared)]
    while waiting:
        where, node, counts = waiting.pop()
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            where = node.name if where == "module" else f"{where}.{node.name}"
        if isinstance(node, _FUNCTIONS):
            counts = not declared or "." in where
            if counts:
                yield from ((where, *change) for change in _of_function(node))
        elif counts:
            yield from ((where, *change) for change in _of_node(node))
        waiting += [(where, child, counts) for child in _children(node)]


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """Give the parts of a node that run: no annotation, decorator, assertion or f-string."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            # Python 3.11 does not say where inside an f-string an expression stands.
            if isinstance(child, ast.AST) and not isinstance(child, ast.Assert | ast.JoinedStr):
                yield child


def _of_function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[Node, str]]:
    inner = [one for child in node.body for one in ast.walk(child)]
    names = Counter(one.id for one in inner if isinstance(one, ast.Name) and _is_stored(one))
    names.update(one.arg for one in ast.walk(node.args) if isinstance(one, ast.arg))
    gives = any(isinstance(one, ast.Yield | ast.YieldFrom | ast.Return) for one in inner)
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if len(body) > 1 and not gives:
        yield body[0], "return"
    for one in inner:
        if isinstance(one, ast.Assign | ast.AnnAssign) and one.value is not None:
            targets = one.targets if isinstance(one, ast.Assign) else [one.target]
            stored = [part for target in targets for part in ast.walk(target) if _is_stored(part)]
            # Without its only assignment a name is unknown, and any test fails.
            if all(not isinstance(part, ast.Name) or names[part.id] > 1 for part in stored):
                yield one, "pass"


def _is_stored(node: ast.AST) -> bool:
    return isinstance(getattr(node, "ctx", None), ast.Store)


def _of_node(node: ast.AST) -> Iterator[tuple[Node, str]]:
    yield from _of_condition(node)
    yield from _of_value(node)
    yield from _of_statement(node)


def _of_condition(node: ast.AST) -> Iterator[tuple[Node, str]]:
    match node:
        case ast.Compare(left, ops, rights):
            for at, op in enumerate(ops):
                # Of a chain, only the bounds move: each part that is turned round is soon noticed.
                for other in _COMPARED[type(op)][: 1 if len(ops) > 1 else 2]:
                    turned = [*ops[:at], other(), *ops[at + 1 :]]
                    yield node, _expression(ast.Compare(left, turned, rights))
        case ast.BoolOp(op, values):
            joined: ast.boolop = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield node, _expression(ast.BoolOp(joined, values))
        case ast.UnaryOp(ast.Not(), operand):
            yield node, _expression(operand)
        case ast.If(test) | ast.While(test) | ast.IfExp(test) | ast.comprehension(ifs=[test]):
            if not isinstance(test, ast.Compare | ast.UnaryOp):
                yield test, _expression(ast.UnaryOp(ast.Not(), test))


def _of_value(node: ast.AST) -> Iterator[tuple[Node, str]]:
    match node:
        case ast.BinOp(left, op, right) if type(op) in _COUNTED:
            yield node, _expression(ast.BinOp(left, _COUNTED[type(op)](), right))
        case ast.Constant(bool() as value):
            yield node, repr(not value)
        case ast.Constant(int() | float() as value):
            yield node, f"{value + 1}"
            yield node, f"({value - 1})"
        case ast.Call(func, args, keywords):
            for given in keywords:
                left_over = [one for one in keywords if one is not given]
                yield node, ast.unparse(ast.Call(func, args, left_over))
            if len(args) > 1:
                yield node, ast.unparse(ast.Call(func, args[:-1], keywords))


def _of_statement(node: ast.AST) -> Iterator[tuple[Node, str]]:
    match node:
        case ast.AugAssign(target, op, value):
            yield node, ast.unparse(ast.AugAssign(target, _COUNTED[type(op)](), value))
            yield node, "pass"
        case ast.ExceptHandler(ast.Tuple(classes) as caught):
            for at in range(len(classes)):
                yield caught, ast.unparse(ast.Tuple(classes[:at] + classes[at + 1 :], ast.Load()))
        case ast.ExceptHandler(ast.expr() as caught):
            yield caught, "()"
        case ast.Return(ast.expr() as value) if not isinstance(value, ast.Constant):
            yield node, "return None"
        case ast.Return(None) | ast.Raise() | ast.Delete() | ast.Continue() | ast.Break():
            yield node, "pass"
        case ast.Expr(ast.Call() | ast.Yield() | ast.YieldFrom() | ast.Await()):
            yield node, "pass"


def _expression(node: ast.expr) -> str:
    return f"({ast.unparse(node)})"
