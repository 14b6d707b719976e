"""What proxies say of who asks: which of it is believed, and what is nobody's address."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdashd.domain.budget import Budget
from taskdashd.settings import values
from taskdashd.web.forwarded import Proxies
from taskdashd.web.messages import Request
from taskdashd.web.reader import RequestReader

TRUSTED = Proxies(values.proxies("10.0.0.1, 10.0.1.0/24, 2001:db8:f::/48"))
PROXY = "10.0.0.1"


def request(**headers: str) -> Request:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    budget = Budget(lambda: None, lambda: 0.0)
    return Request("GET", "/", "", given, PROXY, f"{PROXY}:4711", budget)


def seen(**headers: str) -> tuple[str, str]:
    asked = TRUSTED.seen(request(**headers))
    return asked.address, asked.peer


@pytest.mark.parametrize(
    ("said", "address", "peer"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.7"),
        (" 192.0.2.7 ", "192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7", "192.0.2.7:4711"),
        ("2001:DB8::7", "2001:db8::7", "[2001:db8::7]"),
        ("[2001:db8::7]", "2001:db8::7", "[2001:db8::7]"),
        ("[2001:db8:0:0::7]:80", "2001:db8::7", "[2001:db8::7]:80"),
        ("fe80::7%eth0", "fe80::7", "[fe80::7]"),
        ("[fe80::7%25eth0]", "fe80::7", "[fe80::7]"),
        ("[fe80::7%eth0]:80", "fe80::7", "[fe80::7]:80"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("6.6.6.6, 192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("6.6.6.6,192.0.2.7, 10.0.1.9, 2001:db8:f::1", "192.0.2.7", "192.0.2.7"),
        ("10.0.1.9, 10.0.1.8", "10.0.1.9", "10.0.1.9"),
        ("6.6.6.6, unknown", None, None),
        ("6.6.6.6, unknown, 10.0.1.9", None, None),
        ("6.6.6.6, _hidden", None, None),
        ("6.6.6.6,", None, None),
        ("6.6.6.6, 192.0.2.700", None, None),
        ("6.6.6.6, 192.0.2.07", None, None),
        ("6.6.6.6, pc7.office.example", None, None),
        ("6.6.6.6, [2001:db8::7", None, None),
        ("6.6.6.6, ::1::", None, None),
        ("6.6.6.6, \"192.0.2.7\"", None, None),
        ("", None, None),
    ],
)  # fmt: skip
def test_the_rightmost_address_that_is_no_proxys_asks(
    said: str, address: str | None, peer: str | None
) -> None:
    """What cannot be read is nobody's address, and what lies left of it is not looked at."""
    wanted = (PROXY, f"{PROXY}:4711") if address is None else (address, peer)
    assert seen(x_forwarded_for=said) == wanted


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("for=192.0.2.7", "192.0.2.7"),
        ("For=192.0.2.7;Proto=https;by=10.0.0.1", "192.0.2.7"),
        ('for="192.0.2.7:4711" ; proto=http', "192.0.2.7"),
        ('for="[2001:db8::7]:4711"', "2001:db8::7"),
        ('for="[2001:db8::7]:_port"', "2001:db8::7"),
        ("for=6.6.6.6, for=192.0.2.7;host=a, for=10.0.1.9", "192.0.2.7"),
        # A quote that the asker has opened must not swallow what the proxy adds.
        ('for=6.6.6.6;by=", for=192.0.2.7', "192.0.2.7"),
        ('for=6.6.6.6;by=", for=192.0.2.7;host="h"', "192.0.2.7"),
        ("for=6.6.6.6, for=unknown", None),
        ("for=6.6.6.6, for=_hidden", None),
        ('for=6.6.6.6, for="_hidden:_port"', None),
        ("for=6.6.6.6, proto=https", None),
        ("for=6.6.6.6, for=192.0.2.7;for=6.6.6.6", None),
        ("for=6.6.6.6, for=192.0.2.7;host=a b", None),
        ("for=6.6.6.6, for=[2001:db8::7]", None),
        ("for=6.6.6.6, for=192.0.2.7;", None),
        ("for=192.0.2.7;" + ";".join(f"x{n}=y" for n in range(30)), None),
        ("192.0.2.7", None),
    ],
)
def test_forwarded_is_read_from_its_right_too(said: str, address: str | None) -> None:
    assert seen(forwarded=said)[0] == (address or PROXY)


def test_two_headers_must_agree() -> None:
    """A proxy that writes one lets the other pass, as the asker has written it."""
    assert seen(x_forwarded_for="192.0.2.7", forwarded="for=192.0.2.7")[0] == "192.0.2.7"
    assert seen(x_forwarded_for="192.0.2.7", forwarded=" ")[0] == "192.0.2.7"
    for said in ("for=6.6.6.6", "for=unknown", "nonsense"):
        assert seen(x_forwarded_for="192.0.2.7", forwarded=said)[0] == PROXY
    assert seen(x_forwarded_for="unknown", forwarded="for=6.6.6.6")[0] == PROXY


@pytest.mark.parametrize(
    ("headers", "is_https"),
    [
        ({"x_forwarded_proto": "https"}, True),
        ({"x_forwarded_proto": "HTTPS"}, True),
        ({"x_forwarded_proto": "http, https"}, True),
        ({"x_forwarded_proto": "https, http"}, False),
        ({"x_forwarded_proto": "http"}, False),
        ({"x_forwarded_proto": ""}, False),
        ({"forwarded": "for=192.0.2.7;proto=https"}, True),
        ({"forwarded": "for=192.0.2.7;proto=https, for=10.0.1.9;proto=http"}, True),
        ({"forwarded": "for=6.6.6.6;proto=https, for=192.0.2.7;proto=http"}, False),
        ({"forwarded": "for=6.6.6.6;proto=https, for=192.0.2.7"}, False),
        ({"forwarded": "for=192.0.2.7;proto=https", "x_forwarded_proto": "http"}, False),
        ({}, False),
    ],
)
def test_the_proxys_word_on_https(headers: dict[str, str], is_https: bool) -> None:
    assert TRUSTED.seen(request(**headers)).is_https is is_https


def test_headers_of_several_lines_are_one_list() -> None:
    """A proxy may add a line of its own behind the asker's."""
    head = (
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n"
        b"X-Forwarded-For: 192.0.2.7\r\nForwarded: for=192.0.2.7\r\n"
        b"X-Forwarded-For: 10.0.1.9\r\n\r\n"
    )
    found = RequestReader().take_head(bytearray(head), ended=False)
    assert found is not None
    assert found.headers["x-forwarded-for"] == "6.6.6.6, 192.0.2.7, 10.0.1.9"
    told = {name.replace("-", "_"): value for name, value in found.headers.items()}
    assert seen(**told)[0] == "192.0.2.7"


@given(st.text(max_size=60) | st.from_regex(r"[0-9a-f:.,\[\]%=;\" ]{1,60}"), st.booleans())
def test_whatever_the_asker_writes_the_proxy_has_the_last_word(text: str, is_new: bool) -> None:
    """No prefix changes what the nearest proxy has added."""
    if is_new:
        assert seen(forwarded=f"{text}, for=192.0.2.7")[0] == "192.0.2.7"
    else:
        assert seen(x_forwarded_for=f"{text}, 192.0.2.7")[0] == "192.0.2.7"


@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_is_said_is_an_address_or_the_proxys(old: str, new: str) -> None:
    ipaddress.ip_address(seen(x_forwarded_for=old, forwarded=new)[0])


def test_a_long_chain_is_read_no_further_than_needed() -> None:
    """Nobody has as many proxies; what lies beyond counts for nothing."""
    long = ", ".join(["6.6.6.6"] * 1000 + ["10.0.1.9"] * 100)
    assert seen(x_forwarded_for=long)[0] == "10.0.1.9"
    assert seen(x_forwarded_for="," * 16_000 + "192.0.2.7")[0] == "192.0.2.7"


@pytest.mark.parametrize(
    "value", ["0.0.0.0/0", "::/0", "10.0.0.1/8", "10.0.0.0/33", "proxy.example", "10.0.0.1:80", ""]
)
def test_networks_that_name_no_proxy_are_refused(value: str) -> None:
    with pytest.raises(ValueError, match="must"):
        values.proxies(value)


def test_only_proxies_are_trusted() -> None:
    for address, trusted in (
        ("10.0.0.1", True),
        ("10.0.0.2", False),
        ("10.0.1.200", True),
        ("2001:db8:f::1", True),
        ("2001:db8:e::1", False),
        ("", False),
        ("uid 0 pid 1", False),
    ):
        assert TRUSTED.trusts(address) is trusted
    assert not Proxies(values.proxies("off")).trusts("10.0.0.1")
