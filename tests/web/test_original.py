"""The original API, asked as the original's pages ask: forms of all kinds, lists, and paging."""

import json
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from office import CLAIMED, EDITING, FREE, Office
from test_forms import FORM, multipart


class Answer(NamedTuple):
    """An answer, by what a page looks at."""

    status: int
    text: str
    cookie: str | None

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def ids(self) -> list[str]:
        return [task["ID"] for task in self.json]


def send(
    office: Office, method: str, path: str, body: bytes | None = None, **headers: str
) -> Answer:
    connection = HTTPConnection("127.0.0.1", office.port, timeout=20)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, sent)
    answer = connection.getresponse()
    text = answer.read().decode()
    cookie = answer.headers["set-cookie"]
    connection.close()
    return Answer(answer.status, text, cookie and cookie.partition(";")[0])


def by_get(office: Office, given: Mapping[str, str], **headers: str) -> Answer:
    return send(office, "GET", f"/rget/task/?{urlencode(given)}", **headers)


def by_form(office: Office, given: Mapping[str, str], **headers: str) -> Answer:
    body = urlencode(given).encode()
    return send(office, "POST", "/rpost/task", body, content_type=FORM, **headers)


def by_form_data(office: Office, given: Mapping[str, str], **headers: str) -> Answer:
    kind = "multipart/form-data; boundary=xyz"
    return send(office, "POST", "/rpost/task", multipart(given), content_type=kind, **headers)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with Office(tmp_path_factory.mktemp("original"), rpost_open="on") as office:
        office.people()
        for number in range(60):
            office.task(f"free-{number:02}", "n", FREE)
        office.task("mine", "n", CLAIMED, user="1001")
        office.task("begun", "n", EDITING, user="1001")
        office.task("over", "n", "finish", user="1001")
        office.task("over-too", "n", "finished", user="1002")
        yield office


@pytest.mark.parametrize("ask", [by_get, by_form, by_form_data])
def test_lists_are_asked_in_every_way(office: Office, ask: Any) -> None:
    assert ask(office, {"operation": "GetTasksByUser", "user": "1001"}).ids == [
        "begun",
        "mine",
        "over",
    ]
    assert ask(office, {"operation": "GetUserTasks", "user": "1002"}).ids == ["over-too"]
    assert ask(office, {"operation": "GetTasksByStatus", "status": EDITING}).ids == ["begun"]
    assert ask(office, {"operation": "GetTasksNoUser", "status": EDITING}).ids == []


@pytest.mark.parametrize(
    ("page", "first", "count"),
    [
        ({}, 0, 50),
        ({"start": "", "count": ""}, 0, 50),
        ({"start": "undefined", "count": "NaN"}, 0, 50),
        ({"start": "50"}, 50, 10),
        ({"count": "7"}, 0, 7),
        ({"start": "3", "count": "4"}, 3, 4),
        ({"start": "0", "count": "99999999999999999999"}, 0, 60),
        ({"start": "60", "count": "5"}, 60, 0),
        ({"start": "-1", "count": "0"}, 0, 50),
    ],
)
def test_lists_are_paged(office: Office, page: dict[str, str], first: int, count: int) -> None:
    said = by_get(office, {"operation": "GetTasksNoUser", **page})
    assert said.ids == [f"free-{number:02}" for number in range(first, first + count)]


def test_a_start_too_far_is_refused(office: Office) -> None:
    said = by_get(office, {"operation": "GetTasksNoUser", "start": "10001"}).json
    assert (said["errid"], said["detail"][:6]) == (1000, "start:")


def test_a_finished_task_is_called_as_the_original_calls_it(office: Office) -> None:
    said = by_form(office, {"operation": "GetTasksByStatus", "status": "已完成"})
    assert [(task["ID"], task["Status"]) for task in said.json] == [
        ("over", "已完成"),
        ("over-too", "已完成"),
    ]


def test_gbk_that_says_so_is_understood_and_what_does_not_is_no_empty_list(office: Office) -> None:
    asked = {"operation": "GetTasksByStatus", "status": EDITING}
    body = urlencode(asked, encoding="gbk").encode()
    said = send(office, "POST", "/rpost/task", body, content_type=f"{FORM}; charset=gbk")
    assert said.ids == ["begun"]
    refused = send(office, "POST", "/rpost/task", body, content_type=FORM).json
    assert refused["errid"] == 1000
    assert "GBK" in refused["detail"]
    refused = send(office, "GET", f"/rget/task/?{body.decode()}").json
    assert refused["errid"] == 1000


def test_a_get_changes_nothing(office: Office) -> None:
    for asked in (
        {"operation": "TaskBind", "ID": "free-59", "user": "1001"},
        {"operation": "userLogin", "username": "1001", "password": ""},
    ):
        said = by_get(office, asked)
        assert (said.json["errid"], said.cookie) == (1000, None)
    assert office.ask("Find", id="free-59")["user"] == ""
    assert send(office, "GET", "/rpost/task").status == 405
    assert send(office, "POST", "/rget/task/", b"").status == 405


@pytest.mark.parametrize("name", ["userLogin", "UserLogin"])
def test_a_page_signs_in_and_binds_by_the_name_of_the_original(office: Office, name: str) -> None:
    entered = by_form_data(office, {"operation": name, "username": "1002", "password": ""})
    assert entered.text == "success"
    assert entered.cookie
    # The original's page sends all of a task's fields, its id as `id`, and no user.
    free = "free-58" if name == "userLogin" else "free-57"
    task = {"id": free, "TaskID": "t", "Status": FREE, "URL": ""}
    bound = by_form_data(office, {"operation": "TaskBind", **task}, cookie=entered.cookie)
    assert bound.text == "success"
    assert office.ask("Find", id=task["id"])["user"] == "1002"
    mine = by_get(office, {"operation": "GetTasksByUser"}, cookie=entered.cookie)
    assert task["id"] in mine.ids


def test_a_list_of_nobody_is_refused(office: Office) -> None:
    said = by_get(office, {"operation": "GetTasksByUser"}).json
    assert (said["errid"], said["detail"]) == (1000, "user: whose tasks?")


def test_a_long_list_is_refused_and_not_cut(tmp_path: Path) -> None:
    with Office(tmp_path, rpost_open="on") as office:
        for number in range(4):
            office.task(f"long-{number}", "n", FREE, reserved="x" * 300_000)
        asked = {"operation": "GetTasksNoUser"}
        said = by_get(office, asked).json
        assert said["errid"] == 1000
        assert "ask for fewer by count" in said["detail"]
        ids = [by_get(office, {**asked, "start": f"{n}", "count": "1"}).ids for n in range(5)]
        assert ids == [["long-0"], ["long-1"], ["long-2"], ["long-3"], []]


# Credentials in each request


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Office]:
    """An office where the original API asks who asks: 1001 has a password, 1002 none."""
    with Office(tmp_path) as office:
        office.people()
        office.ask("SetPerson", user="1001", password="correct horse")
        for number in range(3):
            office.task(f"free-{number}", "n", FREE, group_id="cut")
        yield office


RIGHT = {"username": "1001", "password": "correct horse"}
BY_NUMBER = {"username": "1002", "password": ""}


@pytest.mark.parametrize("ask", [by_get, by_form, by_form_data])
def test_credentials_sign_the_request_that_brings_them_and_no_other(
    closed: Office, ask: Any
) -> None:
    listed = ask(closed, {"operation": "GetTasksNoUser", **RIGHT})
    assert listed.ids == ["free-0", "free-1", "free-2"]
    assert listed.cookie is None
    assert ask(closed, {"operation": "GetTasksNoUser"}).json["errid"] == 1003
    person = closed.ask("People")["people"][0]
    assert person["user"] == "1001"
    assert person.get("signed_in") is None


def test_who_signs_a_request_is_who_binds(closed: Office) -> None:
    task = {"id": "free-0", "TaskID": "t", "Status": FREE}
    assert by_form_data(closed, {"operation": "TaskBind", **task, **RIGHT}).text == "success"
    assert closed.ask("Find", id="free-0")["user"] == "1001"
    assert by_get(closed, {"operation": "GetTasksByUser", **RIGHT}).ids == ["free-0"]
    other = by_form(closed, {"operation": "TaskBind", "ID": "free-1", "user": "1001", **BY_NUMBER})
    assert other.json["errid"] == 1003
    assert by_form(closed, {"operation": "TaskBind", "ID": "free-1", **BY_NUMBER}).text == "success"
    assert closed.ask("Find", id="free-1")["user"] == "1002"


def test_wrong_credentials_are_counted_and_right_ones_that_are_remembered_are_not(
    closed: Office,
) -> None:
    asked = {"operation": "GetTasksNoUser"}
    assert by_form(closed, {**asked, **RIGHT}).ids
    wrong = {**asked, "username": "1001", "password": "battery staple"}
    errids = [by_form(closed, wrong).json["errid"] for _ in range(7)]
    assert errids == [1003] * 5 + [1005] * 2
    assert by_form(closed, {**asked, **RIGHT}).ids
    assert by_form(closed, {**asked, "username": "nobody", "password": "x"}).json["errid"] == 1003


def test_a_new_password_ends_what_was_remembered(closed: Office) -> None:
    asked = {"operation": "GetTasksNoUser", **RIGHT}
    assert by_form(closed, asked).ids
    closed.ask("SetPerson", user="1001", password="battery staple")
    assert by_form(closed, asked).json["errid"] == 1003
    assert by_form(closed, {**asked, "password": "battery staple"}).ids
    closed.ask("SetPerson", user="1001", active=False)
    assert by_form(closed, {**asked, "password": "battery staple"}).json["errid"] == 1003


@pytest.mark.parametrize("name", ["userLogin", "GetTasksNoUser", "TaskBind"])
def test_an_admin_signs_nothing_here(closed: Office, name: str) -> None:
    closed.ask("SetPerson", user="1005", password="correct horse")
    asked = {"operation": name, "username": "1005", "password": "correct horse", "ID": "free-0"}
    answer = by_form(closed, asked)
    assert (answer.json["errid"], answer.cookie) == (1003, None)
    assert "admin" in answer.json["detail"]


@pytest.mark.parametrize("name", ["userLogin", "GetTasksNoUser", "TaskBind"])
def test_who_is_an_admin_is_told_to_nobody_else(tmp_path: Path, name: str) -> None:
    with Office(tmp_path, sign_up="off", passwords="on") as office:
        office.people()
        asked = {"operation": name, "password": "wrong horse", "ID": "free-0"}
        told = [by_form(office, {**asked, "username": user}).json for user in ("1005", "nobody")]
        assert told[0] == told[1]
        errids = [by_form(office, {**asked, "username": "1005"}).json["errid"] for _ in range(6)]
        assert errids == [1003] * 4 + [1005] * 2


def test_a_number_alone_signs_only_where_a_setting_allows_it(tmp_path: Path) -> None:
    with Office(tmp_path, passwordless="off") as office:
        office.people()
        office.task("free-0", "n", FREE, group_id="cut")
        answer = by_form(office, {"operation": "GetTasksNoUser", **BY_NUMBER})
        assert answer.json["errid"] == 1003


def test_the_cookie_goes_on_where_its_own_number_comes_along(closed: Office) -> None:
    cookie = by_form(closed, {"operation": "userLogin", **RIGHT}).cookie
    assert cookie
    asked = {"operation": "GetTasksByUser", "username": "1001"}
    assert by_get(closed, asked, cookie=cookie).ids == []
    # Another's number is a claim to be somebody else, which must be proved.
    closed.ask("SetPerson", user="1003", password="correct horse")
    other = {"operation": "GetTasksByUser", "username": "1003"}
    assert by_get(closed, other, cookie=cookie).json["errid"] == 1003
