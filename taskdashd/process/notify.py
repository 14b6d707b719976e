"""Tell systemd the daemon's state (sd_notify(3)): datagrams to the socket of NOTIFY_SOCKET."""

import os
import socket
from collections.abc import Mapping


def notify(state: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Send one state, such as `READY=1`; False where NOTIFY_SOCKET is not set.

    Raises `OSError` if the socket cannot be reached.
    """
    address = environment.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.connect(address)
        sock.sendall(state.encode())
    return True


def watchdog_interval_s(environment: Mapping[str, str] = os.environ) -> float | None:
    """Give the watchdog's timeout, or None where systemd does not watch this process."""
    usec = environment.get("WATCHDOG_USEC")
    if not usec or environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(usec) / 1e6
