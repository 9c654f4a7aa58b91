# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Manifests that Helm prints and keeps in its records: how Helm reads them, and what it adds when it sends them."""

from __future__ import annotations

import re
import typing as t

import yaml

from ...fast_yaml import LOADER
from ..diffs import Object

__all__ = ["as_helm_sends", "documents", "objects_in"]

_DIVIDER = re.compile(r"^---.*$", re.MULTILINE)


class _Loader(LOADER):  # type: ignore[misc]
    """Reads what Helm reads: a date is a text, and so is what only YAML 1.1 takes for a number, as ``12:30``."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _number(tag: str, base: t.Any) -> t.Any:
    def construct(loader: t.Any, node: t.Any) -> t.Any:
        text = loader.construct_scalar(node)
        return text if ":" in text else base(loader, node)

    _Loader.add_constructor(tag, construct)


_number("tag:yaml.org,2002:int", yaml.SafeLoader.construct_yaml_int)
_number("tag:yaml.org,2002:float", yaml.SafeLoader.construct_yaml_float)


def documents(text: str) -> list[str]:
    """The documents of a manifest, each with its comments."""
    return _DIVIDER.split(text)


def objects_in(document: str) -> t.Iterator[Object]:
    """The objects in a document. Raises yaml.YAMLError."""
    for obj in yaml.load_all(document, Loader=_Loader):
        if isinstance(obj, dict) and obj.get("kind") and (obj.get("metadata") or {}).get("name"):
            yield obj


def as_helm_sends(manifest: Object, release: str, namespace: str) -> Object:
    """A manifest with the marks that Helm adds to what it sends, which its record leaves out.

    Args:
        release, namespace: of the release.
    """
    out = t.cast(Object, _without_nulls(manifest))
    meta = out["metadata"]
    meta["labels"] = {**(meta.get("labels") or {}), "app.kubernetes.io/managed-by": "Helm"}
    marks = {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": namespace}
    meta["annotations"] = {**(meta.get("annotations") or {}), **marks}
    meta.pop("creationTimestamp", None)
    out.pop("status", None)
    return out


def _without_nulls(value: t.Any) -> t.Any:
    """A copy without keys that a template left empty, as ``env:``: server-side apply refuses them."""
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in value]
    return value
