# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The control plane that Google would run: a real istiod of open-source Istio, from the artifacts of this machine.

Revision ``asm-managed`` and the tag ``default``; identities ``<fleet project>.svc.id.goog``; mesh ``proj-<number>``;
cluster ``cn-<project>-<location>-<name>``; every object labelled as Google's. What is not as at Google: its pods are
in the cluster, so there is a Deployment ``istiod-asm-managed`` in istio-system.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import subprocess
import typing as t
from pathlib import Path

import yaml

from .authority import MeshCA
from .view import Member

__all__ = ["NAMESPACE", "OWNER", "REVISION_NAME", "Failed", "Tools", "cluster_id", "conditions", "objects", "revision"]

Json = dict[str, t.Any]
NAMESPACE = "istio-system"
REVISION_NAME = "asm-managed"
OWNER = {"istio.io/owned-by": "mesh.googleapis.com"}
_INJECTOR = "istio-sidecar-injector-asm-managed"
_STOCK_ENVOY = {
    "env": {
        "PILOT_ENABLE_METADATA_EXCHANGE": "false",
        "PILOT_ENABLE_ALPN_FILTER": "false",
        "PEER_METADATA_DISCOVERY": "false",
    },
    "telemetry": {"enabled": False},
}
"""For the Envoy of a machine that builds from package registries, as in inventories/local."""


class Failed(Exception):
    """A program of this machine did not do it."""


@dataclasses.dataclass(frozen=True)
class Tools:
    """Programs, charts and images that the artifacts role made."""

    folder: Path

    @classmethod
    def find(cls) -> Tools:
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        return cls(Path(cache) / "mesh.fleet" / "artifacts")

    def facts(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.folder / "artifacts.json").read_text(encoding="utf-8"))
        return found

    def run(self, program: str, *arguments: str, stdin: str) -> str:
        """What ``bin/<program>`` says."""
        try:
            done = subprocess.run(
                [str(self.folder / "bin" / program), *arguments],
                input=stdin,
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
        except subprocess.TimeoutExpired as error:
            raise Failed(f"{program} {arguments[0]}: no end after {error.timeout:g} s") from None
        if done.returncode:
            raise Failed(f"{program} {arguments[0]}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def template(self, release: str, chart: str, values: Json) -> list[Json]:
        path = str(self.folder / "charts" / chart)
        text = self.run("helm", "template", release, path, "-n", NAMESPACE, "-f", "-", stdin=yaml.safe_dump(values))
        return [obj for obj in yaml.safe_load_all(text) if obj]

    def chart(self, *names: str) -> str:
        """The first of these charts that is there: folders of a checkout, or of the makers' repository."""
        return next((name for name in names if (self.folder / "charts" / name).exists()), names[0])


def cluster_id(member: Member) -> str:
    """How Google's proxies and control planes call a cluster."""
    return f"cn-{member.project}-{member.location}-{member.cluster}"


def objects(tools: Tools, member: Member, project: str, authority: MeshCA) -> list[Json]:
    """All that makes a control plane in the cluster of ``member``, what others need first."""
    found = [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": NAMESPACE,
                "labels": {"topology.istio.io/network": f"{member.host}-{member.network}"},
            },
        },
        _secret("cacerts", authority.issuer(member.cluster)),
        _config("env-asm-managed", {"TRUST_DOMAIN": f"{project}.svc.id.goog", "CLUSTER_ID": cluster_id(member)}),
        *tools.template("istio-base", tools.chart("base"), {"defaultRevision": ""}),
        *tools.template(
            "istiod-asm-managed",
            tools.chart("istio-control/istio-discovery", "istio-discovery", "istiod"),
            _values(tools.facts(), member, project),
        ),
    ]
    for obj in found:
        meta = obj["metadata"]
        if (obj["kind"], meta["name"]) == ("MutatingWebhookConfiguration", _INJECTOR):
            meta["name"] = "istiod-asm-managed"  # Google's name for it
        meta["labels"] = {**(meta.get("labels") or {}), **OWNER}
    return found


def _values(facts: t.Mapping[str, str], member: Member, project: str) -> Json:
    small = {"requests": {"cpu": "20m", "memory": "128Mi"}}
    stock = _STOCK_ENVOY if facts.get("source") == "registries" else {}
    return {
        **stock,
        "revision": REVISION_NAME,
        "revisionTags": ["default"],
        "autoscaleEnabled": False,
        "replicaCount": 1,
        "resources": small,
        "global": {
            "hub": facts["hub"],
            "tag": facts["tag"],
            "imagePullPolicy": "IfNotPresent",
            "meshID": f"proj-{member.number}",
            "network": f"{member.host}-{member.network}",
            "multiCluster": {"clusterName": cluster_id(member)},
            "proxy": {"resources": {"requests": {"cpu": "10m", "memory": "40Mi"}}},
        },
        "meshConfig": {"trustDomain": f"{project}.svc.id.goog"},
    }


def _secret(name: str, data: t.Mapping[str, str]) -> Json:
    meta = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "Opaque", "stringData": dict(data)}


def _config(name: str, data: t.Mapping[str, str]) -> Json:
    meta = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": dict(data)}


def revision(channel: str) -> Json:
    """The ControlPlaneRevision that Google keeps beside it."""
    labels = {**OWNER, "app.kubernetes.io/created-by": "mesh.googleapis.com"}
    return {
        "metadata": {"name": REVISION_NAME, "namespace": NAMESPACE, "labels": labels},
        "spec": {"type": "managed_service", "channel": channel},
    }


def conditions(ready: bool) -> list[Json]:
    """The status of a ControlPlaneRevision."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    word = "has completed successfully" if ready else "has not completed"
    said = (
        ("Reconciled", ready, "Provisioned" if ready else "Provisioning", f"The provisioning process {word}"),
        ("ProvisioningFinished", ready, "ProvisioningFinished" if ready else "Provisioning", f"Provisioning {word}"),
        ("Stalled", False, "NotStalled", "Provisioning has not stalled"),
    )
    return [
        {"type": kind, "status": str(good), "reason": reason, "message": message, "lastTransitionTime": now}
        for kind, good, reason, message in said
    ]
