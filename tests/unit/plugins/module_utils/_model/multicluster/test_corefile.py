# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Corefiles say, in the forms in which clusters have them."""

from __future__ import annotations

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.corefile import (
    Server,
    imported_folder,
    main_server,
    reloads,
    who_serves,
)

KUBEADM = """.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
"""
INSIDE = KUBEADM.rstrip("}\n") + "\n    {}\n}}\n"


def inside(line: str) -> str:
    return INSIDE.replace("    {}\n}}", f"    {line}\n}}")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"{KUBEADM}clusterset.local:53 {{\n    forward . 10.1.2.3\n}}\n", "line 24: clusterset.local:53 {"),
        (f"{KUBEADM}local {{\n    forward . 10.1.2.3\n}}\n", "line 24: local {"),
        (
            f"{KUBEADM}a.example, dns://CLUSTERSET.local.:53 {{\n}}\n",
            "line 24: a.example, dns://CLUSTERSET.local.:53 {",
        ),
        (f"{KUBEADM}shop.svc.clusterset.local {{\n}}\n", "line 24: shop.svc.clusterset.local {"),
        (inside("forward clusterset.local 10.1.2.3"), "line 23: forward clusterset.local 10.1.2.3"),
        (inside("kubernetes local"), "line 23: kubernetes local"),
        (inside("multicluster"), "line 23: multicluster"),
        (inside("lighthouse"), "line 23: lighthouse"),
        (
            inside(r"rewrite name regex (.*)\.clusterset\.local {1}.x"),
            r"line 23: rewrite name regex (.*)\.clusterset\.local {1}.x",
        ),
        (
            inside("hosts {\n 10.1.2.3 web.shop.svc.clusterset.local\n}"),
            "line 24: 10.1.2.3 web.shop.svc.clusterset.local",
        ),
        (inside('template IN A "clusterset.local" {\n}'), "line 23: template IN A clusterset.local {"),
    ],
)
def test_who_answers_for_the_zone_is_found(text: str, line: str) -> None:
    assert who_serves(text) == line


@pytest.mark.parametrize(
    "text",
    [
        KUBEADM,
        "",
        f"# clusterset.local:53 {{\n{KUBEADM}",
        inside("errors # clusterset.local"),
        inside("cache 30 clusterset.local"),
        inside("local"),
        f"{KUBEADM}my-clusterset.local.example {{\n}}\n",
        f"{KUBEADM}import custom/local\n",
    ],
)
def test_where_nobody_does(text: str) -> None:
    assert who_serves(text) == ""


@pytest.mark.parametrize(
    ("text", "server"),
    [
        (KUBEADM, Server("53", "", ":9153")),
        ("(all) {\n    kubernetes x\n    bind 10.0.0.1\n}\n.:5353 {\n    import all\n}\n", Server("5353")),
        (
            "a.b:1053 {\n    bind 1.1.1.1\n}\n. {\n    bind ::1\n    prometheus\n}\n",
            Server("53", "bind ::1", "localhost:9153"),
        ),
        (".:53 {\n}\ntls://a:853 dns://a:8053 {\n    kubernetes a\n}\n", Server("8053")),
        ("", Server()),
    ],
)
def test_how_the_cluster_dns_listens(text: str, server: Server) -> None:
    assert main_server(text) == server


@pytest.mark.parametrize(
    ("line", "folder"),
    [
        ("import custom/*.server", "custom"),
        ("import /etc/coredns/custom/*.server", "/etc/coredns/custom"),
        ("import *.server", ""),
        ("import custom/*.override", None),
        ("", None),
    ],
)
def test_the_folder_of_further_server_blocks(line: str, folder: str | None) -> None:
    assert imported_folder(f"{KUBEADM}{line}\n") == folder
    assert imported_folder(inside(line)) is None, "what is imported into a server block is none"


def test_whether_it_is_read_again() -> None:
    assert reloads(KUBEADM)
    assert not reloads(KUBEADM.replace("    reload\n", ""))
    assert not reloads(". {\n    hosts {\n        reload 5s\n    }\n}\n")
