# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""requirements.txt names what plugins and inventories need, all of it and nothing else."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

PACKAGES = {
    "aiohttp": "aiohttp",
    "aiohttp_socks": "aiohttp-socks",
    "ansible": "ansible",
    "cryptography": "cryptography",
    "google": "google-auth",
    "googleapiclient": "google-api-python-client",
    "jinja2": "ansible",
    "markupsafe": "ansible",
    "pygraphviz": "pygraphviz",
    "requests": "requests",
    "yaml": "PyYAML",
}
"""The package that brings a module; ansible-core brings the template engine that its filters mark themselves for."""
FOR_INVENTORIES = {"jmespath"}
"""No plugin imports it; the comment above its pin says who does."""


def test_every_import_is_pinned_and_every_pin_imported(root: Path) -> None:
    modules: set[str] = set()
    for path in (root / "plugins").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules.add((node.module or "").split(".")[0])
    foreign = modules - sys.stdlib_module_names - {"ansible_collections"}
    lines = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.partition("==")[0] for line in lines if not line.startswith("#")}
    assert {PACKAGES.get(module, module) for module in foreign} == pinned - FOR_INVENTORIES
