"""One daemon for the tests of a module."""

from collections.abc import Iterator

import pytest
from daemon import Daemon


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("data")) as daemon:
        yield daemon
