# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of exported services in a cluster's DNS, for pods without a sidecar: server blocks in CoreDNS's Corefile.

The plugin ``hosts`` answers the names. By itself it answers SERVFAIL for every other name, which resolvers ask again
and again: so a second server block answers those with NXDOMAIN, and the plugin ``view`` keeps the first one to the
names that it has. ``view`` came with CoreDNS 1.10. An older CoreDNS, which would not start with it, gets ``hosts``
alone.

The blocks are between two comment lines, which name the fleet. What is between them is ours; nothing else is.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import hashlib
import ipaddress
import itertools
import re
import typing as t

from ...errors import FleetError
from ...metadata import annotations_of, labels_of
from ..inventory.values import LABEL
from .corefile import ZONE, Server, imported_folder, main_server, reloads, who_serves

__all__ = ["Plan", "Records", "blocks_of", "plan_zone", "with_block", "without_block", "zone_block", "zone_of_others"]

Object = t.Mapping[str, t.Any]
Records = t.Mapping[str, t.Sequence[str]]
"""Addresses of either family by name, ``svc.ns.svc.clusterset.local``; a headless service has several."""

NAMESPACE = "kube-system"
OPENSHIFT = "openshift-dns"
SERVERS = {"k8s-app": "kube-dns"}
"""Labels of the Deployment that serves a cluster's DNS, and of its pods: kubeadm, k3s, RKE2, AKS, EKS, kube-dns."""
_NODE_LOCAL = "node-local-dns"
_CUSTOM = "coredns-custom"
_KEY = "mesh-fleet.server"
_FILE = "Corefile"
_MOST_BYTES = 1024 * 1024
"""Of all values of a ConfigMap (``MaxSecretSize`` of Kubernetes' validation, which ConfigMaps share)."""
_TTL = 5
"""Seconds, as names of a cluster's own Services have it by default. Names that are not there are kept as long."""
_VIEW_SINCE = (1, 10)
_IMAGE = re.compile(r"coredns[^/:@]*:v?(\d+)\.(\d+)")
_MARK = "# mesh.fleet {fleet}: names of exported services {end}"
_ANY_MARK = re.compile(r"^# mesh\.fleet (\S+): names of exported services (?:begin|end)$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be done in one cluster."""

    writes: t.Sequence[tuple[Object | None, dict[str, t.Any] | None]] = ()
    """ConfigMaps as they were read (None: there is none) and as they are to be (None: not there)."""
    facts: t.Sequence[str] = ()
    """What the user should know."""
    view: str = ""
    """The view that CoreDNS's metrics name once it has loaded what is wanted; "" where nothing shows it."""
    metrics_port: int = 0
    """The port of those metrics."""


@functools.lru_cache(maxsize=65536)
def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address; most clusters have the same. Raises ValueError."""
    return ipaddress.ip_address(text)


def checked(records: Records) -> dict[str, list[str]]:
    """The records in one order, addresses in their short form; names without an address are left out.

    Raises:
        FleetError: with everything that is no name of an exported service, and no address.
    """
    wrong: list[str] = []
    found: dict[str, list[str]] = {}
    for name in sorted(records):
        labels = name.removesuffix(f".svc.{ZONE}").split(".")
        if not name.endswith(f".svc.{ZONE}") or len(labels) != 2 or not all(LABEL.fullmatch(one) for one in labels):
            wrong.append(f"{name!r} is no name")
        addresses = set()
        for address in records[name]:
            try:
                addresses.add(_address(address))
            except ValueError:
                wrong.append(f"{address!r} of {name} is no address")
        if addresses:
            found[name] = [str(one) for one in sorted(addresses, key=lambda one: (one.version, int(one)))]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise FleetError(
            f"the records for {ZONE} are wrong",
            seen=f"{'; '.join(wrong[:3])}{more}",
            next_step=f"names are SERVICE.NAMESPACE.svc.{ZONE}, with IPv4 or IPv6 addresses",
        )
    return found


def view_of(records: t.Mapping[str, t.Sequence[str]]) -> str:
    """A name for exactly these records: CoreDNS's metrics show which view it has loaded."""
    text = "\n".join(f"{name} {' '.join(addresses)}" for name, addresses in records.items())
    return f"exported-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def zone_block(records: Records, fleet: str, server: Server, *, views: bool) -> str:
    """The server blocks between their marks; "" without records.

    Args:
        records: the names and their addresses.
        fleet: whose they are.
        server: how the cluster's DNS listens.
        views: whether CoreDNS has the plugin ``view``. Without it, other names of the zone get SERVFAIL.
    """
    found = checked(records)
    if not found:
        return ""
    shared = ["    errors", *([f"    {server.bind}"] if server.bind else [])]
    lines = [_MARK.format(fleet=fleet, end="begin"), f"{ZONE}:{server.port} {{"]
    if views:
        names = ", ".join(f"'{name}.'" for name in found)
        lines += [f"    view {view_of(found)} {{", f"        expr name() in [{names}]", "    }"]
    lines += shared
    if server.metrics:
        lines.append(f"    prometheus {server.metrics}")
    lines.append("    hosts {")
    lines += [f"        {address} {name}" for name, addresses in found.items() for address in addresses]
    lines += ["        no_reverse", f"        ttl {_TTL}", "    }", "    loadbalance", "}"]
    if views:
        authority = (
            f'        authority "{ZONE}. {_TTL} IN SOA ns.dns.{ZONE}. hostmaster.{ZONE}. (1 7200 1800 86400 {_TTL})"'
        )
        lines += [
            f"{ZONE}:{server.port} {{",
            *shared,
            # The zone itself, svc and namespaces are there, though they have no addresses.
            "    template ANY ANY {",
            rf"        match ^(([^.]+\.)?svc\.)?{re.escape(ZONE)}\.$",
            authority,
            "        fallthrough",
            "    }",
            "    template ANY ANY {",
            "        rcode NXDOMAIN",
            authority,
            "    }",
            "}",
        ]
    return "\n".join([*lines, _MARK.format(fleet=fleet, end="end"), ""])


def with_block(text: str, block: str, fleet: str) -> str:
    """A Corefile with ``block`` in the place of the fleet's former one, else at its end."""
    place = _place(text, fleet)
    if not block:
        return without_block(text, fleet)
    if place is None:
        # The newline before the mark is ours as well, and goes with it.
        return f"{text}\n{block}"
    begin, end = place
    return text[:begin] + block + text[end:]


def without_block(text: str, fleet: str) -> str:
    """A Corefile as it was before; what others wrote in the meantime stays."""
    place = _place(text, fleet)
    if place is None:
        return text
    before, after = text[: place[0]], text[place[1] :]
    if before.endswith("\n") and (not after or before.endswith("\n\n")):
        before = before[:-1]
    return before + after


def blocks_of(config: Object | None, fleet: str) -> str:
    """What of a ConfigMap is the fleet's: the rest may hold keys of a cloud's DNS or of TSIG."""
    texts = [str(((config or {}).get("data") or {}).get(key) or "") for key in (_FILE, _KEY)]
    places = [(text, _place(text, fleet)) for text in texts]
    return "".join(text[place[0] : place[1]] for text, place in places if place is not None)


def _place(text: str, fleet: str) -> tuple[int, int] | None:
    """Where the fleet's block begins and ends.

    Raises:
        FleetError: one of its two marks is missing.
    """
    begins, ends = (
        [found.start() for found in re.finditer(f"^{re.escape(_MARK.format(fleet=fleet, end=end))}$", text, re.M)]
        for end in ("begin", "end")
    )
    if not begins and not ends:
        return None
    if len(begins) != 1 or len(ends) != 1 or ends[0] < begins[0]:
        raise FleetError(
            "the marks around the names of exported services are damaged",
            seen=f"{len(begins)} of begin, {len(ends)} of end",
            means="somebody edited the Corefile, and what is ours in it is no longer known",
            next_step=f"remove the server blocks for {ZONE} and the lines that begin with # mesh.fleet; then run again",
        )
    line_end = text.find("\n", ends[0])
    return begins[0], len(text) if line_end < 0 else line_end + 1


def plan_zone(
    records: Records,
    *,
    fleet: str,
    owner: t.Mapping[str, str],
    cluster: str,
    configs: t.Sequence[Object],
    servers: t.Sequence[Object],
) -> Plan:
    """What makes the names resolve in one cluster, or what takes them away.

    Args:
        records: names and addresses as this cluster's pods are to see them; empty to remove what is ours.
        fleet: its name.
        owner: labels of what is ours, for a ConfigMap that has to be made.
        cluster: its name, for messages.
        configs: ConfigMaps of :data:`NAMESPACE` and :data:`OPENSHIFT`.
        servers: Deployments of :data:`NAMESPACE` with the labels :data:`SERVERS`.

    Raises:
        FleetError: the cluster's DNS cannot be given a zone in this way, or not such a large one.
    """
    wanted = checked(records)
    try:
        bare = {_id(config): _without(config, fleet) for config in configs}
    except FleetError as error:
        error.cluster = cluster
        raise
    if not wanted:
        return Plan(_writes(configs, bare, owner))
    config = _corefile(configs, servers, cluster)
    _refuse_node_local(configs, cluster)
    foreign = _served_by_others(config, bare)
    if foreign:
        fact = f"the cluster's DNS serves {ZONE} already ({foreign}): it is left alone, and adds no exported names"
        return Plan(_writes(configs, bare, owner), [fact])
    text = str(bare[_id(config)]["data"][_FILE])  # without ours, which may be a thousand times as long
    server = main_server(text)
    views, version = _has_views(servers)
    block = zone_block(wanted, fleet, server, views=views)
    target, key = _id(config), _FILE
    folder = imported_folder(text)
    if folder is not None:
        target, key = (NAMESPACE, _imported(folder, servers)), _KEY
    held = bare.get(target) or _new(target, owner)
    data = {**(held.get("data") or {})}
    live = next((one for one in configs if _id(one) == target), None)
    before = str(((live or {}).get("data") or {}).get(key) or "")
    data[key] = with_block(before, block, fleet) if key == _FILE else block
    _refuse_size(data, wanted, target, cluster)
    bare[target] = {**held, "data": data}
    writes = _writes(configs, bare, owner)
    facts = []
    if not views:
        facts.append(
            f"names of {ZONE} that are not exported get SERVFAIL instead of NXDOMAIN: CoreDNS is {version}, and "
            "the plugin view came with 1.10"
        )
    if not reloads(text):
        facts.append(
            f"its Corefile lacks the plugin reload: names of {ZONE} change when CoreDNS starts anew "
            f"(kubectl -n {NAMESPACE} rollout restart deployment/coredns)"
        )
    undone = _undone_by(live) if key == _FILE else ""
    if undone:
        facts.append(f"{undone} may write the Corefile anew, without the exported names: then run mesh.fleet.services")
    port = server.metrics.rpartition(":")[2]
    seen = views and reloads(text) and port.isdigit() and not server.metrics.startswith(("localhost", "127."))
    return Plan(writes, facts, view_of(wanted) if seen else "", int(port) if seen else 0)


def _id(config: Object) -> tuple[str, str]:
    return str(config["metadata"].get("namespace") or ""), str(config["metadata"]["name"])


def _new(target: tuple[str, str], owner: t.Mapping[str, str]) -> dict[str, t.Any]:
    meta = {"namespace": target[0], "name": target[1], "labels": dict(owner)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}


def _without(config: Object, fleet: str) -> dict[str, t.Any]:
    """A ConfigMap without the fleet's block; a key that held nothing else goes."""
    data: dict[str, str] = {}
    for key, text in (config.get("data") or {}).items():
        plain = text
        if key in (_FILE, _KEY):
            try:
                plain = without_block(text, fleet)
            except FleetError as error:
                error.obj = f"ConfigMap {'/'.join(_id(config))}"
                raise
        if key != _KEY or plain == text or plain.strip():
            data[key] = plain
    out = dict(config)
    if "data" in config:
        out["data"] = data
    return out


def _writes(
    configs: t.Sequence[Object],
    wanted: t.Mapping[tuple[str, str], dict[str, t.Any]],
    owner: t.Mapping[str, str],
) -> list[tuple[Object | None, dict[str, t.Any] | None]]:
    """What differs. A ConfigMap that we made goes when it is empty."""
    live = {_id(config): config for config in configs}
    out: list[tuple[Object | None, dict[str, t.Any] | None]] = []
    for target, config in wanted.items():
        found = live.get(target)
        if found is not None and (found.get("data") or {}) == (config.get("data") or {}):
            continue
        empty = not config.get("data") and not config.get("binaryData")
        gone = empty and found is not None and owner.items() <= labels_of(found).items()
        out.append((found, None if gone else config))
    return out


def _corefile(configs: t.Sequence[Object], servers: t.Sequence[Object], cluster: str) -> Object:
    """The ConfigMap with the Corefile that the cluster's DNS has mounted."""
    having = {_id(one): one for one in configs if (one.get("data") or {}).get(_FILE) and _id(one)[1] != _NODE_LOCAL}
    ours = {target: one for target, one in having.items() if target[0] == NAMESPACE}
    mounted = [one for target, one in ours.items() if target[1] in _volumes(servers)]
    if len(mounted) == 1 or (not mounted and len(ours) == 1):
        return mounted[0] if mounted else next(iter(ours.values()))
    names = ", ".join("/".join(target) for target in having)
    if ours:
        raise _cannot(
            cluster,
            seen=f"several ConfigMaps hold a Corefile: {names}",
            means="which of them the cluster's DNS reads is not known",
            next_step=f"let the Deployment with the label k8s-app=kube-dns in {NAMESPACE} mount one of them",
        )
    if having:
        raise _cannot(
            cluster,
            seen=f"its DNS operator writes the Corefile of {names}",
            means="what is added there is taken away again",
            next_step=f"let the operator forward the zone: oc edit dns.operator/default, servers, zones: [{ZONE}]",
        )
    programs = [str(box.get("image") or box.get("name")) for server in servers for box in _containers(server)]
    raise _cannot(
        cluster,
        seen=f"no Corefile in {NAMESPACE} or {OPENSHIFT}"
        + (f"; its DNS is {', '.join(programs)}" if programs else "; its DNS is no Deployment k8s-app=kube-dns"),
        means="a zone can be added to CoreDNS only",
        next_step="let its DNS forward the zone to a server of yours (kube-dns: stubDomains in ConfigMap "
        f"{NAMESPACE}/kube-dns)",
    )


def _cannot(cluster: str, *, seen: str, means: str, next_step: str) -> FleetError:
    return FleetError(
        f"names of {ZONE} cannot be added to the cluster's DNS",
        cluster=cluster,
        seen=seen,
        means=means,
        next_step=f"{next_step}; or do without: pods with a sidecar resolve these names by it",
    )


def _refuse_node_local(configs: t.Sequence[Object], cluster: str) -> None:
    """NodeLocal DNSCache asks CoreDNS for the cluster's own zones alone, unless it is told the zone."""
    for config in configs:
        text = str((config.get("data") or {}).get(_FILE) or "")
        if _id(config) != (NAMESPACE, _NODE_LOCAL) or not text or who_serves(text):
            continue
        raise _cannot(
            cluster,
            seen=f"NodeLocal DNSCache (ConfigMap {NAMESPACE}/{_NODE_LOCAL}) answers pods",
            means=f"it asks the servers of the nodes, not CoreDNS, for {ZONE}",
            next_step=f"add to its Corefile: {ZONE}:53 {{ forward . IP }}, with bind as its other blocks have it and "
            "the IP to which they forward cluster.local; then run again",
        )


def zone_of_others(configs: t.Iterable[Object], fleet: str) -> str:
    """Where a cluster's DNS serves the zone for somebody else; "" where it does not, or where that cannot be read.

    Args:
        configs: ConfigMaps of :data:`NAMESPACE`.
        fleet: whose blocks do not count.
    """
    bare = {_id(config): config for config in configs}
    with contextlib.suppress(FleetError):  # blocks of ours that were cut are told when they are changed
        bare = {where: _without(config, fleet) for where, config in bare.items()}
    found = (_served_by_others(one, bare) for one in bare.values() if _FILE in (one.get("data") or {}))
    return next((where for where in found if where), "")


def _served_by_others(config: Object, bare: t.Mapping[tuple[str, str], Object]) -> str:
    """Who answers for the zone, in the Corefile or in what it may import."""
    places = [(_id(config), _FILE)]
    for target, one in bare.items():
        keys = sorted(one.get("data") or {})
        places += [(target, key) for key in keys if target[0] == NAMESPACE and key.endswith((".server", ".override"))]
    for target, key in places:
        text = str((bare[target].get("data") or {}).get(key) or "")
        # What is imported into a server block stands inside one.
        line = who_serves(f". {{\n{text}\n}}") if key.endswith(".override") else who_serves(text)
        if line:
            marks = list(dict.fromkeys(_ANY_MARK.findall(text)))
            owner = f", by fleet {', '.join(marks)}" if marks else ""
            return f"ConfigMap {'/'.join(target)}, {key}, {line}{owner}"
    return ""


def _containers(server: Object) -> list[Object]:
    return list(_template(server).get("containers") or [])


def _template(server: Object) -> Object:
    spec: Object = ((server.get("spec") or {}).get("template") or {}).get("spec") or {}
    return spec


def _volumes(servers: t.Sequence[Object]) -> dict[str, list[str]]:
    """ConfigMaps that the servers have mounted, each with its paths."""
    found: dict[str, list[str]] = collections.defaultdict(list)
    for server in servers:
        paths: dict[str, list[str]] = collections.defaultdict(list)
        for mount in itertools.chain.from_iterable(box.get("volumeMounts") or [] for box in _containers(server)):
            paths[str(mount.get("name"))].append(str(mount.get("mountPath")))
        for volume in _template(server).get("volumes") or []:
            projected = (volume.get("projected") or {}).get("sources") or []
            for source in (volume, *projected):
                name = (source.get("configMap") or {}).get("name")
                if name:
                    found[str(name)] += paths[str(volume.get("name"))]
    return found


def _imported(folder: str, servers: t.Sequence[Object]) -> str:
    """The ConfigMap that is mounted in a folder; k3s, AKS and Gardener call it the same."""
    ends = folder.strip("/")
    for name, paths in _volumes(servers).items():
        if any(f"/{path.strip('/')}".endswith(f"/{ends}") for path in paths):
            return name
    return _CUSTOM


def _has_views(servers: t.Sequence[Object]) -> tuple[bool, str]:
    """Whether every server is proven to have the plugin ``view``, and its version in words."""
    images = [str(box.get("image") or "") for server in servers for box in _containers(server)]
    found = [_IMAGE.search(image) for image in images if "coredns" in image]
    versions = [(int(one.group(1)), int(one.group(2))) for one in found if one is not None]
    if not versions or len(versions) < len(found):
        return False, "of an unknown version"
    oldest = min(versions)
    return oldest >= _VIEW_SINCE, f"{oldest[0]}.{oldest[1]}"


def _refuse_size(data: t.Mapping[str, str], records: Records, target: tuple[str, str], cluster: str) -> None:
    size = sum(len(text.encode()) for text in data.values())
    if size <= _MOST_BYTES:
        return
    addresses = len(list(itertools.chain.from_iterable(records.values())))
    raise FleetError(
        f"too many names of exported services for one ConfigMap: {len(records)}, with {addresses} addresses",
        cluster=cluster,
        obj=f"ConfigMap {'/'.join(target)}",
        seen=f"{size} bytes with them; a ConfigMap holds {_MOST_BYTES}",
        next_step="export fewer services to this cluster, or let only pods with a sidecar resolve them",
    )


def _undone_by(config: Object | None) -> str:
    """Who else writes the whole ConfigMap, as far as it says so."""
    labels, notes = labels_of(config), annotations_of(config)
    if labels.get("app.kubernetes.io/managed-by") == "Helm":
        return f"Helm's release {notes.get('meta.helm.sh/release-name', 'of CoreDNS')}"
    if "objectset.rio.cattle.io/hash" in labels:
        return "k3s"
    if labels.get("addonmanager.kubernetes.io/mode") == "Reconcile":
        return "the addon manager"
    if labels.get("eks.amazonaws.com/component") == "coredns":
        return "EKS, at an update of its add-on,"
    return ""
