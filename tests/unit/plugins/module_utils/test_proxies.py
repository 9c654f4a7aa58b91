# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which proxy leads to a server. The cases of NO_PROXY are those of Go's own tests (httpproxy)."""

from __future__ import annotations

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils.proxies import proxy_of, without_login

NO_PROXY = (
    "foobar.com, .barbaz.net, *.wildcard.io, 192.168.1.1, 192.168.1.2:81, 192.168.1.3:80, 10.0.0.0/30, "
    "2001:db8::52:0:1, [2001:db8::52:0:2]:443, [2001:db8::52:0:3]:80, 2002:db8:a::45/64"
)
# server -> whether a proxy is used
SERVERS = {
    "localhost": False,
    "127.0.0.1": False,
    "127.0.0.2": False,
    "[::1]": False,
    "[::2]": True,
    "192.168.1.1": False,
    "192.168.1.2": True,
    "192.168.1.3:80": False,
    "192.168.1.4": True,
    "10.0.0.2": False,
    "10.0.0.4": True,
    "[2001:db8::52:0:1]": False,
    "[2001:db8::52:0:2]": False,
    "[2001:db8::52:0:3]": True,
    "[2002:db8:a::123]": False,
    "[fe80::424b:c8be:1643:a1b6]": True,
    "barbaz.net": True,
    "www.barbaz.net": False,
    "foobar.com": False,
    "www.foobar.com": False,
    "FOOBAR.com": False,
    "foofoobar.com": True,
    "baz.com": True,
    "localhost.net": True,
    "barbazz.net": True,
    "wildcard.io": True,
    "a.wildcard.io": False,
}


@pytest.mark.parametrize(("host", "used"), SERVERS.items())
def test_who_is_left_out(host: str, used: bool) -> None:
    environment = {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": NO_PROXY}
    assert proxy_of(f"https://{host}", environment) == ("http://proxy:3128" if used else "")


def test_everybody_is_left_out() -> None:
    assert proxy_of("https://api.test", {"HTTPS_PROXY": "http://proxy:3128", "no_proxy": "x,*"}) == ""
    assert proxy_of("https://api.test", {"HTTPS_PROXY": "http://proxy:3128", "no_proxy": "*.x"}) != ""


@pytest.mark.parametrize(
    ("server", "excluded"),
    [
        ("ftp://api.test", ""),
        ("https://10.0.0.1", "10.0.0.0/x,10.0.0.1"),
        ("https://api.test", ":6443,api.test"),
        ("https://api.test", ",10.0.0.1,api.test"),
    ],
)
def test_what_is_wrong_is_passed_over(server: str, excluded: str) -> None:
    environment = {"HTTPS_PROXY": "http://proxy", "FTP_PROXY": "http://proxy", "NO_PROXY": excluded}
    assert proxy_of(server, environment) == ""


def test_a_name_is_no_address_and_an_address_no_name() -> None:
    for server, no_proxy in (
        ("https://10.0.0.1", "0.1,0.0.1"),
        ("https://api.test", ":443,"),
        ("https://1.test", "10.0.0.1"),
    ):
        assert proxy_of(server, {"HTTPS_PROXY": "http://proxy", "NO_PROXY": no_proxy}) == "http://proxy"


def test_capitals_go_first() -> None:
    assert (
        proxy_of("https://api.test", {"https_proxy": "http://small", "HTTPS_PROXY": "http://large"}) == "http://large"
    )
    assert proxy_of("https://api.test", {"https_proxy": "http://small", "HTTPS_PROXY": ""}) == "http://small"


def test_each_scheme_has_its_variable() -> None:
    environment = {"HTTP_PROXY": "http://plain", "HTTPS_PROXY": "http://tls", "ALL_PROXY": "http://all"}
    assert proxy_of("http://api.test", environment) == "http://plain"
    assert proxy_of("https://api.test", environment) == "http://tls"
    assert proxy_of("https://api.test", {"ALL_PROXY": "http://all", "HTTP_PROXY": "http://plain"}) == ""


@pytest.mark.parametrize(
    ("value", "url"),
    {
        "proxy:3128": "http://proxy:3128",
        "https://proxy": "https://proxy",
        "socks5://proxy:1080": "socks5://proxy:1080",
        "socks5h://proxy": "socks5h://proxy",
        "http://[broken": "",
        "ftp://proxy": "",
        "http://:3128": "",
        "http://proxy:0": "",
        "http://proxy:1": "http://proxy:1",
        "": "",
    }.items(),
)
def test_a_value_with_and_without_a_scheme(value: str, url: str) -> None:
    assert proxy_of("https://api.test", {"HTTPS_PROXY": value}) == url


def test_a_login_is_not_shown() -> None:
    assert without_login("http://ann:p%40ss@proxy:3128/x?token=y#z") == "http://proxy:3128/x"
