# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Imports point one way, as docs/architecture.md says: between packages, and never in a circle."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parent.parent.parent / "plugins"
COLLECTION = "ansible_collections.mesh.fleet.plugins."


def below(root: str, *packages: str) -> set[str]:
    """Packages of one folder by their full names; "" is the folder itself."""
    return {f"{root}/{package}".rstrip("/") for package in packages}


SHARED = {"module_utils"}
# Every package may import its own files and SHARED; the table says what else. A package that is not in it fails.
MODEL = {
    "awx": set[str](),
    "inventory": set[str](),
    "control_planes": {"inventory"},
    "providers/google": {"inventory", "control_planes"},
    "providers": {"inventory", "providers/google"},
    "istio": {"inventory", "control_planes", "providers"},
    "state": set[str](),
    "trust": set[str](),
    "peering": {"inventory", "control_planes", "istio", "providers/google"},
    "workloads": {"inventory", "control_planes", "istio", "peering"},
    "multicluster": {"inventory"},
    "traffic": {"inventory", "control_planes", "istio", "peering", "multicluster"},
    "federation": {"inventory", "istio", "traffic", "trust"},
    "ingress": {"inventory", "istio", "multicluster", "trust"},
    "demo": {"inventory", "control_planes", "istio", "peering", "workloads"},
    "validation": {
        "inventory",
        "control_planes",
        "federation",
        "ingress",
        "providers",
        "istio",
        "multicluster",
        "traffic",
        "trust",
        "workloads",
    },
    "verify": {
        "inventory",
        "control_planes",
        "federation",
        "ingress",
        "istio",
        "trust",
        "peering",
        "workloads",
        "traffic",
        "multicluster",
    },
    "report": {"inventory", "multicluster", "peering", "traffic"},
}
KUBE = {"": set[str](), "helm": {""}}
LOCAL = {
    "engine": set[str](),
    "kind": {"engine"},
    "artifacts": {"engine", "artifacts/registries"},
    "artifacts/registries": {"engine", "artifacts"},
}
GCP = {
    "": set[str](),
    "auth": {""},
    "api": {"", "auth"},
    "access": {"", "auth", "api"},
    "network": {"", "auth", "api", "access"},
    "hub": {"", "auth", "api", "access"},
    "clusters": {"", "auth", "api", "access", "network", "hub"},
    "checks": {"", "api", "access", "network", "clusters"},
}
PLUGIN_UTILS = {
    "base": set[str](),
    "callback": set[str](),
    "gateways": set[str](),
    "helm": {"base"},
    "istiod": {"base"},
    "state": {"base"},
    "trust": {"base", "istiod"},
    "peering": {"base", "istiod"},
    "traffic": {"base", "istiod"},
    "federation": {"base", "gateways", "traffic", "trust"},
    "ingress": {"base", "gateways"},
    "apps": {"base", "helm", "istiod"},
    "google": {"base"},
    "rendering": {"base"},
    "multicluster": {"base", "google", "traffic"},
    "verify": {"base", "apps", "federation", "gateways", "istiod", "multicluster"},
    "demo": {"base", "istiod", "traffic"},
    "report": set[str](),
}

_MODEL = below("module_utils/_model", *MODEL)
_KUBE = below("module_utils/_kube", *KUBE)
_LOCAL = below("module_utils/_local", *LOCAL)
_GCP = below("module_utils/_gcp", *GCP)
_PLUGIN_UTILS = below("plugin_utils", *PLUGIN_UTILS)
_EDGE = _MODEL | _KUBE | _LOCAL | _GCP


def layers(root: str, table: dict[str, set[str]], everything: set[str]) -> dict[str, set[str]]:
    """Rows of one folder by full names, with what all of its packages may import."""
    return {f"{root}/{own}".rstrip("/"): below(root, *others) | everything for own, others in table.items()}


MAY_IMPORT = {
    "module_utils": set[str](),
    **layers("module_utils/_model", MODEL, set()),
    **layers("module_utils/_kube", KUBE, _MODEL),
    **layers("module_utils/_local", LOCAL, _MODEL),
    **layers("module_utils/_gcp", GCP, _MODEL | _KUBE),
    **layers("plugin_utils", PLUGIN_UTILS, _EDGE),
    "action": _EDGE | _PLUGIN_UTILS,
    "callback": below("plugin_utils", "callback"),
    "filter": _EDGE | below("plugin_utils", "base"),
    "test": _EDGE,
    "inventory": _EDGE | below("plugin_utils", "base"),
    "modules": set[str](),
    "doc_fragments": set[str](),
}
FILES = {str(path.relative_to(PLUGINS).with_suffix("")): path for path in sorted(PLUGINS.rglob("*.py"))}
REGISTRIES = "module_utils/_local/artifacts/registries"
"""Building from package registries: one file of ``_local/artifacts`` chooses it, nothing else imports it."""


def package_of(name: str) -> str:
    return name.rpartition("/")[0]


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
    package = package_of(name)
    allowed = MAY_IMPORT[package] | SHARED | ({package} if "utils" in package else set())
    wrong = {target for target in imported(name) if target in FILES and package_of(target) not in allowed}
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
        "subprocess",
    }


_OUTSIDE = {
    "glob",
    "io",
    "os",
    "pathlib",
    "platform",
    "pwd",
    "random",
    "secrets",
    "shutil",
    "socket",
    "ssl",
    "sys",
    "tempfile",
    "threading",
    "time",
    "urllib.request",
    "uuid",
}
"""Modules of Python's own by which a file reaches the machine; of ``os.path`` the model joins paths, and no more."""
_OUTSIDE_NAMES = {"open", "input", "print", "__import__", "exec", "eval"}
_PURE = {"os.path", "os.path.join"}


def reached(source: str) -> set[str]:
    """By what a file reaches the machine that it runs on: modules, functions of ``os``, ``open`` and the like."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in _OUTSIDE - {"os"}}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {str(node.module)} & _OUTSIDE | {str(node.module)} & {"os.path"}
        elif isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            found |= {name} - _PURE if name.startswith("os.") else set()
        elif isinstance(node, ast.Name):
            found |= {node.id} & _OUTSIDE_NAMES
    return found


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("module_utils/_model/")])
def test_the_model_reaches_nothing_outside(name: str) -> None:
    shared = {target for target in imported(name) if package_of(target) in SHARED}
    assert {by for file in (name, *shared) for by in reached(FILES[file].read_text(encoding="utf-8"))} == set()


@pytest.mark.parametrize(
    ("line", "by"),
    [
        ("import os; project = os.environ.get('GCP_PROJECT')", "os.environ"),
        ("import os\nhome = os.path.expanduser('~')", "os.path.expanduser"),
        ("import os\nthere = os.getenv", "os.getenv"),
        ("from os import environ", "os"),
        ("from os.path import exists", "os.path"),
        ("def read(path):\n    with open(path) as stream:\n        return stream.read()", "open"),
        ("import pathlib", "pathlib"),
        ("def later():\n    from pathlib import Path", "pathlib"),
    ],
)
def test_a_file_that_reaches_outside_is_seen(line: str, by: str) -> None:
    assert by in reached(line)
    assert reached("import os.path\nfound = os.path.join('a', 'b')") == set()


def test_the_base_of_all_actions_needs_no_edge_of_a_provider() -> None:
    seen, coming = set[str](), [name for name in FILES if package_of(name) == "plugin_utils/base"]
    while coming:
        name = coming.pop()
        seen.add(name)
        coming += (imported(name) & set(FILES)) - seen
    assert "module_utils/_model/providers/registry" in seen
    assert {package_of(name) for name in seen} & {*_GCP, "plugin_utils/google"} == set()


def test_no_file_imports_one_that_imports_it() -> None:
    graph = {name: imported(name) & set(FILES) for name in FILES}
    try:
        tuple(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_one_file_knows_how_to_build_from_registries() -> None:
    inside = {name for name in FILES if package_of(name) == REGISTRIES}
    users = {name for name in set(FILES) - inside if imported(name) & inside}
    assert users == {"module_utils/_local/artifacts/artifacts"}


def test_one_file_locks() -> None:
    assert {name for name in FILES if "fcntl" in imported(name)} == {"module_utils/locks"}


def test_every_package_of_the_table_is_there() -> None:
    assert set(MAY_IMPORT) - {package_of(name) for name in FILES} == set()


def test_a_wrong_import_is_seen() -> None:
    assert "module_utils/_kube/reading" in imported("module_utils/_kube/waiting")
    assert "module_utils/_kube/removal" in imported("module_utils/_kube/client")
    assert "plugin_utils/base/fleet_action" in imported("action/peering")
    assert "ansible.plugins.action" in imported("plugin_utils/base/fleet_action")
