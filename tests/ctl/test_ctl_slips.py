"""taskdash-ctl and a status that reads as if it ended the task."""

from terminal import ctl

from taskdash.testing import RunningDaemon


def test_a_status_that_reads_as_an_end_is_asked_about(daemon: RunningDaemon) -> None:
    """In one sentence for people, without a word that is meant for a programmer."""
    done = ctl(daemon, "register", "slip", "--status", "done")
    assert done.returncode == 0
    assert done.stderr.endswith("unless a service takes it up. Is 'finish' meant?\n")
    assert "Warning" not in done.stderr
    done = ctl(daemon, "register", "own-word", "--status", "rendering")
    assert done.stderr.endswith("unless a service takes it up\n")
