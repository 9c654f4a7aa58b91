# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compare rendered files with what stages applied to an API server."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.apply import FIELD_MANAGER
from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.diffs import described, identity, owned_fields
from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.manifests import as_helm_sends
from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.releases import decode

Object = dict[str, t.Any]
BESIDE = {"mesh-verify", "mesh-fleet-load-balancer"}
RELEASE = "meta.helm.sh/release-name"


def files_of(folder: Path) -> dict[str, list[Object]]:
    """By file of a cluster's folder, the objects in it."""
    return {
        path.name: list(yaml.load_all(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))
        for path in sorted(folder.glob("*.yaml"))
    }


async def compare(kube: Kube, folder: Path, left_out: t.Collection[str], existed: t.Container[str] = ()) -> None:
    """Files and cluster say the same: each object, with each field that is applied and no other.

    Args:
        folder: the cluster's.
        left_out: the objects that are named in no file, as ``Kind namespace/name``.
        existed: namespaces that were there before the fleet.
    """
    rendered = [obj for objects in files_of(folder).values() for obj in objects]
    for obj in rendered:
        if obj["kind"] == "Namespace" and obj["metadata"]["name"] in existed:
            del obj["metadata"]["annotations"]  # which say that the fleet made it
    keys = [identity(obj) for obj in rendered]
    assert len(keys) == len(set(keys)), "an object is in two files"
    by_helm = [obj for obj in rendered if RELEASE in obj["metadata"].get("annotations", {})]
    bare = [obj for obj in rendered if obj["kind"] == "CustomResourceDefinition" and obj not in by_helm]
    ours = [obj for obj in rendered if obj not in by_helm and obj not in bare]

    for obj in bare:  # of a chart's folder crds, which Helm makes once and never looks at again
        assert await kube.get(obj["apiVersion"], obj["kind"], obj["metadata"]["name"]) is not None

    for obj in ours:
        await same(kube, obj)

    # What Helm installed, by its own records.
    released: dict[tuple[str, ...], Object] = {}
    for secret in await kube.list("v1", "Secret", labels="owner=helm,status=deployed"):
        record = decode(secret)
        for manifest in yaml.load_all(record.manifest, Loader=yaml.CSafeLoader):
            if manifest:
                sent = as_helm_sends(manifest, record.name, record.namespace)
                released[identity(sent)] = sent
    mine, unseen = {identity(obj): obj for obj in by_helm}, set(left_out)
    for key, sent in released.items():
        here = sent["metadata"]["annotations"]["meta.helm.sh/release-namespace"]
        found = mine.pop(key, None) or mine.pop((*key[:2], here, key[3]), None)
        if found is None:
            unseen.remove(f"{key[1]} {here}/{key[3]}")
            continue
        found["metadata"] = {k: v for k, v in found["metadata"].items() if k in sent["metadata"]}
        assert json.loads(json.dumps(found, default=str)) == json.loads(json.dumps(sent, default=str)), key
    assert mine == {}, "no release has it"

    # Nothing that is applied is in no file, unless it is named. Probes and a local load balancer are no manifests.
    applied = {
        described(obj)
        for obj in await every(kube)
        if owned_fields(obj, FIELD_MANAGER) and not BESIDE & {obj["metadata"]["name"], obj["metadata"].get("namespace")}
    }
    assert applied - {described(obj) for obj in ours} == unseen


async def same(kube: Kube, obj: Object) -> None:
    """Applying a rendered object would change neither a value nor who owns a field."""
    meta = obj["metadata"]
    where = (obj["apiVersion"], obj["kind"], meta["name"], meta.get("namespace", ""))
    live = await kube.get(*where)
    assert live is not None, described(obj)
    resource = await kube.resource(obj["apiVersion"], obj["kind"])
    again = await kube.transport.request(
        "PATCH",
        resource.path(meta.get("namespace", ""), meta["name"]),
        params={"fieldManager": FIELD_MANAGER, "dryRun": "All", "force": "true", "fieldValidation": "Strict"},
        body=obj,
        content_type="application/apply-patch+yaml",
    )
    owned = owned_fields(live, FIELD_MANAGER)
    # A stage that finds its object as it should be, as kubectl made it, does not apply it.
    assert owned == owned_fields(again, FIELD_MANAGER) or (owned is None and "labels" in live["metadata"]), obj
    for volatile in ("managedFields", "resourceVersion", "generation"):
        again["metadata"].pop(volatile, None)
        live["metadata"].pop(volatile, None)
    assert again == live, described(obj)


async def every(kube: Kube) -> list[Object]:
    """All objects of the cluster."""
    found: list[Object] = []
    resources, _silent = await kube.kinds.every(kube.transport)
    for resource in resources:
        if resource.kind not in ("Event", "Lease"):
            found += await kube.list(resource.api_version, resource.kind)
    return found + await kube.list("v1", "Namespace")
