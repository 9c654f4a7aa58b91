# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ansible-doc and the READMEs show can be copied: modules exist, arguments fit, nothing is left unexplained."""

from __future__ import annotations

import functools
import importlib
import json
import os
import re
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.loader import module_loader

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import VARIABLES

ROOT = Path(__file__).resolve().parent.parent.parent
MODULES = sorted(p.stem for p in (ROOT / "plugins" / "modules").glob("*.py"))
ROLES = sorted(p.parent.parent.name for p in (ROOT / "roles").glob("*/meta/argument_specs.yml"))
# Of all plugin types that ansible-doc knows, those that this collection has, but for modules and roles.
OTHERS = sorted(
    (kind, p.stem)
    for kind in ("callback", "filter", "inventory", "lookup", "test", "connection")
    for p in (ROOT / "plugins" / kind).glob("*.py")
)
MARKDOWN = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "roles").glob("*/README.md")])

Json = dict[str, t.Any]


@functools.cache
def shown(kind: str) -> Json:
    """What ansible-doc shows of all our plugins of a kind, by name."""
    names = {"module": MODULES, "role": ROLES}.get(kind) or [name for k, name in OTHERS if k == kind]
    said = subprocess.run(
        ["ansible-doc", "--json", "-t", kind, *(f"mesh.fleet.{name}" for name in names)],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=900,
    )  # fmt: skip
    found: Json = json.loads(said.stdout)
    return {name.removeprefix("mesh.fleet."): entry for name, entry in found.items()}


# Everything is explained.


def unexplained(options: t.Mapping[str, Json], at: str = "") -> t.Iterator[str]:
    """Options that lack a type or a description, those of nested ones too."""
    for name, option in options.items():
        where = f"{at}{name}"
        text = option.get("description")
        if not text or not "".join(text).strip():
            yield f"{where}: no description"
        if not option.get("type"):
            yield f"{where}: no type"
        if option.get("type") == "list" and not option.get("elements"):
            yield f"{where}: no elements"
        for inner in ("options", "suboptions", "contains"):
            yield from unexplained(option.get(inner) or {}, f"{where}.")


@pytest.mark.parametrize("module", MODULES)
def test_a_module_explains_itself(module: str) -> None:
    entry = shown("module")[module]
    doc = entry["doc"]
    assert doc["short_description"]
    assert doc["description"]
    assert doc["author"]
    assert doc["version_added"]
    assert list(unexplained(doc.get("options") or {})) == []
    assert list(unexplained(entry["return"])) == []
    assert all(value.get("returned") for value in entry["return"].values())
    assert entry["examples"].strip()


@pytest.mark.parametrize(("kind", "name"), OTHERS)
def test_another_plugin_explains_itself(kind: str, name: str) -> None:
    doc = shown(kind)[name]["doc"]
    assert doc["short_description"]
    assert doc["description"]
    assert doc["author"]
    ours = {k: v for k, v in (doc.get("options") or {}).items() if k not in ansibles_own()}
    assert list(unexplained(ours)) == []


@functools.cache
def ansibles_own() -> frozenset[str]:
    """Options of the fragments that come with Ansible, which explain themselves as they do."""
    found: set[str] = set()
    for name in ("constructed", "inventory_cache", "default_callback", "result_format_callback"):
        fragment = importlib.import_module(f"ansible.plugins.doc_fragments.{name}").ModuleDocFragment
        found |= set(yaml.safe_load(fragment.DOCUMENTATION)["options"])
    return frozenset(found - {"plugin"})


@pytest.mark.parametrize("role", ROLES)
def test_a_role_explains_itself(role: str) -> None:
    entries = shown("role")[role]["entry_points"]
    assert {"main", "absent"} <= set(entries)
    for name, entry in entries.items():
        assert entry["short_description"], name
        assert entry["description"], name
        assert list(unexplained(entry.get("options") or {}, f"{name}: ")) == []


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_readme_names_its_variables(role: str) -> None:
    text = (ROOT / "roles" / role / "README.md").read_text(encoding="utf-8")
    spec = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    names = {n for entry in spec["argument_specs"].values() for n in entry.get("options") or {}}
    # Those of the fleet are in docs/variables.md, for all roles at once.
    assert sorted(n for n in names - set(VARIABLES) if not re.search(rf"`{n}\b", text)) == []


# Examples can be copied.


def tasks_of(data: t.Any) -> t.Iterator[Json]:
    """Tasks in plays, blocks and lists of tasks."""
    for entry in data if isinstance(data, list) else []:
        if not isinstance(entry, dict):
            continue
        inner = [
            e for key in ("tasks", "pre_tasks", "post_tasks", "block", "rescue", "always") for e in entry.get(key) or []
        ]
        if inner:
            yield from tasks_of(inner)
        elif "hosts" not in entry:
            yield entry


def action_of(task: Json) -> str:
    return next((key for key in task if re.fullmatch(r"\w+\.\w+\.\w+", key)), "")


def templated(value: t.Any) -> bool:
    return "{{" in json.dumps(value, default=str)


def faults(task: Json) -> list[str]:
    """What is wrong with a task of an example; [] for nothing. What is templated is believed."""
    action = action_of(task)
    if not action:
        return []
    if not action.startswith("mesh.fleet."):
        found = module_loader.find_plugin_with_context(action)
        return [] if found.resolved else [f"{action} does not exist"]
    name = action.removeprefix("mesh.fleet.")
    if name not in MODULES:
        return [f"{action} does not exist"]
    spec = importlib.import_module(f"ansible_collections.mesh.fleet.plugins.action.{name}").ActionModule.ARGUMENT_SPEC
    given = task[action] or {}
    if not isinstance(given, dict):
        return [f"{action} takes named arguments"]
    unknown = set(given) - set(spec)
    if unknown:
        return [f"{action} has no argument {sorted(unknown)}"]
    plain = {k: v for k, v in given.items() if not templated(v)}
    missing = [k for k, option in spec.items() if option.get("required") and k not in given]
    loose = {k: {**option, "required": False} for k, option in spec.items()}
    judged = ArgumentSpecValidator(loose).validate(plain)
    return [*judged.error_messages, *(f"{action} needs {k}" for k in missing)]


@pytest.mark.parametrize("module", MODULES)
def test_a_modules_examples_fit_it(module: str) -> None:
    tasks = list(tasks_of(yaml.safe_load(shown("module")[module]["examples"])))
    assert f"mesh.fleet.{module}" in {action_of(task) for task in tasks}
    assert [fault for task in tasks for fault in faults(task)] == []


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda p: str(p.relative_to(ROOT)))
def test_yaml_of_a_page_fits(page: Path) -> None:
    for block in re.findall(r"```ya?ml\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL):
        data = yaml.safe_load(block)
        tasks = list(tasks_of(data))
        assert [fault for task in tasks for fault in faults(task)] == []
        for task in tasks:
            for key in ("ansible.builtin.include_role", "ansible.builtin.import_role"):
                role = str((task.get(key) or {}).get("name", ""))
                assert not role.startswith("mesh.fleet.") or role.removeprefix("mesh.fleet.") in ROLES, role


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({"mesh.fleet.gke_nat": {"stat": "absent"}}, "no argument ['stat']"),
        ({"mesh.fleet.gke_nat": {"state": "gone"}}, "must be one of: present, absent"),
        ({"mesh.fleet.gke_nat": {"timeout": "long"}}, "timeout"),
        ({"mesh.fleet.gke_lan": None}, "does not exist"),
        ({"google.cloud.gcp_compute_netwerk": {}}, "does not exist"),
        ({"mesh.fleet.gke_nat": "state=absent"}, "named arguments"),
    ],
)
def test_a_wrong_example_would_be_found(task: Json, said: str) -> None:
    assert any(said in fault for fault in faults(task))


def test_a_right_example_passes() -> None:
    assert faults({"name": "x", "mesh.fleet.gke_nat": {"timeout": "{{ seconds }}", "state": "absent"}}) == []
    assert faults({"google.cloud.gcp_compute_network": {"name": "x"}}) == []


def test_a_ca_beside_the_inventory_is_no_inventory(tmp_path: Path) -> None:
    """The example for existing clusters, with the file that its lookup reads."""
    folder = tmp_path / "existing"
    shutil.copytree(ROOT / "inventories" / "existing", folder)
    (folder / "host_vars" / "iad").mkdir(parents=True)
    (folder / "host_vars" / "iad" / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    said = subprocess.run(
        ["ansible", "-i", str(folder), "iad", "-m", "ansible.builtin.debug", "-a", "msg=CA<{{ cluster_api_ca }}>"],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true", "ANSIBLE_NOCOLOR": "1"},
    )  # fmt: skip
    assert "CA<-----BEGIN CERTIFICATE----->" in said.stdout, said.stdout + said.stderr
    assert "parse" not in said.stderr
