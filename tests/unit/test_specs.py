# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is written twice is written the same twice: specs and defaults, actions and their documentation."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
ROLES = sorted(p.name for p in (ROOT / "roles").iterdir() if (p / "tasks").is_dir())
MODULES = sorted(p.stem for p in (ROOT / "plugins" / "modules").glob("*.py"))
ACTIONS = sorted(p.stem for p in (ROOT / "plugins" / "action").glob("*.py"))
INVENTORIES = sorted(p.stem for p in (ROOT / "plugins" / "inventory").glob("*.py"))
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))
SHARED_PREFIXES = ("mesh_", "cluster_", "fleet_", "gke_")
# Keywords of a task; whatever else is a key of one names an action.
# fmt: off
KEYWORDS = frozenset({
    "name", "vars", "when", "loop", "loop_control", "register", "tags", "become", "delegate_to", "run_once",
    "notify", "check_mode", "diff", "no_log", "until", "retries", "delay", "changed_when", "failed_when",
    "environment", "module_defaults", "args", "async", "poll", "any_errors_fatal", "throttle", "delegate_facts",
    "ignore_unreachable", "ignore_errors", "listen", "connection",
})
# fmt: on


def load(path: Path) -> t.Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def documented(path: Path, name: str) -> t.Any:
    """The string that a plugin's file assigns to ``name``, parsed; None when it assigns none."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(isinstance(x, ast.Name) and x.id == name for x in node.targets):
            return yaml.safe_load(ast.literal_eval(node.value))
    return None


def blocks(tasks: t.Iterable[dict[str, t.Any]]) -> t.Iterator[dict[str, t.Any]]:
    """Every task, those inside blocks too."""
    for task in tasks:
        inner = [entry for key in ("block", "rescue", "always") for entry in task.get(key) or []]
        if inner:
            yield from blocks(inner)
        else:
            yield task


def with_vars(tasks: t.Iterable[dict[str, t.Any]], outer: dict[str, t.Any]) -> t.Iterator[dict[str, t.Any]]:
    """As :func:`blocks`; each task with the variables of the blocks around it."""
    for task in tasks:
        mine = {**outer, **(task.get("vars") or {})}
        inner = [entry for key in ("block", "rescue", "always") for entry in task.get(key) or []]
        if inner:
            yield from with_vars(inner, mine)
        else:
            yield {**task, "vars": mine}


def spec_defaults(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {name: option["default"] for name, option in options.items() if "default" in option}


# Roles.


def test_there_are_roles_modules_and_playbooks() -> None:
    assert ROLES
    assert MODULES
    assert PLAYBOOKS


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "part",
    [
        "roles/{}/README.md",
        "roles/{}/defaults/main.yml",
        "roles/{}/meta/argument_specs.yml",
        "roles/{}/meta/main.yml",
        "roles/{}/tasks/main.yml",
        "roles/{}/tasks/absent.yml",
        "molecule/{}/molecule.yml",
        "molecule/{}/converge.yml",
        "molecule/{}/verify.yml",
    ],
)
def test_role_is_complete(role: str, part: str) -> None:
    assert (ROOT / part.format(role)).is_file()


@pytest.mark.parametrize("role", ROLES)
def test_role_defaults_are_those_of_its_spec(role: str) -> None:
    specs = load(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]
    defaults = load(ROOT / "roles" / role / "defaults" / "main.yml") or {}
    own = {
        name: value for name, value in spec_defaults(specs["main"]["options"]).items() if name.startswith(f"{role}_")
    }
    assert own == defaults


@pytest.mark.parametrize("role", ROLES)
def test_role_documents_every_entry_point(role: str) -> None:
    specs = load(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]
    entry_points = {"main", "absent"} | {
        p.stem for p in (ROOT / "roles" / role / "tasks").glob("*.yml") if p.stem in specs
    }
    assert entry_points <= set(specs)
    for name, spec in specs.items():
        assert spec.get("short_description"), name
        for option, details in (spec.get("options") or {}).items():
            assert details.get("description"), f"{name}: {option}"
            assert details.get("type"), f"{name}: {option}"


@pytest.mark.parametrize(
    ("role", "variable"),
    [("services", "mesh_exports"), ("traffic", "mesh_traffic"), ("federation", "mesh_federation")],
)
def test_long_lists_are_no_options_copied_in_each_cluster(role: str, variable: str) -> None:
    """1,000 exports take a tenth of a second of the processor there, 300 policies a third, in each of many clusters."""
    from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import VARIABLES

    specs = load(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]
    assert [entry for entry, spec in specs.items() if variable in (spec.get("options") or {})] == []
    assert variable in VARIABLES, "preflight knows it, and docs/variables.md describes it"
    assert f"C({variable})" in " ".join(specs["main"]["description"]), "ansible-doc describes it"


@pytest.mark.parametrize("role", ROLES)
def test_role_variables_are_prefixed(role: str) -> None:
    specs = load(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]
    named = set(load(ROOT / "roles" / role / "defaults" / "main.yml") or {})
    for spec in specs.values():
        named |= {name for name in spec.get("options") or {} if not name.startswith(SHARED_PREFIXES)}
    for path in (ROOT / "roles" / role / "tasks").rglob("*.yml"):
        for task in blocks(load(path) or []):
            named |= {task["register"]} if "register" in task else set()
            named |= set(task.get("ansible.builtin.set_fact") or {}) - {"cacheable"}
    wrong = sorted(n for n in named if not n.startswith((f"{role}_", f"__{role}_")))
    assert wrong == []


@pytest.mark.parametrize("role", ROLES)
def test_role_metadata(role: str) -> None:
    meta = load(ROOT / "roles" / role / "meta" / "main.yml")
    assert meta["galaxy_info"]["license"] == "GPL-3.0-or-later"
    assert meta["galaxy_info"]["min_ansible_version"] == "2.19"
    assert meta["dependencies"] == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "roles").glob("*/tasks/*.yml")), ids=lambda p: f"{p.parts[-3]}/{p.stem}"
)
def test_role_hides_no_failure(path: Path) -> None:
    for task in blocks(load(path) or []):
        assert not task.get("ignore_errors"), task.get("name")
        assert task.get("failed_when") is not False, task.get("name")


# Actions and modules.


def test_every_action_has_a_module_and_every_module_an_action() -> None:
    assert ACTIONS == MODULES


def test_action_group_lists_every_module() -> None:
    assert load(ROOT / "meta" / "runtime.yml")["action_groups"]["fleet"] == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_module_documentation_is_complete(module: str) -> None:
    path = ROOT / "plugins" / "modules" / f"{module}.py"
    doc = documented(path, "DOCUMENTATION")
    assert doc["module"] == module
    assert doc["short_description"]
    fragments = doc.get("extends_documentation_fragment") or []
    fragments = [fragments] if isinstance(fragments, str) else fragments
    assert any(f.startswith("mesh.fleet.fleet_action") for f in fragments)
    assert documented(path, "RETURN")


def test_all_modules_document_what_went_wrong_the_same() -> None:
    """ansible-core has no fragments for RETURN, so each module has the text of one contract."""
    returned = [documented(ROOT / "plugins" / "modules" / f"{module}.py", "RETURN") for module in MODULES]
    assert all(one["problems"] == returned[0]["problems"] for one in returned)
    failures = [one["failures"] for one in returned if "failures" in one]
    assert failures and all(one == failures[0] for one in failures)


@pytest.mark.parametrize("module", MODULES)
def test_module_examples_are_tasks_with_full_names(module: str) -> None:
    examples = documented(ROOT / "plugins" / "modules" / f"{module}.py", "EXAMPLES")
    assert isinstance(examples, list)
    tasks = [task for entry in examples for task in (entry.get("tasks", [entry]) if "hosts" in entry else [entry])]
    used = set()
    for task in blocks(tasks):
        actions = [k for k in task if k not in KEYWORDS and not k.startswith("with_")]
        assert len(actions) == 1, task
        assert re.fullmatch(r"\w+\.\w+\.\w+", actions[0]), actions[0]
        used.add(actions[0])
    assert f"mesh.fleet.{module}" in used


def shape(option: t.Mapping[str, t.Any], inner: str) -> dict[str, t.Any]:
    """What an argument_spec entry and a documented option have in common."""
    out = {
        "type": option.get("type", "str"),
        "required": bool(option.get("required", False)),
        "default": option.get("default"),
        "elements": option.get("elements"),
        "choices": sorted(option.get("choices") or [], key=str),
        "no_log": None,
    }
    if option.get(inner):
        out["inner"] = {name: shape(value, inner) for name, value in option[inner].items()}
    return out


def shared_options(doc: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Options that a module's documentation has from our fragments."""
    found: dict[str, t.Any] = {}
    fragments = doc.get("extends_documentation_fragment") or []
    for name in [fragments] if isinstance(fragments, str) else fragments:
        _namespace, _collection, file, *part = name.split(".")
        fragment = importlib.import_module(f"ansible_collections.mesh.fleet.plugins.doc_fragments.{file}")
        text = getattr(fragment.ModuleDocFragment, part[0].upper() if part else "DOCUMENTATION")
        found.update(yaml.safe_load(text).get("options") or {})
    return found


@pytest.mark.parametrize("module", MODULES)
def test_module_documents_the_arguments_of_its_action(module: str) -> None:
    action = importlib.import_module(f"ansible_collections.mesh.fleet.plugins.action.{module}").ActionModule
    doc = documented(ROOT / "plugins" / "modules" / f"{module}.py", "DOCUMENTATION")
    accepted = {name: shape(option, "options") for name, option in action.ARGUMENT_SPEC.items()}
    options = {**(doc.get("options") or {}), **shared_options(doc)}
    described = {name: shape(option, "suboptions") for name, option in options.items()}
    assert accepted == described


# Inventory plugins.


def test_there_are_inventory_plugins() -> None:
    assert INVENTORIES


@pytest.mark.parametrize("name", INVENTORIES)
def test_inventory_documentation_is_complete(name: str) -> None:
    doc = documented(ROOT / "plugins" / "inventory" / f"{name}.py", "DOCUMENTATION")
    assert doc["name"] == name
    assert doc["short_description"]
    assert {"constructed", "inventory_cache"} <= set(doc["extends_documentation_fragment"])
    for option, details in doc["options"].items():
        assert details.get("description"), option
        assert details.get("type") or option == "plugin", option


@pytest.mark.parametrize("name", INVENTORIES)
def test_inventory_examples_use_documented_options(name: str) -> None:
    path = ROOT / "plugins" / "inventory" / f"{name}.py"
    known = set(documented(path, "DOCUMENTATION")["options"])
    for fragment in ("constructed", "inventory_cache"):
        found = importlib.import_module(f"ansible.plugins.doc_fragments.{fragment}").ModuleDocFragment
        known |= set(yaml.safe_load(found.DOCUMENTATION)["options"])
    known |= set(shared_options({"extends_documentation_fragment": "mesh.fleet.fleet_google"}))
    examples = documented(path, "EXAMPLES")
    assert isinstance(examples, list)
    for example in examples:
        assert example["plugin"] == f"mesh.fleet.{name}"
        assert set(example) <= known


@pytest.mark.parametrize("name", INVENTORIES)
def test_ansible_doc_shows_an_inventory_plugin(name: str) -> None:
    said = subprocess.run(
        ["ansible-doc", "--json", "-t", "inventory", f"mesh.fleet.{name}"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=900,
    )  # fmt: skip
    entry = json.loads(said.stdout)[f"mesh.fleet.{name}"]
    assert entry["examples"]
    assert "cache_plugin" in entry["doc"]["options"]


def test_ansible_doc_shows_every_module() -> None:
    said = subprocess.run(
        ["ansible-doc", "--json", *(f"mesh.fleet.{module}" for module in MODULES)],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=900,
    )  # fmt: skip
    shown = json.loads(said.stdout)
    assert set(shown) == {f"mesh.fleet.{module}" for module in MODULES}
    for name, entry in shown.items():
        assert entry["doc"]["description"], name
        assert entry["examples"], name
        assert {"msg", "objects"} & set(entry["return"]), name


def test_ansible_doc_shows_every_role() -> None:
    said = subprocess.run(
        ["ansible-doc", "--json", "-t", "role", *(f"mesh.fleet.{role}" for role in ROLES)],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=900,
    )  # fmt: skip
    shown = json.loads(said.stdout)
    assert set(shown) == {f"mesh.fleet.{role}" for role in ROLES}
    assert all({"main", "absent"} <= set(role["entry_points"]) for role in shown.values())


# What the READMEs of roles show as YAML is YAML, with variables that exist.


@pytest.mark.parametrize("role", ROLES)
def test_examples_of_a_role_parse(role: str) -> None:
    from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import VARIABLES

    specs = load(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]
    known = {name for spec in specs.values() for name in spec.get("options") or {}} | set(VARIABLES)
    text = (ROOT / "roles" / role / "README.md").read_text(encoding="utf-8")
    for block in re.findall(r"```ya?ml\n(.*?)```", text, flags=re.DOTALL):
        data = yaml.safe_load(block)
        if isinstance(data, dict):
            ours = {name for name in data if name.startswith((f"{role}_", *SHARED_PREFIXES))}
            assert ours <= known


# Playbooks and packaging.


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda p: p.stem)
def test_playbook_uses_full_names(path: Path) -> None:
    for play in load(path):
        if "import_playbook" in play or "ansible.builtin.import_playbook" in play:
            continue
        assert play.get("name")
        tasks = [task for key in ("pre_tasks", "tasks", "post_tasks", "handlers") for task in play.get(key) or []]
        for task in blocks(tasks):
            actions = [k for k in task if k not in KEYWORDS and not k.startswith("with_")]
            assert all(re.fullmatch(r"\w+\.\w+\.\w+", action) for action in actions), actions
        for role in play.get("roles") or []:
            assert (role if isinstance(role, str) else role["role"]).startswith("mesh.fleet.")


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda p: p.stem)
def test_playbook_refuses_an_inventory_without_clusters(path: Path) -> None:
    first = load(path)[0].get("ansible.builtin.import_playbook")
    if path.stem == "site":
        assert all("ansible.builtin.import_playbook" in play for play in load(path))
    elif path.stem not in ("clusters_named", "awx"):  # awx works on AWX, whatever the inventory
        assert first == "clusters_named.yml"


def test_python_files_have_a_licence_and_packages_no_init() -> None:
    for path in [*(ROOT / "plugins").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        first = path.read_text(encoding="utf-8").splitlines()[:3] or ["Copyright GNU General Public License v3.0+"]
        assert any("Copyright" in line for line in first), path
        assert any("GNU General Public License v3.0+" in line for line in first), path
    assert list((ROOT / "plugins").rglob("__init__.py")) == []


def test_execution_environment_lists_what_exists() -> None:
    files = load(ROOT / "meta" / "execution-environment.yml")["dependencies"]
    whole = load(ROOT / "execution-environment.yml")["dependencies"]
    # What pip and apt are to bring is said once, by the collection itself; ansible-builder reads it there.
    assert not {"python", "system"} & whole.keys()
    assert files["galaxy"] == whole["galaxy"]
    for name in files.values():
        assert (ROOT / name).is_file()
    wanted = {c["name"]: c["version"] for c in load(ROOT / "requirements.yml")["collections"]}
    for name, version in load(ROOT / "galaxy.yml")["dependencies"].items():
        assert wanted[name] == version


ON_THE_CONTROLLER = frozenset(
    f"ansible.builtin.{name}"
    for name in ("assert", "debug", "fail", "import_role", "import_tasks", "include_role", "include_tasks", "set_fact")
)
"""Actions of Ansible's that no host takes part in, as none does in ours (``plugins/action``)."""


@pytest.mark.parametrize(
    "path", sorted((ROOT / "roles").glob("*/tasks/*.yml")), ids=lambda p: f"{p.parts[-3]}-{p.stem}"
)
def test_modules_run_on_the_controller(path: Path) -> None:
    """A host is a cluster, to which nobody logs in; an inventory need not say so (``ansible_connection: local``)."""
    for task in with_vars(load(path), {}):
        (action,) = set(task) - KEYWORDS
        if action in ON_THE_CONTROLLER or action.removeprefix("mesh.fleet.") in ACTIONS:
            continue
        assert task["vars"].get("ansible_connection") == "local", f"{task['name']}: {action}"
        assert task["vars"].get("ansible_python_interpreter") == "{{ ansible_playbook_python }}"
        assert task["vars"].get("ansible_become") is False
