# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The checks that run before anything is changed."""

from __future__ import annotations

import asyncio
import os
import typing as t

from ansible import constants

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.masking import scrub
from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import recording
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.capacity import capacity
from ansible_collections.mesh.fleet.plugins.module_utils._model.awx.slices import sliced_job
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import (
    clusters_with_istiod,
    control_plane_of,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.settings import VARIABLE
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.routes import CERTIFICATES
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.problems import (
    Problem,
    as_line,
    headline,
    table,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.graph import summary
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import is_access, provider_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.other_signers import NO_ROOT
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation import ingress, traffic
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.capacity import Needs, check_capacity
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.checks import check
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.renamed import RENAMED
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.shared import together
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.standing import Standing, check_standing
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import failed_result, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fleet_action import FleetAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.hostvars import plain, read_variables
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.paths import folder_of_inventory
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.provider_edge import check as check_edges
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.provider_edge import edge_of
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.role_specs import role_variables
from ansible_collections.mesh.fleet.plugins.plugin_utils.federation.peers import Peers, read_files
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.admission import (
    POD_OPTIONS,
    check_admission,
    said_of_pods,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.cni_agent import plan_agent
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.standing import read_standing
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.addresses import unreachable_addresses
from ansible_collections.mesh.fleet.plugins.plugin_utils.state.place import insist_on_known_cluster, reading
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.folder import ROOT_KEY, read_text
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.vault import VaultBox

_GIB = 2**30
_STANDING_SECONDS = 5.0
"""How long a cluster that a run would make, or start, is asked at most whether it stands."""
_OF_TASKS = (
    "ansible_check_mode",
    "ansible_play_batch",
    "ansible_play_hosts",
    "ansible_play_hosts_all",
    "ansible_version",
    "hostvars",
    "playbook_dir",
    "role_path",
)
"""Variables that a task has and its host has not, and that templates use."""

_PARTIAL = Problem(
    "",
    "INVENTORY_ANY_UNPARSED_IS_FAILED",
    "false",
    "lets Ansible go on without the clusters of a source that fails, as if they had left the fleet",
    "any_unparsed_is_failed = True in section [inventory] of ansible.cfg, or "
    "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED=true in the environment (AWX: extra environment variables of its jobs)",
)
"""A problem of Ansible's configuration, not of the inventory."""


class ActionModule(FleetAction):
    """See ``plugins/modules/preflight.py`` for the documentation."""

    PATHS: t.ClassVar[tuple[str, ...]] = ("directory", "vault_password_file")
    ARGUMENT_SPEC = {
        "part": {"type": "str", "choices": ["data", "machine", "keys", "cluster"], "default": "data"},
        "group": {"type": "str", "default": "mesh_clusters"},
        "memory_per_cluster": {"type": "float", "default": 1.2},
        "disk": {"type": "dict", "default": {}},
        "disk_per_cluster": {"type": "dict", "default": {}},
        "open_files": {"type": "int", "default": 0},
        "inotify_per_cluster": {"type": "int", "default": 0},
        "root": {"type": "str", "default": "generated"},
        "directory": {"type": "str", "default": ""},
        "vault_password_file": {"type": "str", "default": ""},
        "vault_password_create": {"type": "bool", "default": False, "no_log": False},
        "istiod_values": {"type": "list", "elements": "dict", "default": []},
        **POD_OPTIONS,
        "timeout": {"type": "float", "default": 10.0},
    }

    def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> t.Any:
        if args["part"] == "cluster":
            return self._cluster(args, task_vars)
        if args["part"] == "keys":
            return self._keys(args, task_vars)
        return self._data(args, task_vars) if args["part"] == "data" else self._machine(args, task_vars)

    def _data(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        known = role_variables()
        # Values of roles are templated by their task, which knows more than the variables of its host.
        context = {name: task_vars[name] for name in _OF_TASKS if name in task_vars}
        context |= {name: one["default"] for name, one in known.options.items() if "default" in one}
        # The stage takes the certificates of the first host of the play, which is this task's too: once is enough.
        first = str(task_vars.get("inventory_hostname"))
        reads = _comes_to("ingress", task_vars) or "preflight" in (task_vars.get("ansible_run_tags") or ())
        hosts, unreadable = read_variables(
            task_vars["hostvars"],
            task_vars["groups"].get(args["group"], []),
            self._templar,
            (*known.prefixes, *RENAMED),
            unread=known.unread,
            context=context,
            needed={(first, CERTIFICATES)} if reads else (),
        )
        problems = check(hosts, plain(task_vars["groups"]), environment(hostvars=task_vars["hostvars"]), known)
        if not constants.config.get_config_value("INVENTORY_ANY_UNPARSED_IS_FAILED"):
            problems.insert(0, _PARTIAL)
        if unreadable:
            # A variable that cannot be read is set: the problem that it is missing would be wrong.
            bad = {(one.host, one.variable) for one in unreadable}
            problems = [p for p in problems if (p.host, p.variable) not in bad]
            # What renders connects to no cluster, so it may lack the credentials.
            told = [u for u in unreadable if recording() is None or not is_access(u.variable)]
            problems += [Problem(u.host, u.variable, "", "cannot be read", scrub(u.message)) for u in told]
            place = {host: i for i, host in enumerate(hosts)}
            problems.sort(key=lambda problem: place.get(problem.host, -1))
        if problems:
            shared = together(problems, len(hosts)) if len(hosts) > 1 else problems
            return _failed(sorted(shared, key=lambda problem: bool(problem.host)))
        try:
            fleet = read_fleet(hosts, environment(hostvars=task_vars["hostvars"]))
        except ValueError as error:
            return _failed([Problem("", "", "", str(error), "change one of them")])
        if recording() is not None:
            return result(summary=summary(fleet))
        problems = [
            Problem(host, "cluster_peer_endpoint", "", f"is missing: {e.what}: {e.seen}: {e.means}", e.next_step)
            for host, e in unreachable_addresses(fleet).items()
        ]
        problems += check_edges(fleet)
        peers = Peers()
        try:
            peers = read_files(fleet, folder_of_inventory(task_vars, whole_fleet=True))
        except FleetError as e:
            message = ": ".join(part for part in (e.what, e.seen, e.means) if part)
            problems.append(Problem("", VARIABLE, e.obj, message, e.next_step))
        if problems:
            return _failed(problems)
        warnings = [as_line(one) for one in (*traffic.warnings(fleet), *ingress.warnings(hosts, fleet))]
        return result(summary=summary(fleet), warnings=[*warnings, *peers.warnings])

    def _machine(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Whether this machine can hold the local clusters of the play. One with a kubeconfig is running already."""
        fleet = self.fleet(task_vars, args["group"])
        play = {str(host) for host in task_vars["ansible_play_hosts"]}
        local = [c for c in fleet.clusters.values() if provider_of(c).local]
        existing = [c for c in local if os.path.exists(c.connection.kubeconfig)]
        planned = [c for c in local if c.name in play and c not in existing]
        if not planned:
            return result()
        disks: dict[str, int] = {}
        for folder, gib in args["disk"].items():
            disks[folder] = int(float(gib) * _GIB)
        for folder, gib in args["disk_per_cluster"].items():
            disks[folder] = disks.get(folder, 0) + int(float(gib) * _GIB * len(planned))
        needs = Needs(
            memory=int(args["memory_per_cluster"] * _GIB),
            disks=disks,
            nofile=args["open_files"],
            inotify=args["inotify_per_cluster"],
        )
        problems = check_capacity(capacity(disks), needs, len(planned), len(existing))
        return _failed(problems) if problems else result()

    async def _keys(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Whether private keys can be encrypted, before a run creates clusters that cost money. Nothing is written."""
        fleet = self.fleet(task_vars, args["group"])
        play = {str(host) for host in task_vars["ansible_play_hosts"]}
        ours = [c.name for c in clusters_with_istiod(fleet) if c.name in play]
        if not ours or args["root"] in ("provided", NO_ROOT):
            return result()
        box = VaultBox.of_trust(fleet, args["vault_password_file"], args["vault_password_create"], check_mode=True)
        if fleet.state_cluster and _comes_to("trust", task_vars):
            insist_on_known_cluster(fleet)
        if fleet.state_cluster:
            box.insist_on_shared()
        folder = os.path.expanduser(args["directory"]) or os.path.join(fleet.directory, "trust")
        try:
            async with reading(fleet, folder) as place:
                self._try_password(args["root"], ours, box, place)
        except ApiError:
            box.encrypt("")  # a cluster that does not answer, or is not made yet, is the trust stage's matter
        return result()

    @staticmethod
    def _try_password(root: str, ours: t.Sequence[str], box: VaultBox, folder: str) -> None:
        if root == "external":
            # A cluster's key is written with its first signing request; a run that writes none needs no password.
            if all(os.path.exists(os.path.join(folder, "external", f"{name}.key.vault")) for name in ours):
                return
            box.encrypt("")
            return
        box.encrypt("")
        key = os.path.join(folder, ROOT_KEY)
        if os.path.exists(key):
            # A wrong password would be found by the trust stage, after the clusters were made.
            box.decrypt(read_text(key, "the root's key"), key)

    async def _cluster(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Connect to one existing cluster, and return its version and identity.

        One that a run makes may not exist yet: then only the login is checked, if there is one.
        """
        host = str(task_vars["inventory_hostname"])
        # Only its own variables: if every host read those of all, the cost would be the square of the fleet.
        hosts, unreadable = read_variables(task_vars["hostvars"], [host], self._templar)
        if unreadable:
            raise FleetError(f"{unreadable[0].variable} cannot be read", cluster=host, seen=unreadable[0].message)
        first = next(iter(task_vars["groups"].get(args["group"]) or ()), host)
        fleet = read_fleet(hosts, environment(hostvars=task_vars["hostvars"], first=str(first)))
        cluster = fleet.clusters[host]
        provider = provider_of(cluster)
        if not provider.exists(cluster.variables):
            edge = edge_of(provider)
            if edge:
                await asyncio.to_thread(edge.login, cluster)
                fleet = edge.with_connections(fleet)
            seconds = min(args["timeout"], _STANDING_SECONDS)
            return result(warnings=await _of_an_earlier_run(fleet, fleet.clusters[host], seconds), version="", uid="")
        async with Kube.connect(cluster.connection, cluster=host, timeout=args["timeout"]) as kube:
            version = await kube.get_path("/version") or {}
            # /version may be read anonymously; this needs credentials.
            system = await kube.get("v1", "Namespace", "kube-system") or {}
            warnings = check_standing(fleet, cluster, await read_standing(kube))
            if why := kube.transport.endpoint.unverified:
                warnings.insert(
                    0,
                    f"{host}: {why}: whoever is on the way to its API server can read and change all that a run sends, "
                    "credentials and signing keys too; give its https address and its CA (certificate-authority-data)",
                )
            if not control_plane_of(fleet, cluster).skip_reason:
                agent = await plan_agent(kube, fleet, cluster, args["cni_namespace"])
                pods = said_of_pods(args, fleet, cluster, *args["istiod_values"])
                warnings += await check_admission(kube, fleet, cluster, agent, pods, secrets=True)
        return result(
            warnings=warnings,
            version=str(version.get("gitVersion", "")),
            uid=str((system.get("metadata") or {}).get("uid", "")),
        )


async def _of_an_earlier_run(fleet: Fleet, cluster: Cluster, seconds: float) -> list[str]:
    """What a run should know of a cluster that an earlier run made, if it stands and answers; else nothing.

    Raises FleetError when the inventory asks for what cannot be done there.
    """
    try:
        async with Kube.connect(cluster.connection, cluster=cluster.name, timeout=seconds, absent_ok=True) as kube:
            found = Standing() if kube.absent else await read_standing(kube)
    except FleetError:
        return []  # the stage that makes it, or starts it, says what is wrong
    return check_standing(fleet, cluster, found)


def _failed(problems: list[Problem]) -> dict[str, t.Any]:
    errors: dict[str, list[FleetError]] = {}
    for p in problems:
        errors.setdefault(p.host, []).append(p.as_error())
    return failed_result(errors, msg=table(problems), stage_line=headline(problems))


def _comes_to(stage: str, task_vars: t.Mapping[str, t.Any]) -> bool:
    """Whether the run comes to a stage that needs the whole fleet. A slice does not, and may lack what it needs."""
    tags = set(task_vars.get("ansible_run_tags") or ["all"])
    skipped = stage in (task_vars.get("ansible_skip_tags") or ())
    return bool(tags & {"all", "tagged", stage}) and not skipped and not sliced_job(task_vars)
