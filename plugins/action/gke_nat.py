# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cloud NAT for private nodes. See plugins/modules/gke_nat.py for the documentation."""

from __future__ import annotations

import functools
import typing as t

import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.apis import read_with_apis
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.nat import (
    NatPlan,
    RouterStep,
    nat_name,
    needing_nat,
    plan_nat,
    ways_out,
)
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.reserved_address import note_addresses
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.shared_vpc import missing_permissions
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.shared_vpc_requirements import (
    may_not,
    permissions_for,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.clusters import (
    ClusterSpec,
    Place,
    marker,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import CHANGED, CREATED, REMOVED, Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.client import list_by_region
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.clusters import (
    GOOGLE_OPTIONS,
    GoogleClusterAction,
    Part,
)


class ActionModule(GoogleClusterAction):
    """Runs once for the fleet: one router with NAT a network and region."""

    ARGUMENT_SPEC = {
        **GOOGLE_OPTIONS,
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "enable_apis": {"type": "bool", "default": False},
        "timeout": {"type": "int", "default": 300},
    }

    def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        absent = args["state"] == "absent"
        fleet, parts = self.parts(args, task_vars, whole=not absent, networks=True)
        # Clusters that allow a NAT need its address, also when the NAT's own clusters are not in the play.
        fixed = {place for part in parts for w in part.play for place in w.nats}
        changes: list[Change] = []
        failed: dict[str, FleetError] = {}
        egress: dict[str, list[str]] = {}
        for part in parts:
            mine = {place for place in fixed if place[0] == part.project}
            if absent:
                changes += self._absent(part, marker(fleet), args["timeout"])
            elif mine or any(w.private_nodes for w in part.play):
                other_egress = ways_out(fleet)
                read = functools.partial(self._plan, part, mine, marker(fleet), other_egress)
                plan, apis = read_with_apis(
                    part.google,
                    read,
                    read(request=False),
                    allowed=args["enable_apis"],
                    timeout=args["timeout"],
                    dry_run=self.check_mode,
                )
                changes += apis
                refused, prepared = self._refused(fleet, needing_nat(part.play, other_egress), part.google, plan, args)
                failed.update(refused)
                changes += prepared
                changes += self._present(part, plan, marker(fleet), args["timeout"])
                egress.update({"/".join(place): addresses for place, addresses in plan.egress.items()})
                for w in part.everybody:
                    if w.place in plan.unknown and w.host not in other_egress:
                        failed[w.host] = plan.unknown[w.place]
        count = len(changes)
        summary = f"NAT: {count} part{'' if count == 1 else 's'} changed" if changes else "NAT: as wanted"
        return self.to_result(changes, failed, parts, summary, egress=egress)

    @staticmethod
    def _plan(
        part: Part, fixed: set[Place], mark: str, other_egress: t.Collection[str] = (), *, request: bool = True
    ) -> NatPlan:
        """One request, and one more if addresses must be known; without ``request`` as in an empty project."""
        needing = needing_nat(part.play, other_egress)
        places = {w.place: w for w in reversed(needing)}
        routers = list_by_region(part.google, "routers") if request else {}
        addresses = list_by_region(part.google, "addresses") if request and fixed else {}
        if addresses:
            note_addresses(part.google, addresses)
        return plan_nat(
            places,
            fixed,
            routers,
            addresses,
            mark,
            needing,
            other_egress,
            part.everybody,
        )

    def _refused(
        self, fleet: Fleet, needing: list[ClusterSpec], google: Google, plan: NatPlan, args: dict[str, t.Any]
    ) -> tuple[dict[str, FleetError], list[Change]]:
        """In a host project, which hosts cannot have the NAT that they lack; removes it from the plan."""
        lack = {w.host: parts for w in needing if w.shared and (parts := plan.missing_parts(w.network, w.region))}
        mine = {w.host: w for w in needing if w.host in lack}
        missing = missing_permissions(google, permissions_for(plan.kinds)) if mine else []
        failed = {host: may_not(w, lack[host], missing) for host, w in mine.items()} if missing else {}
        for error in failed.values():
            error.next_step += "; or set cluster_egress if its nodes reach the internet without NAT"
        able = [w for host, w in mine.items() if host not in failed and not w.adopt]
        refused, changes = self.shared_vpc(fleet, google, args).prepare(able)
        failed |= refused
        plan.drop({mine[host].place for host in failed} - {w.place for w in needing if w.host not in failed})
        return failed, changes

    def _present(self, part: Part, plan: NatPlan, mark: str, timeout: float) -> list[Change]:
        changes = [Change("", "Address", name, CREATED, region) for region, name in plan.addresses]
        changes += [_change(step) for step in plan.routers]
        if self.check_mode:
            return changes
        google, project = part.google, part.project
        going = []
        for region, name in plan.addresses:
            body = {"name": name, "description": mark, "addressType": "EXTERNAL"}
            where: dict[str, t.Any] = {"project": project, "region": region, "obj": f"Address {name}"}
            going.append(google.call("compute", "addresses.insert", body=body, **where))
        for operation in going:
            google.wait("compute", operation, timeout, obj="Address")
        if plan.addresses:
            self._read_addresses(google, plan)
        started = []
        for step in plan.routers:
            where = {
                "project": project,
                "region": step.region,
                "cluster": step.host,
                "obj": f"Router {step.body['name']}",
            }
            if step.patch:
                where["router"] = step.body["name"]
            verb = "patch" if step.patch else "insert"
            started.append((step.host, google.call("compute", f"routers.{verb}", body=step.body, **where)))
        for host, operation in started:
            google.wait("compute", operation, timeout, cluster=host, obj="Router")
        return changes

    @staticmethod
    def _read_addresses(google: Google, plan: NatPlan) -> None:
        """Put the addresses that Google reserved into the plan."""
        there = list_by_region(google, "addresses")
        reserved = {(region, name): there[region, name]["address"] for region, name in plan.addresses}
        for place in plan.egress:
            for (region, name), address in reserved.items():
                if region == place[2] and name == nat_name(place[1], region):
                    fixed = [known for known in plan.egress[place] if "/" in known]
                    plan.egress[place] = [*fixed, f"{address}/32"]

    def _absent(self, part: Part, mark: str, timeout: float) -> list[Change]:
        """Remove ours in regions where no cluster of the fleet remains, also none that the inventory does not name."""
        play = {w.host for w in part.play}
        google, project = part.google, part.project
        staying = {(w.region, w.network) for w in part.everybody if w.host not in play}
        going_too = {(w.region, w.subnetwork) for w in part.play}
        staying |= {
            (region, str(subnet.get("network", "")).rsplit("/", 1)[-1])
            for (region, name), subnet in list_by_region(google, "subnetworks").items()
            if subnet.get("description") == mark and (region, name) not in going_too
        }
        leaving = {(w.region, w.network) for w in part.play} - staying
        changes, going = [], []
        for (region, name), router in list_by_region(google, "routers").items():
            network = str(router.get("network", "")).rsplit("/", 1)[-1]
            if router.get("description") != mark or (region, network) not in leaving:
                continue
            changes.append(Change("", "Router", name, REMOVED, region))
            if not self.check_mode:
                where: dict[str, t.Any] = {"project": project, "region": region, "obj": f"Router {name}"}
                going.append(google.call("compute", "routers.delete", router=name, **where))
        for operation in going:
            google.wait("compute", operation, timeout, obj="Router")
        return changes + self._release(part, {(r, nat_name(network, r)) for r, network in leaving}, mark, timeout)

    def _release(self, part: Part, names: t.Collection[tuple[str, str]], mark: str, timeout: float) -> list[Change]:
        """Release the addresses that we reserved."""
        changes, going = [], []
        for (region, name), address in list_by_region(part.google, "addresses").items():
            if (region, name) not in names or address.get("description") != mark:
                continue
            changes.append(Change("", "Address", name, REMOVED, region))
            if not self.check_mode:
                where: dict[str, t.Any] = {"project": part.project, "region": region, "obj": f"Address {name}"}
                going.append(part.google.call("compute", "addresses.delete", address=name, **where))
        for operation in going:
            part.google.wait("compute", operation, timeout, obj="Address")
        return changes


def _change(step: RouterStep) -> Change:
    action = CHANGED if step.patch else CREATED
    return Change(step.host, "Router", step.body["name"], action, step.region, after=yaml.safe_dump(step.body["nats"]))
