# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of exported services in a cluster's Corefile: what is written, refused, left alone, and taken out again."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.clusterset_dns import (
    Plan,
    plan_zone,
    with_block,
    without_block,
    zone_block,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.corefile import Server
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

WEB = "web.shop.svc.clusterset.local"
DB = "db.shop.svc.clusterset.local"
RECORDS = {WEB: ["10.1.2.3"], DB: ["fd00::2", "10.9.9.9", "10.9.9.8", "fd00:0::2"]}
OWNER = {"mesh.fleet/fleet": "prod", "mesh.fleet/part-of": "services"}
COREFILE = ".:53 {\n    errors\n    kubernetes cluster.local\n    prometheus :9153\n    reload\n}\n"
CUSTOM = f"{COREFILE}import /etc/coredns/custom/*.server\n"
FOREIGN = "clusterset.local:53 {\n    forward . 10.1.1.1\n}\n"

Object = dict[str, t.Any]


def config(name: str = "coredns", namespace: str = "kube-system", **data: str) -> Object:
    meta: Object = {"namespace": namespace, "name": name, "resourceVersion": "7", "uid": "u"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def server(image: str = "registry.k8s.io/coredns/coredns:v1.12.1", **mounts: str) -> Object:
    """The Deployment of a DNS, with ConfigMaps at paths."""
    named = {name.replace("_", "-"): path for name, path in (mounts or {"coredns": "/etc/coredns"}).items()}
    spec = {
        "containers": [
            {"name": "coredns", "image": image, "volumeMounts": [{"name": n, "mountPath": p} for n, p in named.items()]}
        ],
        "volumes": [{"name": n, "configMap": {"name": n}} for n in named],
    }
    return {"metadata": {"namespace": "kube-system", "name": "coredns"}, "spec": {"template": {"spec": spec}}}


def plan(
    configs: t.Sequence[Object],
    records: t.Mapping[str, list[str]] | None = None,
    servers: t.Sequence[Object] = (server(),),
) -> Plan:
    records = RECORDS if records is None else records
    return plan_zone(records, fleet="prod", owner=OWNER, cluster="west", configs=configs, servers=servers)


def written(made: Plan) -> Object:
    """The only ConfigMap that is written."""
    ((_found, wanted),) = made.writes
    assert wanted is not None
    return wanted


# -- the block ---------------------------------------------------------------------------------


def test_what_a_block_looks_like() -> None:
    assert zone_block({WEB: ["10.1.2.3"]}, "prod", Server("53", "bind 10.0.0.10", ":9153"), views=True) == (
        "# mesh.fleet prod: names of exported services begin\n"
        "clusterset.local:53 {\n"
        "    view exported-20e54e56f4ad {\n"
        "        expr name() in ['web.shop.svc.clusterset.local.']\n"
        "    }\n"
        "    errors\n"
        "    bind 10.0.0.10\n"
        "    prometheus :9153\n"
        "    hosts {\n"
        "        10.1.2.3 web.shop.svc.clusterset.local\n"
        "        no_reverse\n"
        "        ttl 5\n"
        "    }\n"
        "    loadbalance\n"
        "}\n"
        "clusterset.local:53 {\n"
        "    errors\n"
        "    bind 10.0.0.10\n"
        "    template ANY ANY {\n"
        r"        match ^(([^.]+\.)?svc\.)?clusterset\.local\.$" + "\n"
        '        authority "clusterset.local. 5 IN SOA ns.dns.clusterset.local. hostmaster.clusterset.local. '
        '(1 7200 1800 86400 5)"\n'
        "        fallthrough\n"
        "    }\n"
        "    template ANY ANY {\n"
        "        rcode NXDOMAIN\n"
        '        authority "clusterset.local. 5 IN SOA ns.dns.clusterset.local. hostmaster.clusterset.local. '
        '(1 7200 1800 86400 5)"\n'
        "    }\n"
        "}\n"
        "# mesh.fleet prod: names of exported services end\n"
    )


def test_addresses_of_both_families_are_there_once() -> None:
    block = zone_block(RECORDS, "prod", Server(), views=True)
    lines = [line.strip() for line in block.splitlines() if line.endswith(("db.shop.svc.clusterset.local", WEB))]
    assert lines == [f"10.9.9.8 {DB}", f"10.9.9.9 {DB}", f"fd00::2 {DB}", f"10.1.2.3 {WEB}"]


def test_a_name_without_an_address_is_left_out() -> None:
    assert DB not in zone_block({WEB: ["10.1.2.3"], DB: []}, "prod", Server(), views=True)
    assert zone_block({DB: []}, "prod", Server(), views=True) == ""


@pytest.mark.parametrize(
    ("name", "addresses", "seen"),
    [
        ("web.shop.svc.cluster.local", ["10.1.2.3"], "'web.shop.svc.cluster.local' is no name"),
        ("shop.svc.clusterset.local", ["10.1.2.3"], "is no name"),
        ("a.web.shop.svc.clusterset.local", ["10.1.2.3"], "is no name"),
        ("we}\n.shop.svc.clusterset.local", ["10.1.2.3"], "is no name"),
        ("*.shop.svc.clusterset.local", ["10.1.2.3"], "is no name"),
        (WEB, ["10.1.2.300"], f"'10.1.2.300' of {WEB} is no address"),
        (WEB, ["10.1.2.3 evil.example"], "is no address"),
    ],
)
def test_what_is_no_name_and_no_address_is_refused(name: str, addresses: list[str], seen: str) -> None:
    with pytest.raises(FleetError) as refused:
        zone_block({name: addresses}, "prod", Server(), views=True)
    assert seen in refused.value.seen


@pytest.mark.parametrize("text", [COREFILE, COREFILE.rstrip("\n"), f"{COREFILE}\n\n", ""])
def test_what_was_added_goes_byte_for_byte(text: str) -> None:
    block = zone_block(RECORDS, "prod", Server(), views=True)
    added = with_block(text, block, "prod")
    assert with_block(added, block, "prod") == added
    other = zone_block({WEB: ["10.1.2.4"]}, "prod", Server(), views=True)
    assert without_block(with_block(added, other, "prod"), "prod") == text
    assert with_block(added, "", "prod") == text


@pytest.mark.parametrize("text", [COREFILE, COREFILE.rstrip("\n")])
def test_what_others_added_behind_it_stays(text: str) -> None:
    added = with_block(text, zone_block(RECORDS, "prod", Server(), views=True), "prod") + "corp.example {\n}\n"
    assert without_block(added, "prod") == f"{COREFILE}corp.example {{\n}}\n"


def test_the_block_of_another_fleet_is_not_ours() -> None:
    added = with_block(COREFILE, zone_block(RECORDS, "other", Server(), views=True), "other")
    assert without_block(added, "prod") == added
    assert without_block(added, "othe") == added


@pytest.mark.parametrize("end", ["begin", "end"])
def test_damaged_marks_are_refused(end: str) -> None:
    added = with_block(COREFILE, zone_block(RECORDS, "prod", Server(), views=True), "prod")
    broken = added.replace(f"# mesh.fleet prod: names of exported services {end}\n", "")
    for records in (RECORDS, {}):
        with pytest.raises(FleetError, match="damaged") as refused:
            plan([config(Corefile=broken)], records)
        assert (refused.value.cluster, refused.value.obj) == ("west", "ConfigMap kube-system/coredns")


# -- the plan ----------------------------------------------------------------------------------


def test_names_are_added_once_and_removed() -> None:
    live = config(Corefile=COREFILE, other="x")
    first = plan([live])
    made = written(first)
    assert made["data"]["Corefile"].startswith(f"{COREFILE}\n# mesh.fleet prod")
    assert (made["data"]["other"], made["metadata"], first.facts) == ("x", live["metadata"], [])
    assert f"view {first.view} {{" in made["data"]["Corefile"]
    assert first.metrics_port == 9153
    again = plan([made])
    assert (again.writes, again.view) == ([], first.view)
    assert written(plan([made], {})) == live
    assert plan([live], {}).writes == []


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        ({"Corefile": COREFILE + FOREIGN}, "ConfigMap kube-system/coredns, Corefile, line 7: clusterset.local:53 {"),
        ({"Corefile": COREFILE, "x.server": FOREIGN}, "ConfigMap kube-system/coredns, x.server, line 1"),
        ({"Corefile": COREFILE, "x.override": "forward local 1.1.1.1"}, "x.override, line 2: forward local 1.1.1.1"),
    ],
)
def test_a_zone_of_others_is_left_alone_and_told(data: dict[str, str], seen: str) -> None:
    made = plan([config(**data)])
    assert made.writes == []
    (fact,) = made.facts
    assert "the cluster's DNS serves clusterset.local already" in fact
    assert seen in fact


def test_what_is_ours_goes_when_others_serve_the_zone() -> None:
    """A CoreDNS with the zone twice does not load the file."""
    added = written(plan([config(Corefile=COREFILE)]))["data"]["Corefile"]
    made = plan([config(Corefile=added + FOREIGN)])
    assert written(made)["data"]["Corefile"] == COREFILE + FOREIGN
    assert len(made.facts) == 1


def test_the_zone_of_another_fleet_is_told_with_its_name() -> None:
    other = with_block(COREFILE, zone_block(RECORDS, "other", Server(), views=True), "other")
    made = plan([config(Corefile=other)])
    assert made.writes == []
    assert "by fleet other" in made.facts[0]


def test_where_the_corefile_imports_servers_it_stays() -> None:
    live, there = config(Corefile=CUSTOM), config("coredns-custom", mine__server="a")
    servers = [server(coredns="/etc/coredns", coredns_custom="/etc/coredns/custom")]
    made = written(plan([live, there], servers=servers))
    assert made["metadata"]["name"] == "coredns-custom"
    assert made["data"]["mine__server"] == "a"
    assert made["data"]["mesh-fleet.server"].startswith("# mesh.fleet prod: names")
    assert plan([live, made], servers=servers).writes == []
    assert written(plan([live, made], {}, servers)) == there


def test_what_it_imports_is_made_and_removed() -> None:
    live = config(Corefile=CUSTOM)
    ((found, made),) = plan([live]).writes
    assert found is None
    assert made is not None
    assert (made["metadata"]["name"], made["metadata"]["labels"]) == ("coredns-custom", OWNER)
    ((found, gone),) = plan([live, made], {}).writes
    assert (found, gone) == (made, None)
    others = {**made, "metadata": {**made["metadata"], "labels": {}}}
    assert written(plan([live, others], {}))["data"] == {}, "one that is not ours is emptied, not removed"


def test_names_move_when_the_corefile_imports_servers_now() -> None:
    old = written(plan([config(Corefile=COREFILE)]))
    old["data"]["Corefile"] += "import custom/*.server\n"
    writes = plan([old], servers=[server(coredns="/etc/coredns", dns_extra="/etc/coredns/custom/")]).writes
    assert [(w or {})["metadata"]["name"] for _found, w in writes] == ["coredns", "dns-extra"]
    assert "mesh.fleet" not in str((writes[0][1] or {})["data"])


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("coredns:v1.9.4", "1.9"),
        ("registry:5000/coredns/coredns:1.8.6-debian", "1.8"),
        ("coredns@sha256:0a1b", "of an unknown version"),
        ("example.com/dns:v1.12.0", "of an unknown version"),
    ],
)
def test_a_coredns_without_view_gets_none(image: str, version: str) -> None:
    made = plan([config(Corefile=COREFILE)], servers=[server(image)])
    assert "view " not in written(made)["data"]["Corefile"]
    assert written(made)["data"]["Corefile"].count("clusterset.local:53 {") == 1
    assert (made.view, len(made.facts)) == ("", 1)
    assert f"SERVFAIL instead of NXDOMAIN: CoreDNS is {version}" in made.facts[0]


@pytest.mark.parametrize(
    "image",
    [
        "mcr.microsoft.com/oss/kubernetes/coredns:v1.11.3-5",
        "rancher/hardened-coredns:v1.12.2-build20250611",
        "602401143452.dkr.ecr.eu-west-1.amazonaws.com/eks/coredns:v1.10.1-eksbuild.6",
        "coredns/coredns:1.14.5@sha256:0a1b",
    ],
)
def test_images_say_their_version(image: str) -> None:
    assert plan([config(Corefile=COREFILE)], servers=[server(image)]).facts == []


def test_what_may_undo_it_is_told() -> None:
    live = config(Corefile=COREFILE)
    live["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "Helm"}
    live["metadata"]["annotations"] = {"meta.helm.sh/release-name": "rke2-coredns"}
    assert plan([live]).facts[0].startswith("Helm's release rke2-coredns may write the Corefile anew")
    for labels, who in (
        ({"objectset.rio.cattle.io/hash": "a"}, "k3s"),
        ({"addonmanager.kubernetes.io/mode": "Reconcile"}, "the addon manager"),
        ({"eks.amazonaws.com/component": "coredns"}, "EKS"),
    ):
        live["metadata"]["labels"] = labels
        assert plan([live]).facts[0].startswith(who)
        assert plan([live, config("coredns-custom")], {}).facts == ()


def test_without_reload_a_restart_is_told() -> None:
    made = plan([config(Corefile=COREFILE.replace("    reload\n", ""))])
    assert made.view == ""
    assert "lacks the plugin reload" in made.facts[0]


def test_a_corefile_that_would_be_too_large_is_refused() -> None:
    many = {f"web{n}.shop.svc.clusterset.local": ["10.1.2.3", "10.1.2.4"] for n in range(9000)}
    with pytest.raises(FleetError, match="9000, with 18000 addresses") as refused:
        plan([config(Corefile=COREFILE)], many)
    assert "a ConfigMap holds 1048576" in refused.value.seen
    some = {name: addresses for number, (name, addresses) in enumerate(many.items()) if number < 5000}
    written(plan([config(Corefile=COREFILE)], some))
    with pytest.raises(FleetError, match="too many names"):
        plan([config(Corefile=COREFILE, other="x" * 700_000)], some)


KUBE_DNS = server("gcr.io/k8s-dns-kube-dns:1.24")
NODE_LOCAL = (
    "cluster.local:53 {\n    bind 169.254.20.10\n    forward . 10.96.0.10\n}\n.:53 {\n    forward . 1.1.1.1\n}\n"
)


@pytest.mark.parametrize(
    ("configs", "servers", "seen", "step"),
    [
        ([], [], "its DNS is no Deployment k8s-app=kube-dns", "stubDomains"),
        ([], [KUBE_DNS], "its DNS is gcr.io/k8s-dns-kube-dns:1.24", "stubDomains"),
        ([config("dns-default", "openshift-dns", Corefile=COREFILE)], [], "its DNS operator writes", "oc edit"),
        (
            [config(Corefile=COREFILE), config("node-local-dns", Corefile=NODE_LOCAL)],
            [server()],
            "NodeLocal DNSCache",
            "clusterset.local:53 { forward . IP }",
        ),
        (
            [config("one", Corefile=COREFILE), config("two", Corefile=COREFILE)],
            [],
            "several ConfigMaps hold a Corefile: kube-system/one, kube-system/two",
            "mount one of them",
        ),
    ],
)
def test_a_dns_that_takes_no_zone_is_refused(
    configs: list[Object], servers: list[Object], seen: str, step: str
) -> None:
    with pytest.raises(FleetError, match="cannot be added") as refused:
        plan(configs, servers=servers)
    assert seen in refused.value.seen
    assert step in refused.value.next_step
    assert refused.value.cluster == "west"
    assert plan(configs, {}, servers).writes == [], "there is nothing of ours to remove"


def test_a_node_cache_that_forwards_the_zone_is_no_hindrance() -> None:
    told = f"{NODE_LOCAL}clusterset.local:53 {{\n    bind 169.254.20.10\n    forward . 10.96.0.10\n}}\n"
    assert written(plan([config(Corefile=COREFILE), config("node-local-dns", Corefile=told)]))


def test_of_several_corefiles_the_one_that_is_mounted_counts() -> None:
    made = plan([config("old", Corefile=COREFILE), config("rke2", Corefile=COREFILE)], servers=[server(rke2="/etc/c")])
    assert written(made)["metadata"]["name"] == "rke2"
