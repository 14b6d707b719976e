"""The worked session of PROTOCOL.md, byte by byte, against the daemon."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wire_client import EVENT, WiredDaemon

SESSION = Path(__file__).parents[2] / "protocol" / "vectors" / "session.json"


def agrees(said: Any, expected: Any) -> bool:
    """Tell whether what was heard is what stands in the session; `*` is any string."""
    if expected == "*":
        return isinstance(said, str)
    if isinstance(expected, dict):
        return (
            isinstance(said, dict)
            and list(said) == list(expected)
            and all(agrees(said[name], expected[name]) for name in expected)
        )
    if isinstance(expected, list):
        return len(said) == len(expected) and all(map(agrees, said, expected))
    return bool(said == expected)


def test_the_worked_session_goes_as_it_is_written(start: Callable[..., WiredDaemon]) -> None:
    steps = json.loads(SESSION.read_text())["vectors"]
    wire = start().connect()
    events: list[Any] = []
    heard = 0
    for step in steps:
        if "send" in step:
            wire.send(bytes.fromhex(step["send"]))
            continue
        heard += 1
        # An event may come before or after the reply to the request that caused it.
        if step["message_id"] == EVENT and events:
            frame = events.pop(0)
        else:
            frame = wire.frame()
            while frame.message_id == EVENT != step["message_id"]:
                events.append(frame)
                frame = wire.frame()
        assert frame.message_id == step["message_id"], (step["why"], frame)
        assert agrees(frame.header, step["header"]), (step["why"], frame)
        assert agrees(frame.body, step["body"]), (step["why"], frame)
    assert heard > 5
    assert not events
