# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dependence points one way, as docs/architecture.md says, and never in a circle."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parent.parent.parent / "plugins"
COLLECTION = "ansible_collections.mesh.fleet.plugins."
SHARED = {"module_utils"}
MODEL = SHARED | {"module_utils/_model"}
EDGE = MODEL | {"module_utils/_kube", "module_utils/_local", "module_utils/_gcp"}
MAY_IMPORT = {
    "module_utils": SHARED,
    "module_utils/_model": MODEL,
    "module_utils/_kube": MODEL | {"module_utils/_kube"},
    "module_utils/_local": MODEL | {"module_utils/_local"},
    "module_utils/_gcp": MODEL | {"module_utils/_gcp", "module_utils/_kube"},
    "plugin_utils": EDGE | {"plugin_utils"},
    "action": EDGE | {"plugin_utils"},
    "callback": {"plugin_utils"},
    "filter": EDGE,
    "test": EDGE,
    "inventory": EDGE | {"plugin_utils"},
    "modules": set[str](),
    "doc_fragments": set[str](),
}
FILES = {str(path.relative_to(PLUGINS).with_suffix("")): path for path in sorted(PLUGINS.rglob("*.py"))}


def imported(name: str) -> set[str]:
    """Modules that a file imports, dotted; those of ours as FILES calls them."""
    found: set[str] = set()
    package = name.split("/")[:-1]
    for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                above = package[: len(package) - node.level + 1]
                base = "/".join([*above, *(node.module or "").split(".")]).rstrip("/")
            else:
                module = node.module or ""
                ours = module.startswith(COLLECTION)
                base = module.removeprefix(COLLECTION).replace(".", "/") if ours else module
            whole = {f"{base}/{alias.name}" for alias in node.names} & set(FILES)
            found |= whole or {base}
    return found


@pytest.mark.parametrize("name", FILES)
def test_imports_point_down(name: str) -> None:
    layer = name.rpartition("/")[0]
    wrong = {
        target for target in imported(name) if target in FILES and target.rpartition("/")[0] not in MAY_IMPORT[layer]
    }
    assert wrong == set()


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("module_utils/_model/")])
def test_the_model_knows_neither_ansible_nor_a_client(name: str) -> None:
    roots = {target.split(".")[0] for target in imported(name) if target not in FILES}
    assert not roots & {
        "aiohttp",
        "ansible",
        "asyncio",
        "google",
        "googleapiclient",
        "kubernetes_asyncio",
        "subprocess",
    }


def test_no_file_imports_one_that_imports_it() -> None:
    graph = {name: imported(name) & set(FILES) for name in FILES}
    try:
        tuple(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_a_wrong_import_is_seen() -> None:
    assert "module_utils/_kube/session" in imported("module_utils/_kube/reading")
    assert "module_utils/_kube/removal" in imported("module_utils/_kube/client")
    assert "plugin_utils/fleet_action" in imported("action/peering")
    assert "ansible.plugins.action" in imported("plugin_utils/fleet_action")
