"""One daemon for the tests of a module."""

from collections.abc import Iterator

import pytest

from taskdash.testing import RunningDaemon, running_daemon


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    with running_daemon(tmp_path_factory.mktemp("data")) as daemon:
        yield daemon
