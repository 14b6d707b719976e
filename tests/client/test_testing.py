"""`taskdash.testing`, for people who test their own services: what it promises them."""

import signal
import time

import pytest

import taskdash
from taskdash.testing import running_daemon


def test_it_ends_and_starts_again() -> None:
    """A restarted daemon keeps its address and data; one that does not start says why."""
    with running_daemon() as daemon, taskdash.connect(daemon.url) as dash:
        dash.register("kept", "n", status="finish")
        assert daemon.stop() == 0
        daemon.restart()
        assert dash.find("kept", timeout_s=15)["name"] == "n"
        assert daemon.kill() == daemon.exit_code == -signal.SIGKILL
    with (
        pytest.raises(RuntimeError, match="heartbeat_timeout"),
        running_daemon(heartbeat_timeout=-1),
    ):
        pass


def test_any_setting_can_be_given() -> None:
    """Settings without a flag can be given too; on and off as Python says them."""
    with running_daemon(max_watches=1, sign_up=False, claim_limit=None) as daemon:
        with taskdash.connect(daemon.url) as dash, dash.watch(), pytest.raises(taskdash.Busy):
            dash.watch()
        daemon.signal(signal.SIGHUP)
        assert daemon.wait_for("configuration reloaded")["level"] == "info"


def test_what_is_not_logged_is_named_before_the_last_of_the_log() -> None:
    """One line says what was waited for; a few of the log follow, however long it is."""
    with running_daemon() as daemon:
        for _ in range(20):
            daemon.signal(signal.SIGHUP)
        daemon.wait_for("configuration reloaded")
        with pytest.raises(TimeoutError) as caught:
            daemon.wait_for("a miracle", timeout_s=0.1)
        first, *others = str(caught.value).splitlines()
        assert first == "taskdashd has not logged 'a miracle' within 0.1 s:"
        assert 0 < len(others) <= 8
        assert max(map(len, others)) <= 300


def test_nobody_waits_for_a_daemon_that_has_ended() -> None:
    """A daemon that has ended will log no more; its log can still be asked for."""
    with running_daemon() as daemon:
        daemon.stop()
        daemon.wait_for("stopped")
        began = time.monotonic()
        with pytest.raises(TimeoutError, match="has not logged 'ready' 2 times before its end"):
            daemon.wait_for("ready", count=2)
        assert time.monotonic() - began < 5


def test_a_daemon_that_hangs_is_not_left_behind() -> None:
    """A stopped daemon takes no signal but SIGKILL."""
    with running_daemon() as daemon:
        daemon.signal(signal.SIGSTOP)
        with pytest.raises(TimeoutError, match=r"taskdashd has not ended within 0\.2 s"):
            daemon.wait(0.2)
        assert daemon.exit_code == -signal.SIGKILL
