# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the pods of a run have in common, as the nodes and policies of a cluster demand it: ``mesh_pods``."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .nearest import Nearest
from .values import dns_name, labels
from .variable import Fault

__all__ = ["NO_POD_SETTINGS", "PodSettings", "pod_settings", "read_pod_settings"]

_QUANTITY = re.compile(r"([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?")
_TYPES: t.Mapping[str, tuple[type, str]] = {
    "node_selector": (dict, "a dictionary, for example {pool: mesh}"),
    "tolerations": (list, "a list, for example [{key: dedicated, operator: Exists}]"),
    "image_pull_secrets": (list, "a list of names of Secrets"),
    "resources": (dict, "a dictionary with requests and limits"),
}
_TOLERATION = ("key", "operator", "value", "effect", "tolerationSeconds")
_CHOICES: t.Mapping[str, tuple[str, ...]] = {
    "operator": ("Exists", "Equal"),
    "effect": ("NoSchedule", "PreferNoSchedule", "NoExecute"),
}
_KINDS = ("requests", "limits")


@dataclasses.dataclass(frozen=True)
class PodSettings:
    """The value of ``mesh_pods``; every field may be empty."""

    node_selector: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    tolerations: tuple[t.Mapping[str, t.Any], ...] = ()
    pull_secrets: tuple[str, ...] = ()
    resources: t.Mapping[str, t.Mapping[str, str]] = dataclasses.field(default_factory=dict)
    """``requests`` and ``limits``."""

    def spec(self) -> dict[str, t.Any]:
        """The fields of a pod's spec, those that are set."""
        found: dict[str, t.Any] = {}
        if self.node_selector:
            found["nodeSelector"] = dict(self.node_selector)
        if self.tolerations:
            found["tolerations"] = [dict(one) for one in self.tolerations]
        if self.pull_secrets:
            found["imagePullSecrets"] = [{"name": name} for name in self.pull_secrets]
        return found

    def container_resources(self, requests: t.Mapping[str, str]) -> dict[str, t.Any]:
        """``resources`` of a container that requests ``requests`` where nothing else is said.

        Of what is only limited, Kubernetes requests as much: a request of ours could be above the limit.
        """
        limits = dict(self.resources.get("limits") or {})
        wanted = {name: amount for name, amount in requests.items() if name not in limits}
        wanted |= self.resources.get("requests") or {}
        return {"requests": wanted, **({"limits": limits} if limits else {})}


NO_POD_SETTINGS = PodSettings()


def read_pod_settings(value: t.Mapping[str, t.Any]) -> PodSettings:
    """A value that :func:`pod_settings` accepts."""
    resources = value.get("resources") or {}
    return PodSettings(
        node_selector={str(name): str(text) for name, text in (value.get("node_selector") or {}).items()},
        tolerations=tuple(dict(one) for one in value.get("tolerations") or ()),
        pull_secrets=tuple(str(name) for name in value.get("image_pull_secrets") or ()),
        resources={
            kind: {str(name): str(amount) for name, amount in resources[kind].items()}
            for kind in _KINDS
            if resources.get(kind)
        },
    )


def pod_settings(value: t.Mapping[str, t.Any]) -> Fault | None:
    """The form of ``mesh_pods``."""
    unknown = _unknown("", value, tuple(_TYPES))
    if unknown:
        return unknown
    for name, (kind, words) in _TYPES.items():
        part = value.get(name)
        if part is not None and not isinstance(part, kind):
            return Fault(f"has {name}, which is not {words.partition(',')[0]}", words)
    wrong = labels(value.get("node_selector") or {})
    if wrong:
        return Fault(f"has node_selector, which {wrong.message}", wrong.hint)
    for toleration in value.get("tolerations") or ():
        wrong = _toleration(toleration)
        if wrong:
            return wrong
    for secret in value.get("image_pull_secrets") or ():
        if not isinstance(secret, str) or dns_name(secret):
            return Fault("has image_pull_secrets with what is not a Secret's name", "names as text, for example [pull]")
    return _resources(value.get("resources") or {})


def _unknown(where: str, value: t.Mapping[t.Any, t.Any], known: t.Sequence[str]) -> Fault | None:
    for name in value:
        if name not in known:
            guess = Nearest(known).find(str(name))
            hint = f"did you mean {guess}?" if guess else f"one of: {', '.join(known)}"
            return Fault(f"has {where}{str(name)[:40]}, which is unknown", hint)
    return None


def _toleration(value: t.Any) -> Fault | None:
    if not isinstance(value, dict):
        return Fault("has tolerations with what is not a dictionary", "for example {key: dedicated, operator: Exists}")
    unknown = _unknown("tolerations: ", value, _TOLERATION)
    if unknown:
        return unknown
    for name, choices in _CHOICES.items():
        if value.get(name) not in (None, "", *choices):
            return Fault(f"has tolerations with {name} {str(value[name])[:40]!r}", f"one of: {', '.join(choices)}")
    for name in ("key", "value"):
        if not isinstance(value.get(name, ""), str):
            return Fault(f"has tolerations with a {name} that is not text", "put it in quotes")
    exists = value.get("operator") == "Exists"
    if exists and value.get("value"):
        return Fault("has tolerations with operator Exists and a value", "leave the value out, or operator: Equal")
    if not exists and not value.get("key"):
        return Fault("has tolerations without a key", "operator: Exists without a key tolerates every taint")
    if value.get("tolerationSeconds") is not None and value.get("effect") != "NoExecute":
        return Fault("has tolerations with tolerationSeconds", "they go with effect: NoExecute")
    return None


def _resources(value: t.Mapping[str, t.Any]) -> Fault | None:
    unknown = _unknown("resources: ", value, _KINDS)
    if unknown:
        return unknown
    for kind, amounts in value.items():
        if amounts is not None and not isinstance(amounts, dict):
            return Fault(f"has resources: {kind}, which is not a dictionary", "for example {cpu: 50m, memory: 64Mi}")
        for name, amount in (amounts or {}).items():
            if isinstance(amount, bool) or not _QUANTITY.fullmatch(str(amount)):
                return Fault(
                    f"has resources: {kind}: {name} that is no quantity", "for example 50m of cpu, 64Mi of memory"
                )
    return None
