# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The change of a release, with its values before and after; secrets are masked."""

from __future__ import annotations

import typing as t

import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.charts import Chart
from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.releases import INSTALL, REMOVE, Plan
from ansible_collections.mesh.fleet.plugins.module_utils._kube.masking import masked
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import Release
from ansible_collections.mesh.fleet.plugins.module_utils.logins import without_logins
from ansible_collections.mesh.fleet.plugins.module_utils.results import CHANGED, CREATED, REMOVED, UNCHANGED, Change

__all__ = ["change_of"]


def change_of(cluster: Cluster, release: Release, todo: Plan, chart: Chart | None) -> Change:
    """The change that ``todo`` makes; ``chart`` is None for one from a repository."""
    if not todo.changes:
        action = UNCHANGED
    elif todo.action == REMOVE:
        action = REMOVED
    else:
        action = CREATED if todo.action == INSTALL and not todo.interrupted else CHANGED
    before = after = ""
    if todo.changes:
        record = todo.record
        if record is not None:
            before = _shown(record.values, str(record.chart.get("metadata", {}).get("name", "")), record.chart_version)
        if todo.action != REMOVE:
            after = _shown(
                release.values,
                chart.name if chart else release.chart,
                chart.version if chart else release.version,
                todo.why if record is not None else "",
            )
    return Change(
        cluster=cluster.name,
        kind="Release",
        name=release.name,
        namespace=release.namespace,
        action=action,
        before=before,
        after=after,
    )


_SECRET_WORDS = ("password", "passwd", "secret", "token", "privatekey", "private_key", "apikey", "api_key")


def _hidden(value: t.Any, name: str = "") -> t.Any:
    if isinstance(value, t.Mapping):
        return {key: _hidden(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_hidden(inner, name) for inner in value]
    if isinstance(value, str) and value and any(word in name.lower() for word in _SECRET_WORDS):
        return "(masked)"
    return value


def _shown(values: t.Mapping[str, t.Any], chart: str, version: str, why: str = "") -> str:
    head = f"chart: {without_logins(chart)}{f' {version}' if version else ''}\n" + (f"why: {why}\n" if why else "")
    body = yaml.safe_dump(masked(_hidden(dict(values))), sort_keys=True, default_flow_style=False, allow_unicode=True)
    return head + "values:\n" + "".join(f"  {line}\n" for line in body.splitlines())
