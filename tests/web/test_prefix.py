"""A board below a path that `web_prefix` names: asked with it, or without."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from office import Office, furnish
from processes import taskdashd
from test_http import HANDSHAKE, send
from test_socket import Board

from taskdashd.settings import values

PREFIX = "/tasks"
LOGIN = {"user": "1001", "name": "Ann Li"}
OWN_PATHS = ("api", "healthz", "ping", "rget", "rpost", "static", "wall", "ws")


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with Office(tmp_path_factory.mktemp("office"), web_prefix=PREFIX) as office:
        furnish(office)
        yield office


def test_everything_is_below_the_prefix_and_where_a_proxy_strips_it(office: Office) -> None:
    page = send(office, "GET", f"{PREFIX}/").body.decode()
    (script,) = re.findall(r'src="(static/\w+/page\.js)"', page)
    assert '"/static' not in page
    token = office.token("nightly", "--role", "ping")
    list_ = "operation=GetTasksByUser&username=1001&user=1001"
    paths = ("/", "/wall", f"/{script}", "/healthz", "/api/v1/about", "/api/v1/openapi.json")
    for path in (*paths, f"/ping/{token}/nightly", f"/rget/task/?{list_}", f"/rget/task?{list_}"):
        below, bare = (send(office, "GET", f"{before}{path}") for before in (PREFIX, ""))
        assert below.status == bare.status == 200, path
        assert below.body == bare.body, path
    posted = {"operation": "GetTasksNoUser", **LOGIN}
    for before in (PREFIX, ""):
        assert send(office, "POST", f"{before}/rpost/task", posted).status == 200, before
        assert send(office, "POST", f"{before}/api/v1/Query", {}).status == 401, before
    # The path of who writes the body in pieces, and asks by POST, is read by h11.
    assert send(office, "POST", f"{PREFIX}/api/v1/Login", LOGIN).status == 200


def test_the_prefix_alone_leads_to_the_page(office: Office) -> None:
    for path, there in ((PREFIX, f"{PREFIX}/"), (f"{PREFIX}?a=b", f"{PREFIX}/?a=b")):
        for method in ("GET", "HEAD"):
            answer = send(office, method, path)
            assert (answer.status, answer.headers["location"]) == (308, there)
    assert send(office, "POST", PREFIX, {}).status == 405
    for path in (f"{PREFIX}2/", f"{PREFIX}{PREFIX}/", "/other/", f"{PREFIX}//", f"/x{PREFIX}/"):
        answer = send(office, "GET", path)
        assert answer.status == 404, path
        assert f"by web_prefix the board is at {PREFIX}/" in answer.body.decode()


def test_a_prefix_that_is_not_named_is_refused_by_its_name(tmp_path: Path) -> None:
    with Office(tmp_path) as office:
        for path in ("/tasks/", "/tasks", "/tasks/wall", "/tasks/api/v1/about"):
            answer = send(office, "GET", path)
            assert answer.status == 404
            assert "web_prefix" in answer.body.decode()
        secret = send(office, "GET", "/tasks/ping/td_secret_x/a").body.decode()
        assert "web_prefix" in secret
        assert "secret" not in secret


def test_the_cookie_is_for_what_is_below_the_prefix(office: Office, tmp_path: Path) -> None:
    """Two boards on one host: neither is sent the other's, and neither takes it away."""
    for before in (PREFIX, ""):
        cookie = send(office, "POST", f"{before}/api/v1/Login", LOGIN).headers["set-cookie"]
        assert f"; Path={PREFIX}/; " in cookie
    held = cookie.partition(";")[0]
    answer = send(office, "POST", f"{PREFIX}/api/v1/Logout", {}, cookie=held)
    assert answer.headers["set-cookie"].startswith(f"taskdash=; Path={PREFIX}/; Max-Age=0; ")
    with Office(tmp_path) as root:
        root.people()
        at_root = send(root, "POST", "/api/v1/Login", LOGIN).headers["set-cookie"]
        assert "; Path=/; " in at_root
        # Of a board at the root a browser sends its cookie below every prefix as well.
        fresh = send(office, "POST", f"{PREFIX}/api/v1/Login", LOGIN).headers["set-cookie"]
        both = "; ".join(one.partition(";")[0] for one in (fresh, at_root))
        assert send(office, "POST", f"{PREFIX}/api/v1/Query", {}, cookie=both).status == 200


def test_the_websocket_is_below_it_too(office: Office) -> None:
    signed_in = send(office, "POST", f"{PREFIX}/api/v1/Login", LOGIN).headers["set-cookie"]
    for before in (PREFIX, ""):
        with Board(office, signed_in.partition(";")[0], before=before) as board:
            assert board.until(lambda said: "me" in said)["me"]["user"] == "1001"
    elsewhere = send(office, "GET", f"{PREFIX}/other", **HANDSHAKE)
    assert f"the websocket is at {PREFIX}/ws" in elsewhere.body.decode()


def test_what_is_said_of_its_addresses_has_the_prefix(office: Office) -> None:
    assert office.daemon.wait_for("the board is at")["prefix"] == PREFIX
    (office.data / "taskdashd.toml").write_text(
        f'web = "{office.address}"\nweb_prefix = "{PREFIX}"\n'
    )
    words = ["--data", office.data, "--config", office.data / "taskdashd.toml"]
    done = taskdashd("wall", "create", "hall", *words)
    assert done.stdout.startswith(f"{office.url}{PREFIX}/wall#td_hall_"), done
    token = office.token("hourly", "--role", "ping")
    said = send(office, "GET", f"{PREFIX}/ping/{token}/hourly/no").body.decode()
    assert f"a ping is {PREFIX}/ping/TOKEN/ID" in said
    bind = f"{PREFIX}/rget/task?operation=TaskBind&ID=cut-5&username=1001&password="
    refused = json.loads(send(office, "GET", bind).body)
    assert f"by POST, at {PREFIX}/rpost/task" in json.dumps(refused)


def test_a_page_of_elsewhere_may_ask_below_it(tmp_path: Path) -> None:
    foreign = "https://a.example"
    with Office(tmp_path, web_prefix=PREFIX, web_origins=foreign) as office:
        asked = send(office, "POST", f"{PREFIX}/api/v1/Query", {}, origin=foreign)
        assert asked.headers["access-control-allow-origin"] == foreign
        preflight = send(
            office,
            "OPTIONS",
            f"{PREFIX}/api/v1/Query",
            origin=foreign,
            access_control_request_method="POST",
        )
        assert preflight.status == 200


@pytest.mark.parametrize("good", ["", "/tasks", "/a/b-c/d.e_f~0", "/tasks2", "/apis", "/wallpaper"])
def test_a_prefix_is_a_path_without_a_slash_at_its_end(good: str) -> None:
    assert values.prefix(good) == good


@pytest.mark.parametrize(
    "bad",
    [
        *("/", "tasks", "/tasks/", "//tasks", "/a//b", "/a/../b", "/..", "/.", "/a b", "/ä"),
        *("/a;b", '/a"b', "/a%20b", "/a?b", "/a#b", "/a,b", "/a\\b", "/a\r\nb", "/a\n"),
        *("/" + "a" * 200, 7),
        *(f"/{own}" for own in OWN_PATHS),
        *(f"/{own}/tasks" for own in OWN_PATHS),
    ],
)
def test_what_is_no_prefix_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="must"):
        values.prefix(bad)


def test_an_origin_with_a_path_is_told_of_the_prefix() -> None:
    with pytest.raises(ValueError, match="web_prefix"):
        values.origins("https://a.example/tasks")
    assert values.origins("https://a.example/") == "https://a.example/"


def test_the_boards_own_paths_are_all_known(office: Office) -> None:
    """A prefix that one of them begins with would be stripped twice."""
    for own in OWN_PATHS:
        assert own in values._OWN_PATHS
    described = json.loads(send(office, "GET", "/api/v1/openapi.json").body)
    for path in described["paths"]:
        assert path.split("/")[1] in OWN_PATHS
