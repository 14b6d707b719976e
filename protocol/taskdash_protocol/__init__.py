"""The wire protocol of TaskDash, without I/O: bytes in, values out, and back.

Shared by the daemon, the Python client and the tools. `PROTOCOL.md` beside this package is the
specification; `vectors/` holds golden frames. Nothing in here may know a socket, an event loop, a
database or a clock.
"""

__version__ = "0.1.0"

PROTOCOL_VERSION = 1
"""The version that Hello names."""

DEFAULT_PORT = 13920
"""TCP port of a daemon whose settings name no other."""
