"""The two times of the daemon, across stalls, work and jumps of the wall clock."""

import time

from taskdashd.core.clock import Clock


class Hands:
    """The clocks of a machine, moved by the test."""

    def __init__(self) -> None:
        self.monotonic, self.wall, self.worked = 100.0, 1_800_000_000.0, 0.0
        self.slept = 0.0
        self.clock = Clock(
            lambda: self.monotonic,
            lambda: self.wall,
            lambda: self.worked,
            lambda: self.monotonic + self.slept,
        )

    def pass_time(self, seconds: float, *, worked: float = 0.0) -> float:
        self.monotonic += seconds
        self.wall += seconds
        self.worked += worked
        return self.clock.tick(0.25)


def test_a_stall_is_no_time_and_work_is() -> None:
    """Stopped for a minute: none of it counts. Busy for a second: all of it does."""
    hands = Hands()
    start = hands.clock.now()
    assert hands.pass_time(60.0) == 60.0
    assert hands.clock.now() == start
    assert hands.pass_time(1.0, worked=1.0) == 0.0
    assert hands.clock.now() == start + 1.0


def test_a_moment_is_written_the_same_before_and_after_a_stall() -> None:
    """No sign of life is dated within the time in which the daemon stood still."""
    hands = Hands()
    hands.pass_time(0.25)
    seen = hands.clock.now() - 0.125
    before = hands.clock.stamp_of(seen)
    hands.pass_time(86400.0)
    hands.pass_time(0.25)
    assert hands.clock.stamp_of(seen) == before
    assert hands.clock.stamp_of(hands.clock.now()) == hands.clock.stamp()


def test_a_jump_of_the_wall_clock_changes_no_running_time() -> None:
    """Only the stamps follow the wall clock."""
    hands = Hands()
    start = hands.clock.now()
    hands.wall += 400 * 86400
    assert hands.clock.now() == start
    assert hands.clock.stamp().startswith("2028-02-19")


def test_a_moment_is_written_anew_once_the_wall_clock_has_jumped() -> None:
    """However often it was written before, a tick after the jump it follows the wall clock."""
    hands = Hands()
    seen = hands.clock.now()
    before, turns = hands.clock.stamp_of(seen), hands.clock.turns
    hands.pass_time(0.25)
    assert (hands.clock.stamp_of(seen), hands.clock.turns) == (before, turns)
    hands.wall += 3600.0
    hands.pass_time(0.25)
    assert hands.clock.stamp_of(seen) == before.replace("T08:", "T09:")
    assert hands.clock.turns > turns


def test_time_elapses_while_the_daemon_stands_still_and_while_the_machine_sleeps() -> None:
    """Whoever has a task for two hours has it for two hours, by the clock on their wall."""
    hands = Hands()
    running, elapsed = hands.clock.now(), hands.clock.elapsed()
    hands.pass_time(60.0)
    hands.slept += 3600.0
    assert hands.clock.now() == running
    assert hands.clock.elapsed() == elapsed + 3660.0


def test_the_machine_s_own_clocks() -> None:
    """All four run, and elapsed time is no wall clock."""
    clock = Clock.of_machine()
    before = clock.elapsed()
    assert clock.elapsed() >= before
    assert abs(clock.wall() - time.time()) < 10
    assert clock.tick(10.0) == 0.0
    assert 0 <= clock.steady_s() < 10


def test_a_wall_clock_is_steady_since_its_last_jump() -> None:
    """Put right by a minute, or gone on while the machine slept, it has not jumped."""
    hands = Hands()
    hands.pass_time(100.0)
    hands.wall += 60.0
    assert hands.clock.steady_s() == 100.0
    hands.slept += 3600.0
    hands.wall += 3600.0
    assert hands.clock.steady_s() == 3700.0
    for jump in (61.0, -61.0):
        hands.wall += jump
        assert hands.clock.steady_s() == 0.0
        hands.pass_time(5.0)
        assert hands.clock.steady_s() == 5.0
