"""Fault 25: seeds that the fuzzers found do no harm, nor do inputs that Hypothesis makes up.

The seeds were made by `tools/fuzz`.
"""

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from taskdash_protocol import strictjson
from taskdash_protocol.fields import CONTROL_FIELDS, DAEMON_FIELDS, TASK_FIELDS

from .fuzz import NAMES, TARGETS, Operations, seeds, step
from .fuzz_web import Faces

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
_OTHER_FIELDS = (
    *("where", "order", "limit", "after", "since", "until", "watch", "check"),
    *("protocol", "client", "token", "task", "who", "kinds", "contains", "class"),
    *("to", "of", "word", "limit", "reason", "confirm", "password", "old_password", "everywhere"),
    *("role", "groups", "leads", "active", "reserved", "time", "fetch"),
)
_FIELD = st.sampled_from((*TASK_FIELDS, *CONTROL_FIELDS, *DAEMON_FIELDS, *_OTHER_FIELDS))
_VALUE = _JSON | st.sampled_from(
    [
        "a",
        "running",
        "待领取",
        "finish",
        "http://a",
        ["a"],
        True,
        0,
        1,
        -1,
        1000,
        2**63,
        "2026-01-01T00:00:00Z",
        "-rev",
        {"id": "a"},
    ]
)
_STEP = st.tuples(
    st.sampled_from(NAMES),
    st.dictionaries(_FIELD, _VALUE, max_size=6),
    st.booleans(),
)


@pytest.fixture(scope="module")
def operations() -> Iterator[Operations]:
    """One daemon for all seeds."""
    made = Operations()
    yield made
    made.close()


def _faults(logs: list[structlog.typing.EventDict]) -> list[structlog.typing.EventDict]:
    return [line for line in logs if line["log_level"] in ("error", "critical")]


@pytest.mark.fault(25)
def test_streams_that_were_found() -> None:
    """A seed of the decoder may lose its stream, and do nothing worse."""
    run = TARGETS["decoder"]()
    for seed in seeds("decoder"):
        run(seed)


@pytest.mark.fault(25)
def test_operations_that_were_found(operations: Operations) -> None:
    """Each seed of the operations: an answer each, and no fault in the log."""
    with capture_logs() as logs:
        for seed in seeds("operations"):
            operations.run(seed)
    assert not _faults(logs)


@pytest.mark.fault(25)
def test_conversations_that_were_found() -> None:
    """Each seed of the web face: what must hold whatever is sent, see `Faces.run`."""
    faces = Faces()
    structlog.configure(processors=[structlog.processors.add_log_level, faces.note])
    try:
        for seed in seeds("web"):
            faces.run(seed)
    finally:
        structlog.reset_defaults()
        faces.close()


@pytest.mark.fault(25)
@settings(max_examples=300)
@given(st.lists(_STEP, max_size=8))
def test_operations_with_any_fields(
    operations: Operations, steps: list[tuple[str, dict[str, object], bool]]
) -> None:
    """Bodies with the names that matter and values of every kind."""
    data = b""
    for name, fields, with_id in steps:
        body = {**({"id": "a", "name": "n"} if with_id else {}), **fields}
        try:
            text = strictjson.dumps(body)
        except (TypeError, ValueError):
            continue
        data += step(name, text[: 1 << 15])
    with capture_logs() as logs:
        operations.run(data)
    assert not _faults(logs)
