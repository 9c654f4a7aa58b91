# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each test stage consists of. tests/run.py runs it."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("lint", "unit", "sanity", "artifacts", "api", "gcp", "molecule", "e2e")
NAMES_ON_REQUEST = ("long", "other-python")
"""Stages that a run of all leaves out."""
TEST_FLEET = "test"
"""`make test` makes and removes a fleet of this name; the one of `make site` is called `local`."""
# Named, because molecule finds it by itself only where the checkout is a git repository.
MOLECULE = ".config/molecule/config.yml"
# ansible-lint puts things, even a copy of this collection, below ANSIBLE_HOME: not in the user's.
LINT_ENV = {"ANSIBLE_HOME": str(ROOT / ".cache" / "ansible"), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections")}
EXPORTED = ROOT / "build" / "ansible_collections" / "mesh" / "fleet"
"""Where the sanity stage copies the collection to."""
COLLECTION = "collections/ansible_collections/mesh/fleet"
MODELS_OF_A_MESH = ("test_multi_primary_flat.py", "test_multi_primary_networks.py", "test_primary_remote.py")
"""These end-to-end tests take as long as all others together."""
BUILT = ("artifacts",)
"""What stages with servers or clusters come after."""
OTHER_PYTHON = "3.13"
"""Unit tests that depend on the Python run on this one by request."""
FOR_OTHER_PYTHON = tuple(
    f"tests/unit/{folder}" for folder in ("plugins/module_utils", "plugins/plugin_utils", "plugins/action", "roles")
)
"""Those tests. The others read pages and specs, or run Ansible many times: they would double the stage."""


@dataclasses.dataclass(frozen=True)
class Command:
    """One program of a stage."""

    name: str
    argv: list[str]
    env: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    cwd: Path | None = None
    junit: Path | None = None
    good_codes: tuple[int, ...] = (0,)


@dataclasses.dataclass(frozen=True)
class Stage:
    """Commands that run one after the other, once the stages that this one is ``after`` have passed.

    One ``aside`` computes all the time. It fills what the others, who wait for servers and pods, leave of the
    processor, and gives way to them. ``live`` ones show their output as it comes.
    """

    name: str
    commands: tuple[Command, ...]
    after: tuple[str, ...] = ()
    aside: bool = False
    live: bool = False
    env: t.Mapping[str, str] = dataclasses.field(default_factory=dict)


def pytest(name: str, out: Path, *where: str, python: str = sys.executable) -> Command:
    junit = out / f"{name}.xml"
    argv = [python, "-m", "pytest", *where, f"--junit-xml={junit}", "-o", f"junit_suite_name={name}"]
    return Command(f"pytest {name}", argv, junit=junit)


def other_python(version: str) -> str:
    """A Python of this version that can make an environment; "" where there is none, or .venv has it already."""
    if version == f"{sys.version_info[0]}.{sys.version_info[1]}":
        return ""
    found = [f"python{version}"]
    if pyenv := shutil.which("pyenv"):
        # Its command python3.13 works only where that version is chosen; the folder of the version always does.
        prefix = subprocess.run([pyenv, "prefix", version], capture_output=True, text=True, check=False).stdout.strip()
        found.append(f"{prefix}/bin/python{version}")
    for python in filter(shutil.which, found):
        test = [python, "-c", "import ensurepip, sys, venv; print(sys.executable)"]
        done = subprocess.run(test, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.strip()
    return ""


def other_unit(out: Path) -> tuple[Command, ...]:
    """Unit tests on the other Python; a command that says so where the machine has none."""
    python = other_python(OTHER_PYTHON)
    if not python:
        said = f"no Python {OTHER_PYTHON} with ensurepip and venv on PATH or of pyenv: install one"
        return (Command(f"Python {OTHER_PYTHON}", [sys.executable, "-c", f"raise SystemExit({said!r})"]),)
    folder = f".cache/venv-{OTHER_PYTHON}"
    return (
        # What these tests import gets compiled then; the rest, most of Ansible's own collections, never.
        Command(
            f"environment of Python {OTHER_PYTHON}", [python, "tests/venv.py", folder], env={"PIP_NO_COMPILE": "1"}
        ),
        pytest(f"unit-{OTHER_PYTHON}", out, *FOR_OTHER_PYTHON, python=f"{folder}/bin/python"),
    )


def playbooks() -> list[str]:
    return sorted(str(p.relative_to(ROOT)) for p in (ROOT / "playbooks").glob("*.yml"))


def lint() -> tuple[Command, ...]:
    commands = [
        Command("ruff check", ["ruff", "check", "."]),
        Command("ruff format", ["ruff", "format", "--check", "."]),
        # By the collection's own names, so that a module is not seen under two of them.
        Command("mypy", ["mypy", f"{COLLECTION}/plugins"]),
        Command("changelog", ["antsibull-changelog", "lint"]),
        Command("ansible-lint", ["ansible-lint", "--offline", "--strict", "--nocolor"], env=LINT_ENV),
    ]
    if playbooks():
        syntax = ["ansible-playbook", "-i", "inventories/local", "--syntax-check", *playbooks()]
        commands.append(Command("syntax", syntax))
    return tuple(commands)


def sanity() -> tuple[Command, ...]:
    docs = ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "--skip-rstcheck"]
    return (
        Command("ansible-test", [sys.executable, "tests/sanity/run.py"]),
        # Every reference in the documentation of plugins and roles leads somewhere.
        Command("antsibull-docs", [*docs, "--validate-collection-refs", "self", "."], cwd=EXPORTED),
        Command("galaxy", [sys.executable, "tests/galaxy.py"]),
    )


def artifacts() -> tuple[Command, ...]:
    argv = ["ansible-playbook", "-i", "inventories/local", "playbooks/clusters.yml", "--tags", "artifacts"]
    return (Command("artifacts", argv),)


def molecule() -> tuple[Command, ...]:
    program = ["molecule", "--base-config", MOLECULE]
    return (
        # A run that was stopped has left word of a fleet that was made, and removing that fleet leaves the word. Where
        # there is none to forget, molecule ends with 1.
        Command("molecule reset", [*program, "reset", "--all"], good_codes=(0, 1)),
        Command("molecule", [*program, "test", "--all", "--report"]),
    )


def end_to_end(out: Path) -> tuple[Stage, ...]:
    """The end-to-end tests in two halves, each with fleets of its own."""
    files = {path.name for path in (ROOT / "tests" / "e2e").glob("test_*.py")}
    models = files.intersection(MODELS_OF_A_MESH)
    return tuple(
        Stage(
            name,
            (pytest(name, out, *(f"tests/e2e/{file}" for file in sorted(half)), "-v"),),
            after=BUILT,
            live=True,
            env={"MESH_FLEET_NAME": TEST_FLEET, "MESH_FLEET_E2E": fleets},
        )
        for name, fleets, half in (("e2e", "e2e", models), ("e2e-more", "more", files - models))
    )


def long(out: Path) -> Stage:
    """End-to-end tests of more clusters than a run of all has time for."""
    env = {"MESH_FLEET_NAME": TEST_FLEET, "MESH_FLEET_E2E": "long"}
    return Stage("long", (pytest("long", out, "tests/e2e/long", "-v"),), after=BUILT, live=True, env=env)


def stages(names: t.Iterable[str], out: Path) -> list[Stage]:
    """The stages asked for, in the order in which they run."""
    wanted = set(names)
    if wanted & {"api", "gcp", "molecule", "e2e", "long"}:
        # What they need is built first; with everything there this takes a moment.
        wanted.add("artifacts")
    fleet = {"MESH_FLEET_NAME": TEST_FLEET}
    models, others = end_to_end(out)
    # Of stages of one kind the longest first, so that none is left over; but what fails soonest before all.
    known = [
        ("artifacts", Stage("artifacts", artifacts(), live=True)),
        ("lint", Stage("lint", lint(), aside=True)),
        # Each has fleets of its own. What has nodes is not beside its like, as far as two cores allow.
        ("e2e", models),
        ("long", long(out)),
        ("api", Stage("api", (pytest("api", out, "tests/api"),), after=BUILT)),
        ("e2e", others),
        ("molecule", Stage("molecule", molecule(), after=BUILT, live=True, env=fleet)),
        # AWX's stand-in, with jobs on API servers.
        ("api", Stage("awx", (pytest("awx", out, "tests/awx"),), after=BUILT)),
        ("unit", Stage("unit", (pytest("unit", out, "tests/unit"),), aside=True)),
        ("sanity", Stage("sanity", sanity(), aside=True)),
        (
            "other-python",
            Stage(f"unit-{OTHER_PYTHON}", other_unit(out) if "other-python" in wanted else (), aside=True),
        ),
        # Google's stand-in is in the process of the tests: nothing to wait for.
        ("gcp", Stage("gcp", (pytest("gcp", out, "tests/gcp"),), after=BUILT, aside=True)),
    ]
    return [stage for name, stage in known if name in wanted and stage.commands]


def remove_test_fleet(out: Path) -> None:
    """Remove the fleet of the tests, whatever became of them."""
    argv = ["ansible-playbook", "-i", "inventories/local", "playbooks/teardown.yml", "-e", "trust_remove_root=true"]
    env = {**os.environ, "MESH_FLEET_NAME": TEST_FLEET}
    with (out / "teardown.log").open("wb") as log:
        done = subprocess.run(
            argv, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode:
        print(f"the fleet {TEST_FLEET!r} may not be gone: see {log.name}", flush=True)


def closing_lines(text: str) -> list[str]:
    """pytest's own last lines, which say how many tests passed, and what was skipped and why."""
    closing = re.compile(r"^=+ .*\b(passed|failed|error|errors|skipped|no tests ran)\b.* =+$")
    return [line for line in text.splitlines() if closing.match(line) or line.startswith("SKIPPED [")]


def junit_counts(path: Path) -> tuple[int, int]:
    """``(passed, failed)`` of a JUnit file; skipped tests count as neither."""
    passed = failed = 0
    for suite in ElementTree.parse(path).getroot().iter("testsuite"):
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        failed += bad
        passed += int(suite.get("tests", 0)) - bad - int(suite.get("skipped", 0))
    return passed, failed
