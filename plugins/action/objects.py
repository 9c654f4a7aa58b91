# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Apply any objects to the cluster of the host, or remove them."""

from __future__ import annotations

import typing as t

import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.conditions import ready_condition
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime, Waiter
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import FLEET_LABEL
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import text
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.fast_yaml import LOADER
from ansible_collections.mesh.fleet.plugins.module_utils.results import UNCHANGED, Change, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import settle
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fleet_action import FleetAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.hostvars import plain


class ActionModule(FleetAction):
    """See ``plugins/modules/objects.py`` for the documentation."""

    CHANGES_CLUSTERS = True
    ARGUMENT_SPEC = {
        "objects": {"type": "raw", "default": []},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "labels": {"type": "dict", "default": {}},
        "prune": {"type": "dict", "default": {}},
        "prune_kinds": {"type": "list", "elements": "str", "default": []},
        "take_over": {"type": "list", "elements": "str", "default": []},
        "wait": {"type": "bool", "default": False},
        "wait_timeout": {"type": "int", "default": 120},
        "kubeconfig": {"type": "path", "default": ""},
        "context": {"type": "str", "default": ""},
    }

    async def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        host = str(task_vars["inventory_hostname"])
        objects = manifests(args["objects"], host)
        kinds = [kind_of(text, host) for text in args["prune_kinds"]]
        if bool(args["prune"]) != bool(kinds):
            raise FleetError("prune and prune_kinds need each other", cluster=host, next_step="set both, or none")
        show: dict[str, t.Any] = {"dry_run": self.check_mode, "diff": self.diff_mode}
        gone_in = args["wait_timeout"] if args["wait"] else 0
        connection, take_over = self._destination(args, task_vars, host)
        owner = {FLEET_LABEL: self._fleet_name(task_vars)}
        async with Kube.connect(connection, cluster=host, absent_ok=self.check_mode, take_over=take_over) as kube:
            changes: list[Change] = []
            if args["state"] == "absent":
                changes += await kube.remove(objects, wait=gone_in, **show)
                keep: list[dict[str, t.Any]] = []
            else:
                labels = {**{k: str(v) for k, v in args["labels"].items()}, **owner}
                changes += await kube.apply(objects, labels=labels, take_over=args["take_over"], **show)
                keep = objects
            if kinds:
                selector = {**{str(k): str(v) for k, v in args["prune"].items()}, **owner}
                changes += await kube.prune(keep, labels=selector, kinds=kinds, wait=gone_in, **show)
            if args["wait"] and args["state"] == "present" and not self.check_mode:
                await ready(kube, objects, args["wait_timeout"])
        return result(changes, summary=summary(host, changes), with_diff=self.diff_mode)

    def _fleet_name(self, task_vars: dict[str, t.Any]) -> str:
        given = plain(self._templar.template(task_vars.get("fleet_name")))
        return text({"fleet_name": given}, "fleet_name")

    def _destination(self, args: dict[str, t.Any], task_vars: dict[str, t.Any], host: str) -> tuple[Connection, bool]:
        """Where to, and whether the user consents to take over what others made there."""
        if args["kubeconfig"]:
            there = {"kubeconfig": args["kubeconfig"], "context": args["context"]}
            return Connection(**there, decrypt=environment().decrypt), False
        cluster = self.fleet(task_vars).clusters.get(host)
        if cluster is None:
            raise FleetError(
                "it is not a cluster of the fleet",
                cluster=host,
                next_step="run the task on hosts of the group mesh_clusters, or set kubeconfig",
            )
        return cluster.connection, cluster.take_over


def manifests(given: t.Any, host: str) -> list[dict[str, t.Any]]:
    """The manifests of ``given``: a dictionary, a YAML text, or a list of both. A ``List`` gives its items."""
    if isinstance(given, dict):
        given = [given]
    found: list[dict[str, t.Any]] = []
    for entry in [given] if isinstance(given, str) else given or []:
        documents: list[t.Any] = [entry]
        if isinstance(entry, str):
            try:
                documents = list(yaml.load_all(entry, Loader=LOADER))
            except yaml.YAMLError as error:
                mark = getattr(error, "problem_mark", None)
                raise FleetError(
                    "objects is not YAML",
                    cluster=host,
                    seen=f"line {mark.line + 1}: {getattr(error, 'problem', '')}" if mark else "",
                    next_step="correct the text",
                ) from None
        for document in documents:
            if isinstance(document, dict) and str(document.get("kind", "")).endswith("List") and "items" in document:
                found += document["items"] or []
            elif document is not None:
                found.append(document)
    return found


def kind_of(text: str, host: str) -> tuple[str, str]:
    """``v1/Secret`` or ``apps/v1/Deployment`` as ``(apiVersion, kind)``."""
    api_version, _slash, kind = text.rpartition("/")
    if not api_version or not kind:
        raise FleetError(
            "prune_kinds has something that is no kind",
            cluster=host,
            seen=text,
            next_step="write v1/Secret, apps/v1/Deployment",
        )
    return api_version, kind


async def ready(kube: Waiter, objects: t.Sequence[t.Mapping[str, t.Any]], seconds: float) -> None:
    """Wait until all objects are ready that have a ready state. Raises one FleetError that names all that are not."""

    async def one(obj: t.Mapping[str, t.Any]) -> None:
        until = ready_condition(obj)
        meta = obj["metadata"]
        if until is not None:
            await kube.wait(
                obj["apiVersion"], obj["kind"], meta["name"], meta.get("namespace") or "", until=until, timeout=seconds
            )

    errors = [outcome for outcome in await settle(map(one, objects)) if outcome is not None]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise FleetError(
            f"{len(errors)} objects are not ready"
            + (f" after {seconds:g} s" if any(isinstance(error, NotInTime) for error in errors) else ""),
            cluster=kube.cluster,
            seen="\n         ".join(
                (f"{e.obj}: " if e.obj else "") + e.seen + (f" ({e.means})" if e.means else "") for e in errors
            ),
            next_step=errors[0].next_step,
        )


def summary(host: str, changes: t.Sequence[Change]) -> str:
    """``west 12 objects: 3 created, 1 changed``."""
    counts: dict[str, int] = {}
    for change in changes:
        counts[change.action] = counts.get(change.action, 0) + 1
    parts = [f"{count} {action}" for action, count in counts.items() if action != UNCHANGED]
    return f"{host} {len(changes)} object{'' if len(changes) == 1 else 's'}: {', '.join(parts) or 'nothing changed'}"
