"""The log: nothing of a peer's reaches the operator's terminal as it came."""

import subprocess
import sys

import pytest

# Logs texts that a peer chose, in each way in which the daemon logs.
SAYS = r"""
import sys
import structlog
from taskdashd.settings import logs
logs.configure(sys.argv[1], "info")
log = structlog.get_logger()
evil = "a\x1b[2J\x1b]0;title\x07b\nfaked: line\r\u202ec"
log.info("closing", peer=evil, detail=evil)
try:
    raise ValueError(evil)
except ValueError:
    log.exception("unexpected fault", header=evil)
"""


@pytest.mark.fault(40)
@pytest.mark.parametrize("form", ["human", "json"])
def test_a_name_is_no_command_to_the_terminal(form: str) -> None:
    """No escape sequence, and no line that looks like another of the log's own."""
    command = [sys.executable, "-c", SAYS, form]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stderr
    assert "closing" in said
    assert "title" in said
    assert not set(said) & {"\x1b", "\x07", "\u202e", "\r"}
    assert not [line for line in said.splitlines() if line.startswith("faked")]
