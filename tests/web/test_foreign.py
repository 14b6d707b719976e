"""Who else speaks in a browser's name: pages of elsewhere, of http before https, added cookies."""

import ssl
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path

import pytest
import trustme
from office import Office
from test_http import HANDSHAKE, send, sign_in

from taskdashd.domain.budget import Budget
from taskdashd.web.messages import Refused, Request
from taskdashd.web.origins import Origins

FORM = "operation=TaskBind&ID=cut-1"


def test_a_page_of_http_is_foreign_to_a_board_of_https(tmp_path: Path) -> None:
    """Who stands in the way can put a page of their own at http://, and fill in a form from it."""
    authority = trustme.CA()
    pem = tmp_path / "board.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pem))
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    with Office(tmp_path / "data", web_tls="on", tls_cert=pem, tls_key=pem) as office:

        def status(method: str, path: str, body: str | None = None, **headers: str) -> int:
            connection = HTTPSConnection("127.0.0.1", office.port, timeout=20, context=trusted)
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, given)
            answer = connection.getresponse().status
            connection.close()
            return answer

        for scheme, allowed in (("https", True), ("http", False)):
            origin = f"{scheme}://{office.address}"
            form = "application/x-www-form-urlencoded"
            posted = status("POST", "/rpost/task", FORM, origin=origin, content_type=form)
            assert posted == (200 if allowed else 403), origin
            opened = status("GET", "/ws", **HANDSHAKE, origin=origin)
            assert opened == (401 if allowed else 403), origin


@pytest.mark.parametrize(
    ("scheme", "is_https", "allowed"),
    [("http", False, True), ("https", False, True), ("https", True, True), ("http", True, False)],
)
def test_a_page_of_http_is_foreign_where_a_proxy_was_asked_by_https(
    scheme: str, is_https: bool, allowed: bool
) -> None:
    headers = {"host": "localhost", "origin": f"{scheme}://localhost"}
    budget = Budget(lambda: None, lambda: 0.0)
    request = Request("POST", "/rpost/task", "", headers, "::1", "[::1]:1", budget, is_https)
    try:
        Origins("").check_origin(request)
        heard = True
    except Refused:
        heard = False
    assert heard == allowed


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with Office(tmp_path_factory.mktemp("office")) as office:
        office.people()
        yield office


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_an_image_of_a_foreign_page_asks_nothing(office: Office, site: str) -> None:
    """A picture has no Origin: its address tried passwords for whoever looked at the page, who then
    had to wait with all others of the address."""
    path = "/rget/task/?operation=GetTasksNoUser&username=1002&password=x"
    office.ask("SetPerson", user="1002", password="correct horse")
    for _ in range(7):
        assert send(office, "GET", path, sec_fetch_site=site).status == 403
    right = path.replace("password=x", "password=correct+horse")
    for own in ("same-origin", "none"):
        assert send(office, "GET", right, sec_fetch_site=own).json == []
    assert send(office, "GET", right).json == []


def test_a_cookie_that_was_added_makes_nobody_somebody_else(office: Office) -> None:
    """Cookies are shared by all ports of a host, whose programs may add one for a longer path."""
    ann, eve = sign_in(office, "1001", "Ann Li"), sign_in(office, "1003", "Eve Stone")
    for cookie, status in ((ann, 200), (f"{ann}; {ann}", 200), (f"{eve}; {ann}", 401)):
        assert send(office, "POST", "/api/v1/People", {}, cookie=cookie).status == status, cookie
