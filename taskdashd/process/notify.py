"""Tell systemd the daemon's state (sd_notify(3)): datagrams to the socket of NOTIFY_SOCKET."""

import os
import socket


def notify(state: str) -> None:
    """Send one state, such as `READY=1`, if NOTIFY_SOCKET is set.

    Raises `OSError` if the socket cannot be reached.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.connect(address)
        sock.sendall(state.encode())


def watchdog_interval_s() -> float | None:
    """Give the watchdog's timeout, or None where systemd does not watch this process."""
    usec = os.environ.get("WATCHDOG_USEC")
    if not usec or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(usec) / 1e6
