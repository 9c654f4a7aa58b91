# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A front door of ours in files: what is known of it without the clusters, and what is not.

Objects are those of services that apps of the inventory bring, behind ingress gateways that files bring. Envoy's files
need the addresses of all gateways.
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import SECRET, Recording
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import Route
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_envoy import (
    Certificate,
    EnvoyDoor,
    callers,
    render,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_upstreams import Gateway
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_version import with_version
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.front_door_seen import Live, Seen, outside
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.local_front_door import LocalFrontDoor

__all__ = ["RecordedFrontDoor"]

_ONCE_THERE = "run mesh.fleet.front_door once the gateways have addresses and the services are there"


class RecordedFrontDoor(LocalFrontDoor):
    """One front door of which files are written, while a recording is on."""

    async def recorded(self, record: Recording, *, here: bool = False) -> list[Change]:
        """Record the objects, and Envoy's files. What cannot be in a file is named, with what to do instead.

        Args:
            record: where.
            here: whether Envoy will be a container of this machine, which has no files to copy.
        """
        async with contextlib.AsyncExitStack() as stack:
            seen = await self._read(stack)
            gateways, unknown = self._recorded_gateways(seen, record)
            changes, failed = await self._apply(self._objects(seen, gateways))
            self.failures |= failed
        obj, instead = f"Envoy of front door {self.door.name}", _ONCE_THERE
        why = "it is a container of this machine, which leads to addresses that only the clusters know"
        if not here:
            why = f"only the clusters know {', '.join(unknown)}" if unknown else self._recorded_files(record, gateways)
            instead = f"set service.externalIPs in gateways_ingress_values and render again, or {_ONCE_THERE}"
        for name in self.clusters if why else ():
            record.leave_out(name, obj, why, instead)
        return changes

    def _recorded_files(self, record: Recording, gateways: t.Mapping[str, tuple[Gateway, ...]]) -> str:
        """Record the files of Envoy on machines of the user's. Returns why that cannot be, or ""."""
        # Nobody reads a certificate here, so its folder has the name of its Secret, and stays the same.
        certificates = tuple(Certificate(name, self.folder.keys_inside(name)) for name in self.door.certificates)
        ways = self.distances.in_order(gateways)
        drawing = render(self.door, EnvoyDoor(ways, certificates, callers(self.door, {}), self.folder.inside))
        # No cluster has a name with an underscore.
        secret = record.write(f"front_door_{self.fleet.name}", with_version(self.door.name, drawing))
        if secret:
            return f"{SECRET} in {secret}"
        for certificate in self.door.certificates:
            instead = f"write tls.crt and tls.key of it to {self.folder.keys_inside(certificate)} on each machine"
            for name in self.clusters:
                record.leave_out(name, f"certificate {certificate} of front door {self.door.name}", SECRET, instead)
        return ""

    def _recorded_gateways(
        self, seen: t.Mapping[str, Seen], record: Recording
    ) -> tuple[dict[str, tuple[Gateway, ...]], list[str]]:
        """By service, how it is reached in each cluster, as far as files say; what else Envoy needs.

        A gateway whose address no file says has none. Objects that are in no file are named in the recording.
        """
        found: dict[str, tuple[Gateway, ...]] = {}
        unknown: list[str] = []
        for service, route in self.door.services().items():
            brought = [name for name in self.clusters if service in seen[name].services]
            some = []
            # One that apps bring somewhere is not missing elsewhere, unless its route says so.
            wanted = route.clusters or brought or self.clusters
            for name in (name for name in self.clusters if name in wanted):
                live, why = seen[name].services.get(service), self._not_in_files(name, route, seen)
                if why or live is None:
                    obj = f"objects of front door {self.door.name} for {service}"
                    record.leave_out(name, obj, why, _ONCE_THERE)
                    unknown.append(f"the way to {service} in {name}")
                elif outside(live) or (seen[name].gateway and not _has_own_address(live)):
                    some += [gateway for gateway in [self._gateway(name, route, seen)] if gateway]
                elif _has_own_address(live):
                    unknown.append(f"the address of Service {service} in {name}")
                else:
                    some.append(Gateway(name, ()))
                    unknown.append(f"the address of {name}'s ingress gateway")
            found[service] = tuple(some)
        return found, list(dict.fromkeys(unknown))

    def _not_in_files(self, name: str, route: Route, seen: t.Mapping[str, Seen]) -> str:
        """Why no file says what a cluster's gateway needs for a service; "" where files say it, or it needs nothing."""
        live = seen[name].services.get(route.service)
        primary = self.fleet.clusters[name].primary
        if live is None:
            return "no app of the inventory brings the service there, whose selector and ports they have"
        if _has_own_address(live):
            return ""
        if not seen[name].has_gateway:
            return "no file brings an ingress gateway there"
        if primary not in self.clusters:
            return f"its gateway is configured by {primary}, which is of another provider"
        if name != primary and route.namespace not in seen[primary].spaces:
            return f"its gateway is configured by {primary}, to which no file brings namespace {route.namespace}"
        return ""


def _has_own_address(service: Live) -> bool:
    """Whether a Service of which only a file is known will be reached at an address of its own."""
    return bool(outside(service)) or (service.get("spec") or {}).get("type") == "LoadBalancer"
