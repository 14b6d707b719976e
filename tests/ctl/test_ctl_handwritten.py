"""Files and variables as Notepad, PowerShell, `echo` and `docker --env-file` leave them."""

import codecs
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from processes import taskdashd
from terminal import ctl

import taskdash
from taskdash import address
from taskdash.testing import RunningDaemon, running_daemon

Form = Callable[[str], bytes]
FORMS: dict[str, Form] = {
    "unix": lambda text: text.encode(),
    "notepad": lambda text: codecs.BOM_UTF8 + text.replace("\n", "\r\n").encode(),
    "powershell": lambda text: codecs.BOM_UTF16_LE + text.replace("\n", "\r\n").encode("utf-16-le"),
    "utf-16-be": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
}
forms = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningDaemon, str]]:
    """A daemon that asks for a token, and one that it knows."""
    data = tmp_path_factory.mktemp("guarded")
    made = taskdashd("token", "create", "desk", "--role", "operator", "--data", data)
    with running_daemon(data, auth="tokens") as daemon:
        yield daemon, made.stdout.strip()


def config(path: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    """Have the daemon say what it makes of its settings."""
    command = [sys.executable, "-m", "taskdashd", "config"]
    given = {"TASKDASHD_CONFIG": str(path)} | env
    return subprocess.run(
        command, env=os.environ | given, capture_output=True, text=True, timeout=60
    )


def value(done: "subprocess.CompletedProcess[str]", name: str) -> str:
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith(f"{name} "))
    return line.split()[1]


@forms
def test_settings(tmp_path: Path, form: Form) -> None:
    path = tmp_path / "taskdashd.toml"
    path.write_bytes(form('# 办公室\nlisten = "127.0.0.1:21680"\nheartbeat_timeout = 20\n'))
    assert value(config(path), "heartbeat_timeout") == "20"


def test_settings_whatever_the_locale_says(tmp_path: Path) -> None:
    """TOML is UTF-8: the locale's encoding would read other letters, or none."""
    path = tmp_path / "taskdashd.toml"
    path.write_text('data = "/tmp/影片"\n', encoding="utf-8")
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert value(config(path, **env, PYTHONIOENCODING="utf-8"), "data") == "/tmp/影片"


def test_settings_in_another_encoding_are_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "taskdashd.toml"
    path.write_bytes("listen = '127.0.0.1:1'\n# 办公室\n".encode("gbk"))
    done = config(path)
    assert done.returncode == 2
    assert done.stderr.endswith("not valid TOML: line 2 is not UTF-8: save the file as UTF-8\n")


def test_variables_of_the_daemon(tmp_path: Path) -> None:
    """`docker --env-file` keeps the CR of each line, of the name of the file too."""
    path = tmp_path / "taskdashd.toml"
    path.write_text("heartbeat_timeout = 20\n")
    env = {"TASKDASHD_CONFIG": f"{path}\r", "TASKDASHD_LISTEN": "127.0.0.1:21681\r"}
    done = config(path, **env, TASKDASHD_PASSWORDS=" on\n", TASKDASHD_WEB="off\r")
    assert value(done, "heartbeat_timeout") == "20"
    assert value(done, "listen") == "127.0.0.1:21681"
    assert value(done, "passwords") == "on"


@forms
def test_a_token_file(
    guarded: tuple[RunningDaemon, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    form: Form,
) -> None:
    daemon, token = guarded
    path = tmp_path / "token"
    path.write_bytes(form(f"{token}\n"))
    monkeypatch.setenv("TASKDASH_TOKEN_FILE", f"{path}\n")
    done = ctl(daemon, "ping", "-c", "1")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", " {} ", "\ufeff{}", "{}\u200b", "{}\u3000"])
def test_variables_of_clients(
    guarded: tuple[RunningDaemon, str], monkeypatch: pytest.MonkeyPatch, around: str
) -> None:
    daemon, token = guarded
    monkeypatch.setenv("TASKDASH_TOKEN", around.format(token))
    done = ctl(around.format(daemon.url), "ping", "-c", "1")
    assert (done.returncode, done.stderr) == (0, "")
    monkeypatch.setenv("TASKDASH_URL", around.format(daemon.url))
    with taskdash.connect() as dash:
        assert dash.ask("Query", limit=1)["tasks"] == []


def test_a_token_file_that_is_no_text_is_an_auth_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "token"
    path.write_bytes(b"\n\xff\n")
    monkeypatch.setenv("TASKDASH_TOKEN_FILE", str(path))
    with pytest.raises(taskdash.AuthError, match=r"/token: line 2 is not UTF-8"):
        address.read_token()


@forms
def test_a_calendar_of_a_file(daemon: RunningDaemon, tmp_path: Path, form: Form) -> None:
    path = tmp_path / "calendar.json"
    path.write_bytes(form(json.dumps({"zone": "Asia/Shanghai", "hours": "Mon-Fri 09:00-18:00"})))
    done = ctl(daemon, "calendar", "set", "office", "--file", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert "Asia/Shanghai" in done.stdout


def test_tokens_that_were_put_back_by_notepad(tmp_path: Path) -> None:
    assert taskdashd("token", "create", "desk", "--data", tmp_path).returncode == 0
    kept = tmp_path / "tokens.json"
    kept.write_bytes(FORMS["notepad"](kept.read_text()))
    done = taskdashd("token", "list", "--data", tmp_path)
    assert done.stdout.startswith("desk "), done.stderr


def test_a_certificate_with_a_mark_is_named_and_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL would skip the first certificate behind a mark without a word."""
    path = tmp_path / "ca.pem"
    path.write_bytes(FORMS["notepad"](PEM))
    monkeypatch.setenv("TASKDASH_CA", f"{path}\n")
    word = "ca.pem begins with a byte order mark: save it without one"
    with pytest.raises(ValueError, match=word):
        address.parse("taskdashs://127.0.0.1")
    files = {"tls_cert": path, "tls_key": path, "listen_tls": "127.0.0.1:0"}
    with pytest.raises(RuntimeError, match=word), running_daemon(tmp_path / "data", **files):
        pass
