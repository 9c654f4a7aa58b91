# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write docs/variables.md from the registry of variables: ``python tests/variables_page.py``.

A unit test fails while the page and the registry differ.
"""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "variables.md"

_HEAD = """# Variables of a fleet

Made by `python tests/variables_page.py` from `plugins/module_utils/_model/providers/registry.py`; do not edit.

A variable of the fleet has one value for all clusters: set it in the vars of the group `mesh_clusters`.
A variable of a cluster may be set per host, or per group. Empty and missing mean the default.
`preflight` refuses `mesh_*`, `cluster_*`, `fleet_*` and `gke_*` variables that are not listed here.
Roles have variables of their own, named after the role: see the README of each.
Relative paths begin at the inventory's folder: see [Paths](existing-clusters.md#paths).
"""


def render() -> str:
    """The page, as it should be."""
    sys.path.insert(0, str(ROOT / "collections"))
    from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.variable import CLUSTER, FLEET
    from ansible_collections.mesh.fleet.plugins.module_utils._model.providers import registry

    titles = {FLEET: "Of the fleet: equal on every cluster", CLUSTER: "Of a cluster"}
    providers = registry.providers_by_variable()
    lines = [_HEAD]
    for scope, title in titles.items():
        lines += [f"## {title}", "", "| variable | type | default | meaning |", "|---|---|---|---|"]
        for known in registry.VARIABLES.values():
            if known.scope == scope:
                cells = (f"`{known.name}`", known.type, _default(known), _meaning(known, providers.get(known.name, [])))
                lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
        lines.append("")
    return "\n".join(lines)


def _default(known: t.Any) -> str:
    if known.default_text:
        return str(known.default_text)
    if known.default is None:
        return ""
    if isinstance(known.default, str):
        return f"`{known.default}`"
    if not isinstance(known.default, (dict, list, tuple)):
        return f"`{known.default}`"
    return "`{}`" if isinstance(known.default, dict) else "`[]`"


def _meaning(known: t.Any, providers: list[str]) -> str:
    parts = [known.description]
    if known.choices:
        parts.append(f"One of {', '.join(f'`{choice}`' for choice in known.choices)}.")
    if providers:
        parts.append(f"For provider {' and '.join(f'`{provider}`' for provider in providers)}.")
    if known.secret:
        parts.append("Secret: keep it in Ansible Vault.")
    return " ".join(parts)


if __name__ == "__main__":
    PAGE.write_text(render())
