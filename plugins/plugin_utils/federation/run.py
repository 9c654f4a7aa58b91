# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A federation run: read what is exported, write a bundle for each peer, make the names of exports and imports."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import glob
import os
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.diffs import described
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import Recording, recording
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import (
    clusters_with_istiod,
    control_plane_of,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.bundle import (
    Bundle,
    Gateway,
    Offer,
    OfferedPort,
    as_text,
    read_bundle,
    refreshed,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.live_services import (
    LiveService,
    difference,
    in_cluster,
    merged,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.objects import (
    KINDS,
    PART,
    Exported,
    export_entry,
    import_objects,
    mesh_objects,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.peer_roots import is_constrained
from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.settings import Export, Peer
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import EASTWEST
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.addresses import for_cluster
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import Port, ports_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import (
    fingerprint,
    parse_certificates,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import UNCHANGED, Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import connect_each, on_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.federation.guard import (
    refuse_foreign,
    refuse_own_keys,
    still_trusted,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.federation.peers import Peers
from ansible_collections.mesh.fleet.plugins.plugin_utils.gateways.address import address_of
from ansible_collections.mesh.fleet.plugins.plugin_utils.gateways.services import find_gateways
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.addresses import Allocated, allocated, forgotten
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.folder import Files

__all__ = ["FederationRun"]

Object = dict[str, t.Any]

_PORT = 15443


class FederationRun:
    """One run over the clusters of the play.

    Args:
        fleet: the whole fleet.
        play: names of the clusters to write to; all are read.
        peers: what the inventory and the peers say.
        taken: global names that policies of this fleet make already.
        directory: where our bundles are written.
        lifetime: how long a bundle of ours is good.
        leaves: remove all that this run makes.
        istiod_stays: with ``leaves``, whether istiods go on running: while one trusts a peer's root, the policy that
            refuses the peer's calls stays.
        dry_run: plan only.
        diff: whether changes show what they change.
        timeout: seconds for other runs to let this one write the record of addresses.
    """

    def __init__(
        self,
        fleet: Fleet,
        play: t.Sequence[str],
        peers: Peers,
        *,
        taken: t.Collection[str] = (),
        directory: str,
        lifetime: datetime.timedelta,
        leaves: bool = False,
        istiod_stays: bool = True,
        dry_run: bool = False,
        diff: bool = True,
        timeout: float = 60,
    ) -> None:
        self.fleet, self.play, self.peers, self.taken = fleet, set(play), peers, taken
        self.directory, self.lifetime, self.leaves = directory, lifetime, leaves
        self.dry_run, self.diff, self.timeout, self.istiod_stays = dry_run, diff, timeout, istiod_stays
        self.now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        self.files = Files(dry_run)
        self.changes: list[Change] = []
        self.warnings: list[str] = list(peers.warnings)
        self.failures: dict[str, list[FleetError]] = {}
        self.written: dict[str, str] = {}
        """By the peer's trust domain the file for it."""
        self._exports = {export.host: export for peer in peers.named for export in peer.exports}
        self._found: dict[str, dict[str, LiveService]] = {}
        """By host and cluster."""
        self._gateways: dict[str, Gateway] = {}

    async def run(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            with_istiod = {c.name for c in clusters_with_istiod(self.fleet)}
            # Where there is nothing to read, those alone that may hold something of an earlier run.
            whole = bool(self.peers.named) and not self.leaves
            names = [n for n in self.fleet.clusters if whole or (n in self.play and n in with_istiod)]
            kubes, failed = await connect_each(
                stack, (self.fleet.clusters[n] for n in names), absent_ok=self.dry_run or not self.peers.federated
            )
            self._fail({name: error for name, error in failed.items() if name in self.play})
            mine = {name: kube for name, kube in kubes.items() if name in with_istiod and name in self.play}
            if self.leaves:
                await self._leave(mine)
                return
            if not self.peers.federated:
                await self._end(mine)
                return
            silent: list[str] = []
            if self.peers.named:
                _done, unread = await on_each(kubes, lambda name: self._read(kubes[name]))
                self._fail({name: error for name, error in unread.items() if name in self.play})
                silent = [*failed, *unread]
                if silent and self._is_unknown(silent, mine):
                    return
                if silent:
                    self.warnings.append(
                        f"{', '.join(silent)} did not answer: bundles stay as they are, because what is exported there "
                        "is not known"
                    )
            self._forget_bundles()
            addresses = await self._addresses(kubes)
            exported = self._exported()
            _done, failed = await on_each(mine, lambda name: self._apply(mine[name], exported, addresses))
            self._fail(failed)
            # Last: what a bundle offers is there by then, also if the run is killed on its way.
            if self.peers.named and not silent:
                done = {*mine}.difference(failed)
                await self._write_bundles(kubes, [n for n in self.fleet.clusters if n in with_istiod - done])

    async def _remove(self, mine: t.Mapping[str, Kube]) -> list[str]:
        """Remove all objects of ours; the clusters where that went well."""

        async def remove(name: str) -> list[Change]:
            options: dict[str, t.Any] = {"labels": self._owner, "dry_run": self.dry_run, "diff": self.diff}
            former = await self._former(mine[name]) if self.istiod_stays else {}
            kept = mesh_objects(self.fleet, former) if former else []
            changes = await mine[name].apply(kept, **options)
            return [*changes, *await mine[name].prune(kept, kinds=KINDS, **options)]

        done, failed = await on_each(mine, remove)
        self.changes += [change for some in done.values() for change in some]
        self._fail(failed)
        return list(done)

    async def _end(self, mine: t.Mapping[str, Kube]) -> None:
        """The inventory names no federation: what an earlier one made goes, and its names are free."""
        self._forget_bundles()
        await self._remove(mine)
        if self.changes:
            await self._addresses(mine)

    async def _leave(self, mine: t.Mapping[str, Kube]) -> None:
        done = await self._remove(mine)
        if done:
            gone = await forgotten(
                mine, self.fleet, done, part=PART, dry_run=self.dry_run, diff=self.diff, timeout=self.timeout
            )
            self._take(gone)

    async def _former(self, kube: Kube) -> dict[str, tuple[Exported, ...]]:
        """What former peers may call whose roots are still trusted: nothing. A warning says how that ends."""
        named = [] if self.leaves else [peer.trust_domain for peer in self.peers.named]
        trusted = await still_trusted(kube, self.fleet, named)
        if trusted:
            self.warnings.append(
                f"{kube.cluster}: istiod still trusts the root of {' and '.join(trusted)}, so the policy that refuses "
                "all its calls stays, with mutual TLS for the whole mesh. To end it, take the peer out of "
                "mesh_federation, and run the control_plane stage, then federation"
            )
        return dict.fromkeys(trusted, ())

    @property
    def _owner(self) -> dict[str, str]:
        return owner_labels(PART, self.fleet.name)

    # -- reading -------------------------------------------------------------------------------

    async def _read(self, kube: Reader) -> None:
        cluster = self.fleet.clusters[kube.cluster]
        expected = control_plane_of(self.fleet, cluster).gateways_namespace()
        service = (await find_gateways(kube, self.fleet.name, expected)).get(EASTWEST)
        where = await address_of(kube, service)
        if where.host:
            self._gateways[kube.cluster] = Gateway(cluster.network, where.host, where.ports.get(_PORT, _PORT))
        for host, export in self._exports.items():
            found = await self._look_for(kube, export)
            if found:
                self._found.setdefault(host, {})[kube.cluster] = found

    async def _look_for(self, kube: Reader, export: Export) -> LiveService | None:
        service = await kube.get("v1", "Service", export.name, export.namespace)
        selector = ((service or {}).get("spec") or {}).get("selector")
        if service is None or not selector:
            return None
        pods = await kube.list("v1", "Pod", namespace=export.namespace, labels=selector)
        # A moment without pods, such as while a Deployment replaces its only one, is no end of an export.
        alike = pods or await _templates(kube, export.namespace, selector)
        accounts = {str((pod.get("spec") or {}).get("serviceAccountName") or "default") for pod in alike}
        ports = tuple(_numbered(port, alike) for port in ports_of(service) if port.protocol == "TCP")
        if not alike and any(isinstance(port.target, str) for port in ports):
            entry = await kube.get(*KINDS[0], f"{export.name}.federation", export.namespace)
            ports = tuple(_as_before(port, entry or {}) for port in ports)
        return LiveService(dict(selector), ports, frozenset(accounts), bool(pods))

    def _clusters_of(self, host: str) -> dict[str, LiveService]:
        """What the clusters have of an export, in the inventory's order: who answers first is chance."""
        answers = self._found.get(host, {})
        found = {name: answers[name] for name in self.fleet.clusters if name in answers}
        known = {name: one for name, one in found.items() if one.accounts}
        if known or not found:
            return known
        # No pod and no workload of a kind that we read: while the Service is there, what the last bundle said holds.
        last = self._last_accounts(host)
        return {name: dataclasses.replace(one, accounts=last) for name, one in found.items()} if last else {}

    def _last_accounts(self, host: str) -> frozenset[str]:
        """The accounts of an exported service that peers were told last."""
        bundles = [self._old(self._path(peer)) for peer in self.peers.named]
        offers = [offer for bundle in bundles if bundle for offer in bundle.services if offer.host == host]
        return frozenset(identity.rpartition("/")[2] for offer in offers for identity in offer.identities)

    def _path(self, peer: Peer) -> str:
        return os.path.join(self.directory, f"{self.fleet.trust_domain}-for-{peer.trust_domain}.json")

    def _is_unknown(self, silent: t.Sequence[str], mine: t.Iterable[str]) -> bool:
        """Whether only clusters that did not answer may have an exported service: then nothing of it is changed.

        Its ports are not known, and without them a peer could not call it any more.
        """
        lost = [host for host in self._exports if not self._clusters_of(host)]
        if not lost:
            return False
        for name in mine:
            error = FleetError(
                "what is exported is not known",
                cluster=name,
                seen=f"{lost[0]} runs in no cluster that answered; {', '.join(silent)} did not answer",
                means="nothing was changed: peers go on calling it as before",
                next_step=f"start {', '.join(silent)}, or take the export out of mesh_federation; then run again",
            )
            self._fail({name: error})
        return True

    # -- bundles -------------------------------------------------------------------------------

    async def _write_bundles(self, kubes: t.Mapping[str, Kube], unfinished: t.Sequence[str]) -> None:
        """Say to each peer what it may call, and where.

        Args:
            kubes: of all clusters.
            unfinished: primaries that do not know yet what is exported now: outside of the play, or failed. Calls would
                reach their gateways too, so nothing new is offered.
        """
        roots = await self._roots(kubes)
        if not roots:
            return
        for root in roots:
            if not is_constrained(root):
                self.warnings.append(
                    f"this mesh's root SHA256 {fingerprint(root)} has no name constraint: its CAs could speak for a "
                    "peer that trusts it as it is. Peers that use this collection trust a constrained copy; for "
                    "others make a new root (a rotation), or such a copy (docs/federation.md)"
                )
        for peer in self.peers.named:
            path = self._path(peer)
            new = Bundle(
                trust_domain=self.fleet.trust_domain,
                receiver=peer.trust_domain,
                namespace=self.fleet.namespace,
                made=self.now,
                expires=self.now + self.lifetime,
                roots=tuple(roots),
                gateways=tuple(sorted(set(self._gateways.values()), key=dataclasses.astuple)),
                services=tuple(offer for export in peer.exports if (offer := self._offer(peer, export))),
            )
            old = self._old(path)
            if unfinished and (old is None or (new.gateways, new.services) != (old.gateways, old.services)):
                self.warnings.append(
                    f"what {peer.trust_domain} is offered stays as it is: nothing new is known in "
                    f"{', '.join(unfinished)} yet, and calls would go there too; run the federation stage for the "
                    "whole fleet"
                )
                if old is None:
                    continue
                new = dataclasses.replace(new, gateways=old.gateways, services=old.services)
            bundle = refreshed(new, old, self.now, self.lifetime)
            if bundle != old:
                self.files.write(path, as_text(bundle), shown=as_text(bundle))
            self.written[peer.trust_domain] = path
        if not self._gateways and self._exports:
            self.warnings.append("no east-west gateway has an address: what is exported cannot be called")

    async def _roots(self, kubes: t.Mapping[str, Kube]) -> list[t.Any]:
        """The roots that our proxies have, as the first istiod that answers publishes them."""
        for cluster in clusters_with_istiod(self.fleet):
            kube = kubes.get(cluster.name)
            found = await kube.get("v1", "ConfigMap", "istio-ca-root-cert", self.fleet.namespace) if kube else None
            text = ((found or {}).get("data") or {}).get("root-cert.pem", "")
            if text.strip():
                theirs = {fingerprint(root) for some in self.peers.trusted.values() for root in some}
                return [root for root in parse_certificates(text) if fingerprint(root) not in theirs]
        if not self.dry_run:
            self.warnings.append("no istiod publishes a root yet: no bundle was written")
        return []

    def _offer(self, peer: Peer, export: Export) -> Offer | None:
        found = self._clusters_of(export.host)
        if not found:
            self.warnings.append(
                f"{export.name}.{export.namespace}: exported to {peer.trust_domain}, but no cluster that answered has "
                "that Service with pods, or a workload for them"
            )
            return None
        accounts = sorted({account for one in found.values() for account in one.accounts})
        prefix = f"spiffe://{self.fleet.trust_domain}/ns/{export.namespace}/sa/"
        ports = merged(export, found).ports
        running = [name for name, one in found.items() if one.has_pods] or list(found)
        return Offer(
            export.host,
            tuple(OfferedPort(p.number, p.name or f"port-{p.number}", p.spoken.upper() or "TCP") for p in ports),
            tuple(prefix + account for account in accounts),
            tuple(sorted({self.fleet.clusters[name].network for name in running})),
        )

    def _old(self, path: str) -> Bundle | None:
        try:
            with open(path, encoding="utf-8") as stream:
                return read_bundle(stream.read(), path)
        except (OSError, FleetError):
            return None

    def _forget_bundles(self) -> None:
        for path in glob.glob(os.path.join(glob.escape(self.directory), f"{self.fleet.trust_domain}-for-*.json")):
            domain = os.path.basename(path).partition("-for-")[2].removesuffix(".json")
            if domain not in {peer.trust_domain for peer in self.peers.named}:
                self.files.remove(path)

    # -- writing -------------------------------------------------------------------------------

    async def _addresses(self, kubes: t.Mapping[str, Kube]) -> Allocated:
        imported = self.peers.names
        clash = sorted(imported.intersection(self.taken))
        if clash:
            error = FleetError(
                "a peer offers a name that a policy of this mesh makes",
                obj=clash[0],
                next_step="set names: own for the peer in mesh_federation, so that its services are called by other "
                "names here; or take the policy's name out of mesh_traffic",
            )
            self._fail({"": error})
            imported -= set(clash)
        # What a policy has an address for keeps that part's.
        names = {*(host for host in self._exports if host not in self.taken), *imported}
        if recording():
            return Allocated(dict.fromkeys(names, ("",)))
        found = await allocated(
            kubes, self.fleet, names, part=PART, dry_run=self.dry_run, diff=self.diff, timeout=self.timeout
        )
        self._take(found)
        return found

    def _take(self, found: Allocated) -> None:
        self.changes += found.changes
        self.warnings += found.warnings
        for error in found.problems:
            self._fail({"": error})
        self._fail({name: error for name, error in found.failed.items() if name in self.play})

    def _exported(self) -> dict[str, list[Exported]]:
        """By peer what it may call, of what runs."""
        for host, export in self._exports.items():
            found = self._clusters_of(host)
            if found and not any(one.has_pods for one in found.values()):
                self.warnings.append(
                    f"{export.name}.{export.namespace}: its Service has no pod in any cluster that answered. It stays "
                    "exported, and peers' calls fail until it has one; take the export out of mesh_federation to end it"
                )
            differs = difference(found)
            if differs:
                self.warnings.append(
                    f"{export.name}.{export.namespace}: {differs}. Peers are offered the ports of all, and each "
                    "cluster finds pods, also those of clusters that its istiod reads, by its own Service: make them "
                    "equal"
                )
        return {
            peer.trust_domain: [
                merged(export, found) for export in peer.exports if (found := self._clusters_of(export.host))
            ]
            for peer in self.peers.named
        }

    async def _apply(self, kube: Kube, exported: t.Mapping[str, t.Sequence[Exported]], addresses: Allocated) -> None:
        await refuse_own_keys(kube, self.fleet, self.peers.trusted)
        await self._warn_of_plain_text(kube)
        objects = mesh_objects(self.fleet, {**exported, **await self._former(kube)})
        ipv6 = kube.cluster in addresses.ipv6
        record = recording()
        usual = {host: list(some) if record else for_cluster(some, ipv6) for host, some in addresses.addresses.items()}
        for one in {one.export.host: one for some in exported.values() for one in some}.values():
            host, namespace = one.export.host, one.export.namespace
            if host in usual and await kube.get("v1", "Namespace", namespace):
                own = in_cluster(one, self._clusters_of(host), kube.cluster)
                objects.append(export_entry(self.fleet, own, usual[host]))
        for peer, bundle in self.peers.imports:
            objects += import_objects(self.fleet, peer, bundle, usual)
        if record:
            objects = self._only_recordable(record, kube.cluster, objects)
        # Policies first: what a peer may call is said before anything can be called. So is what a handshake asks for.
        objects.sort(key=lambda one: one["kind"] == "ServiceEntry")
        guards = [one for one in objects if one["kind"] != "ServiceEntry"]
        entries = [one for one in objects if one["kind"] == "ServiceEntry"]
        options: dict[str, t.Any] = {"labels": self._owner, "dry_run": self.dry_run, "diff": self.diff}
        await refuse_foreign(kube, self.fleet, objects)
        for some in (guards, entries):
            self.changes += await kube.apply(some, **options)
        self.changes += await kube.prune(objects, kinds=KINDS, **options)
        self.warnings += kube.left_warnings

    def _only_recordable(self, record: Recording, cluster: str, objects: t.Iterable[Object]) -> list[Object]:
        """The objects that can be in a file; the others are named, and so are files for peers."""
        found = []
        unknown = {
            f"federation-{peer.trust_domain}"
            for peer in self.peers.named
            if any(not self._clusters_of(export.host) for export in peer.exports)
        }
        for obj in objects:
            if obj["kind"] == "ServiceEntry":
                why = "the address of a global name is allocated once for the fleet, and the clusters keep it"
            elif obj["metadata"]["name"] in unknown:
                why = "only the clusters know the ports of what is exported, which no app of the inventory brings"
            else:
                found.append(obj)
                continue
            record.leave_out(cluster, described(obj), why, "run mesh.fleet.federation")
        return found

    async def _warn_of_plain_text(self, kube: Reader) -> None:
        """Settings of others, more exact or older than ours, by which a workload takes calls without an identity."""
        for one in await kube.list("security.istio.io/v1", "PeerAuthentication"):
            spec, meta = one.get("spec") or {}, one["metadata"]
            ports = (spec.get("portLevelMtls") or {}).values()
            modes = [(one or {}).get("mode") for one in (spec.get("mtls"), *ports)]
            loose = [str(mode) for mode in modes if mode in ("PERMISSIVE", "DISABLE")]
            if loose:
                self.warnings.append(
                    f"{kube.cluster}: PeerAuthentication {meta['namespace']}/{meta['name']} is {loose[0]}: what it is "
                    "for takes calls without an identity, which no policy can tell from a peer's; make it STRICT"
                )

    def _fail(self, failed: t.Mapping[str, FleetError]) -> None:
        """What failed, by cluster; "" is the whole fleet, which fails each cluster of the play."""
        for name, error in failed.items():
            for one in [name] if name else self.play:
                self.failures.setdefault(one, []).append(error)

    def summary(self) -> str:
        """What was done, in one line."""
        if not self.peers.federated or self.leaves:
            done = sum(change.action != UNCHANGED for change in self.changes)
            return f"{done} objects removed" if done else "no federation"
        parts = (
            [f"{len(self.peers.bundles)} of {len(self.peers.named)} peers"] if self.peers.named else ["no peers yet"]
        )
        imported = sum(len(bundle.services) for bundle in self.peers.bundles.values())
        parts += [f"{len(self._exports)} exported, {imported} imported"] if self.peers.named else []
        touched = sum(change.action != UNCHANGED for change in (*self.changes, *self.files.changes))
        parts += [f"{touched} changed"] if touched else []
        return ", ".join(parts)


async def _templates(kube: Reader, namespace: str, selector: t.Mapping[str, str]) -> list[Object]:
    """What workloads of a namespace make their pods of, as far as a Service would choose these."""
    found = []
    for kind in ("Deployment", "StatefulSet", "DaemonSet"):
        for one in await kube.list("apps/v1", kind, namespace=namespace):
            template = (one.get("spec") or {}).get("template") or {}
            labels = (template.get("metadata") or {}).get("labels") or {}
            if all(labels.get(key) == value for key, value in selector.items()):
                found.append(template)
    return found


def _as_before(port: Port, entry: t.Mapping[str, t.Any]) -> Port:
    """A port whose pods' port is the one that an earlier run wrote: no pod says what its name means."""
    for one in (entry.get("spec") or {}).get("ports") or []:
        if one.get("number") == port.number and one.get("targetPort"):
            return dataclasses.replace(port, target=int(one["targetPort"]))
    return port


def _numbered(port: Port, pods: t.Sequence[t.Mapping[str, t.Any]]) -> Port:
    """A port whose pods' port is a number: a ServiceEntry takes no name."""
    if isinstance(port.target, int):
        return port
    for pod in pods:
        for container in (pod.get("spec") or {}).get("containers") or []:
            for one in container.get("ports") or []:
                if one.get("name") == port.target:
                    return dataclasses.replace(port, target=int(one["containerPort"]))
    return port
