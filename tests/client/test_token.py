"""Where the client takes its credentials from; other tests show what the daemon makes of them."""

from pathlib import Path

import pytest

import taskdash
from taskdash.address import read_token


def test_the_environment_holds_the_token_or_names_its_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """TASKDASH_TOKEN goes before the file; a file's last line break is not part of the token."""
    assert read_token() == ""
    path = tmp_path / "token"
    path.write_text("from-file\n")
    monkeypatch.setenv("TASKDASH_TOKEN_FILE", str(path))
    assert read_token() == "from-file"
    path.write_text("exchanged\n")
    assert read_token() == "exchanged"
    monkeypatch.setenv("TASKDASH_TOKEN", "direct")
    assert read_token() == "direct"


def test_a_token_file_that_cannot_be_read_is_an_auth_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The error names the file, and nothing is sent without a token."""
    monkeypatch.setenv("TASKDASH_TOKEN_FILE", str(tmp_path / "missing"))
    with pytest.raises(taskdash.AuthError, match="missing"):
        taskdash.connect("taskdash://127.0.0.1:1")
