# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which address a kind has: from a table of common ones, else asked of the API server as it is needed."""

from __future__ import annotations

import asyncio
import dataclasses
import difflib
import typing as t
from urllib.parse import quote

from .errors import ApiError, not_an_answer
from .transport import Transport

__all__ = ["KNOWN", "Kinds", "Resource", "from_crd", "nearest"]


@dataclasses.dataclass(frozen=True)
class Resource:
    """A kind as the API server addresses it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def path(self, namespace: str = "", name: str = "", sub: str = "") -> str:
        """Its URL path; without a name the collection's, without a namespace all namespaces'."""
        parts = [_prefix(self.api_version)]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=""))
        if sub:
            parts.append(sub)
        return "/".join(parts)


def _prefix(api_version: str) -> str:
    """``/api/v1`` or ``/apis/<group>/<version>``."""
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _known() -> dict[tuple[str, str], Resource]:
    """Kinds that every supported server has, so that they cost no request."""
    table = {
        ("v1", True): "ConfigMap Endpoints Event LimitRange PersistentVolumeClaim Pod ReplicationController "
        "ResourceQuota Secret Service ServiceAccount",
        ("v1", False): "Namespace Node PersistentVolume",
        ("apps/v1", True): "ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet",
        ("batch/v1", True): "CronJob Job",
        ("autoscaling/v2", True): "HorizontalPodAutoscaler",
        ("policy/v1", True): "PodDisruptionBudget",
        ("networking.k8s.io/v1", True): "Ingress NetworkPolicy",
        ("discovery.k8s.io/v1", True): "EndpointSlice",
        ("coordination.k8s.io/v1", True): "Lease",
        ("rbac.authorization.k8s.io/v1", True): "Role RoleBinding",
        ("rbac.authorization.k8s.io/v1", False): "ClusterRole ClusterRoleBinding",
        ("apiextensions.k8s.io/v1", False): "CustomResourceDefinition",
        ("admissionregistration.k8s.io/v1", False): "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
    }
    found = {}
    for (api_version, namespaced), kinds in table.items():
        for kind in kinds.split():
            found[api_version, kind] = Resource(api_version, kind, _plural(kind), namespaced)
    return found


def _plural(kind: str) -> str:
    word = kind.lower()
    if word.endswith("points"):
        return word
    if word.endswith("s"):
        return word + "es"
    return word[:-1] + "ies" if word.endswith("y") else word + "s"


KNOWN: t.Mapping[tuple[str, str], Resource] = _known()


def from_crd(crd: t.Mapping[str, t.Any]) -> list[Resource]:
    """What a CustomResourceDefinition will make the server serve."""
    spec = crd.get("spec") or {}
    names = spec.get("names") or {}
    return [
        Resource(
            api_version=f"{spec.get('group')}/{version.get('name')}",
            kind=str(names.get("kind")),
            plural=str(names.get("plural")),
            namespaced=spec.get("scope") == "Namespaced",
        )
        for version in spec.get("versions") or []
        if version.get("served")
    ]


def nearest(name: str, known: t.Iterable[str]) -> str:
    """``did you mean "x"?``, or "" when nothing is near."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f'did you mean "{found[0]}"?' if found else ""


async def _listing(transport: Transport, path: str, kind: str, obj: str) -> dict[str, t.Any]:
    """What discovery answers; of another answer it would count as: there are none."""
    answer: dict[str, t.Any] = await transport.request("GET", path, obj=obj, action="discover")
    if answer.get("kind") != kind:
        raise not_an_answer(
            answer, server=transport.endpoint.server, cluster=transport.cluster, obj=obj, action="discover"
        )
    return answer


class Kinds:
    """The kinds of one API server, for the time of a connection."""

    def __init__(self) -> None:
        self._resources: dict[tuple[str, str], Resource] = dict(KNOWN)
        self._fresh: set[tuple[str, str]] = set()
        self._groups: dict[str, asyncio.Task[None]] = {}

    async def find(self, transport: Transport, api_version: str, kind: str, *, obj: str = "") -> Resource:
        """How the server addresses a kind: from the table of common ones, else one GET per group version.

        Raises:
            ApiError: with status 404 when the server does not serve it (its CRD is not installed).
        """
        found = self._resources.get((api_version, kind))
        if found:
            return found
        if api_version not in self._groups:
            self._groups[api_version] = asyncio.ensure_future(self._discover(transport, api_version))
        try:
            await self._groups[api_version]
        except ApiError as error:
            self._groups.pop(api_version, None)
            if error.status != 404:
                raise
        found = self._resources.get((api_version, kind))
        if found:
            return found
        self._groups.pop(api_version, None)  # a CRD may come later: ask again then
        kinds = [name for group, name in self._resources if group == api_version]
        raise ApiError(
            f"this API server has no kind {kind} in {api_version}",
            status=404,
            cluster=transport.cluster,
            obj=obj or kind,
            seen=f"{api_version} has {', '.join(sorted(kinds))}" if kinds else f"it has no {api_version}",
            means=nearest(kind, kinds) or "its CRD is not installed",
            next_step="install the CRD first, or correct apiVersion and kind",
        )

    async def _discover(self, transport: Transport, api_version: str) -> None:
        answer = await _listing(transport, _prefix(api_version), "APIResourceList", api_version)
        self._keep(
            Resource(api_version, str(entry["kind"]), str(entry["name"]), bool(entry["namespaced"]))
            for entry in answer.get("resources") or []
            if "/" not in entry["name"]
        )

    async def listed(self, transport: Transport, api_version: str) -> list[str]:
        """The kinds that the server lists now in a group's version, whatever is known by now."""
        answer = await _listing(transport, _prefix(api_version), "APIResourceList", api_version)
        return [str(entry["kind"]) for entry in answer.get("resources") or [] if "/" not in entry["name"]]

    async def every(self, transport: Transport) -> tuple[list[Resource], list[str]]:
        """Every namespaced kind whose objects can be listed and deleted, and the group versions that do not answer."""
        groups = (await _listing(transport, "/apis", "APIGroupList", "/apis")).get("groups") or []
        versions = ["v1", *(str(v["groupVersion"]) for group in groups for v in group.get("versions") or [])]
        silent: list[str] = []

        async def ask(version: str) -> list[dict[str, t.Any]]:
            try:
                answer = await _listing(transport, _prefix(version), "APIResourceList", version)
            except ApiError as error:
                if error.status != 404:
                    silent.append(version)
                return []
            return [{**entry, "version": version} for entry in answer.get("resources") or []]

        found: dict[tuple[str, str], Resource] = {}
        for entry in [entry for some in await asyncio.gather(*map(ask, versions)) for entry in some]:
            can_go = entry["namespaced"] and "/" not in entry["name"] and {"list", "delete"} <= set(entry["verbs"])
            if can_go:  # a group names its preferred version first
                resource = Resource(entry["version"], str(entry["kind"]), str(entry["name"]), True)
                found.setdefault((entry["version"].rpartition("/")[0], entry["name"]), resource)
        self._keep(found.values())
        return list(found.values()), silent

    def namespaced(self) -> list[Resource]:
        """The namespaced kinds that are known by now."""
        return [resource for resource in self._resources.values() if resource.namespaced]

    def _keep(self, resources: t.Iterable[Resource]) -> None:
        for resource in resources:
            self._resources[resource.api_version, resource.kind] = resource

    def learn(self, resources: t.Iterable[Resource]) -> None:
        """Add kinds whose CRD was just established."""
        for resource in resources:
            self._keep([resource])
            self._fresh.add((resource.api_version, resource.kind))

    def is_fresh(self, api_version: str, kind: str) -> bool:
        return (api_version, kind) in self._fresh
