"""How the house is built, held by reading the source: who assigns, and what constructors do."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskdashd.settings.rations import NAMED_BY

ROOT = Path(__file__).parents[1]
DAEMON = sorted((ROOT / "taskdashd").rglob("*.py"))
PARTS = [path for path in DAEMON if path != ROOT / "taskdashd/testing.py"]
"""All but the daemon for tests, which stands in for `daemon.py`: who makes a `World` begins it."""

VALUES = {
    # The only fields that are assigned from outside their class, each with the name by which the
    # assignment calls its thing: the state of something that one part hands from step to step, not
    # of a part. Why it is no method's business:
    "owner.last_seen": "a sign of life costs one assignment, whatever its owner owns",
    "owner.is_open": "the owner that liveness watches is open until its connection has gone",
    "entry.queued_at": "an entry of liveness' heap",
    "call.answer": "a call on its way from the inbox to the outbox",
    "call.token": "a call on its way from the inbox to the outbox",
    "reply.room": "a reply's place in the outbox, filled without a call for each of them",
    "reply.requests": "a reply's place in the outbox, filled without a call for each of them",
    "reply.frame": "a reply's place in the outbox, filled without a call for each of them",
    "error.task_id": "an exception that gets to know which task it is about",
    "view.next_rev": "the writer gives revs away, and the view counts on; both are the store's",
    "link.conversation": "a link is accepted before its conversation can begin",
    "link.address": "what admission counts a link by",
    "link.peer": "what people call a link by",
    "link.count_for": "how what is spoken on a link says for whom it asks",
    "seat.address": "the address that admission counts a link for",
    "link.admitted": "what admission counts of a link",
    "link.counted": "what admission counts of a link",
    "link.held_bytes": "what admission counts of a link",
    "link.held_for": "what admission counts of a link",
    "link.held_unsent": "what admission counts of a link",
    "link.unsent_for": "what admission counts of a link",
    "link.frames_timed": "what deadlines keep of a link",
    "link.blocked": "what the poller knows of a link's socket",
    "link.has_rest": "what the poller knows of a link's socket",
    "link.hung_up": "what the poller knows of a link's socket",
    "link.events": "what the poller knows of a link's socket",
    "decoder.frame_bytes_max": "the decoder takes larger frames once its peer has signed in",
    "context.minimum_version": "the standard library's own: ssl.SSLContext",
    "context.options": "the standard library's own: ssl.SSLContext",
    "context.verify_mode": "the standard library's own: ssl.SSLContext",
    "conn.convert_binding": "apsw's own: a connection's hook",
}

ACTS = {
    # What a constructor may not do: read or write the disk, start a thread, subscribe, ask.
    "open", "read_text", "read_bytes", "write_text", "stat", "statvfs", "exists", "iterdir",
    "mkdir", "unlink", "execute_sql", "fetchall", "connect", "register", "start", "submit",
    "fill", "give_up", "changed", "load", "query", "tally", "load_cert_chain",
}  # fmt: skip


LOGS = r"log\.(debug|info|warning|error|exception|critical)$|level$"
OWN_LINES = {
    # Lines that no peer can cause as fast as it likes, each with why.
    "the database answers again; nobody's silence counts meanwhile": "nobody outside can cause it",
    "the daemon stood still; nobody's silence counts it": "comes after a second at the least",
    "what is old could not be forgotten": "comes once a minute",
    "a tree stays, since a task of it cannot be read": "debug, at the pace of forgetting",
    "a tree stays, since it has changed": "debug, at the pace of forgetting",
    "a stored calendar cannot be used as it is": "operators alone keep calendars",
    "the figures could not be counted; trying again": "comes at the pace of the figures",
}


PRONOUNS = re.compile(r"(It|Its|They|Them|Their|Theirs|That|Those|These|Else|Neither|He|She)\b")
TREE = [
    path
    for room in ("taskdashd", "protocol", "clients", "tools", "tests")
    for path in sorted((ROOT / room).rglob("*.py"))
    if "migrations" not in path.parts
]


def constructing(path: Path) -> Iterator[tuple[str, ast.AST]]:
    """Give the nodes of a module's constructors, and of their classes' methods that they call."""
    for kind in ast.walk(ast.parse(path.read_text())):
        if not isinstance(kind, ast.ClassDef):
            continue
        methods = {one.name: one for one in kind.body if isinstance(one, ast.FunctionDef)}
        begun = ["__init__"]
        for name in begun:
            for node in ast.walk(methods[name]) if name in methods else ():
                yield f"{path.relative_to(ROOT)}:{kind.lineno} {kind.name}.{name}", node
                called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
                method = called.removeprefix("self.")
                if method != called and method not in begun:
                    begun.append(method)


def assigned(path: Path) -> Iterator[tuple[int, str]]:
    """Give what a module assigns to others than `self`: the line, and thing.attribute."""
    for node in ast.walk(ast.parse(path.read_text())):
        for one in targets_of(node):
            thing = ast.unparse(one.value).rpartition(".")[2].lstrip("_")
            if not (isinstance(one.value, ast.Name) and thing in ("self", "cls")):
                yield one.lineno, f"{thing}.{one.attr}"


def targets_of(node: ast.AST) -> Iterator[ast.Attribute]:
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        targets = [node.target]
    for target in targets:
        for one in ast.walk(target):
            if isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Store):
                yield one


@pytest.mark.parametrize("path", DAEMON, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_assigned_from_outside(path: Path) -> None:
    """A part gets other parts as arguments, and no other class changes its state."""
    for line, name in assigned(path):
        assert name in VALUES, f"{path.relative_to(ROOT)}:{line} assigns {name} from outside"


@pytest.mark.parametrize("path", PARTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_constructor_acts(path: Path) -> None:
    """A constructor keeps its arguments; whoever puts the parts together begins what begins."""
    for where, node in constructing(path):
        if isinstance(node, ast.Assign) and is_self(node.value):
            kept = [one for one in node.targets if isinstance(one, ast.Subscript)]
            assert not kept, f"{where} subscribes by {ast.unparse(node)}"
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func).rpartition(".")[2]
        assert called not in ACTS, f"{where} calls {ast.unparse(node.func)}: no constructor acts"
        subscribes = called in ("append", "add", "insert", "setdefault") and any(
            is_self(one) for one in node.args
        )
        assert not subscribes, f"{where} subscribes by {ast.unparse(node.func)}"


def logged(path: Path) -> Iterator[tuple[str, ast.Call, str]]:
    """Give the calls that log something: where, the call, and the event's name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and re.match(LOGS, ast.unparse(node.func)):
            event = node.args[0]
            name = event.value if isinstance(event, ast.Constant) else ""
            yield f"{path.relative_to(ROOT)}:{node.lineno}", node, str(name)


@pytest.mark.parametrize("room", ["server", "web", "core", "families"])
def test_what_a_peer_can_have_logged_has_its_ration(room: str) -> None:
    """Each line says who caused it, or bears a traceback, or is one that no peer can cause."""
    for path in (ROOT / "taskdashd" / room).rglob("*.py"):
        for where, call, event in logged(path):
            named = {keyword.arg for keyword in call.keywords}
            rationed = named & set(NAMED_BY) or ast.unparse(call.func) == "log.exception"
            assert event, f"{where}: the event's name is what its ration goes by: a literal"
            assert rationed or event in OWN_LINES, f"{where} can be caused without end: {event!r}"


def is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def test_values_are_still_assigned() -> None:
    """No entry of the list of assigned fields is out of date."""
    found = {name for path in DAEMON for _, name in assigned(path)}
    assert not VALUES.keys() - found


@pytest.mark.parametrize("path", TREE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_comment_begins_with_a_pronoun(path: Path) -> None:
    """A reader must not have to guess which noun a comment or a docstring is about."""
    source = path.read_text()
    begun: list[tuple[int, str]] = []
    line_before = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            # The lines of one comment are read together.
            if token.start[0] != line_before + 1:
                begun.append((token.start[0], token.string.lstrip("# ")))
            line_before = token.start[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            begun.append((node.lineno, str(node.value.value).strip()))
    riddles = [(line, words[:80]) for line, words in begun if PRONOUNS.match(words)]
    assert not riddles, f"{path.relative_to(ROOT)}: name the thing: {riddles}"
