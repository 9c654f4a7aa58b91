# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the pages for people name is there: files, headings, targets of make, plugins, variables and their defaults."""

from __future__ import annotations

import re
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()
)  # fmt: skip
TREES = ("changelogs", "docs", "inventories", "molecule", "playbooks", "plugins", "roles", "tests")
# Google's roles look like paths, X stands for a name, prod for an inventory of the reader's, eks for what could be.
NO_PATH = re.compile(r"roles/[a-z]+\.[A-Za-z.]+$|.*\bX\b|inventories/prod(/|$)|.*/eks\.py$")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """What a heading is called in a link: small, words joined by dashes, without punctuation."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def code(page: Path) -> list[str]:
    """Everything in backticks and in fenced blocks."""
    text = page.read_text(encoding="utf-8")
    fenced = re.findall(r"```\w*\n(.*?)```", text, flags=re.DOTALL)
    return fenced + re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def test_there_are_pages() -> None:
    assert {"README.md", "docs/architecture.md"} <= {named(page) for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"\w+:", link):
            continue
        path, _hash, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_files_that_are_named_are_there(page: Path) -> None:
    for text in code(page):
        for path in re.findall(rf"(?<![\w/.~>-])(?:{'|'.join(TREES)})/[\w./-]*\w(?![\w*<{{]|/[<{{*])", text):
            folder = page.parent if (page.parent / path).exists() else ROOT
            assert (folder / path).exists() or NO_PATH.match(path), path


def below_plugins(name: str) -> Path:
    """A file or folder as the pages abbreviate it: `_model/peering/graph.py`, `base/` below its heading's folder."""
    plugins = ROOT / "plugins"
    candidates = (plugins / name, plugins / "module_utils" / name)
    return next((path for path in candidates if path.exists()), plugins / name)


PART = re.compile(
    r"(?<![\w/.-])((?:_model|_kube|_local|_gcp|plugin_utils|module_utils)/[\w/]*\w(?:\.py)?)/?(?:: ([\w.]+)\(\))?"
)
"""A file or folder below plugins/ or plugins/module_utils/, and perhaps a function in it: `_kube/apply.py: name()`."""


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_parts_of_plugins_that_are_named_are_there(page: Path) -> None:
    plugins = ROOT / "plugins"
    for text in code(page):
        for path, name in PART.findall(text):
            found = next((p for p in (plugins / path, plugins / "module_utils" / path) if p.exists()), None)
            assert found, path
            assert not name or f"def {name.rpartition('.')[2]}(" in found.read_text(encoding="utf-8"), name


def test_the_architecture_names_every_room() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for parent in ("plugin_utils", *(f"module_utils/{edge}" for edge in ("_model", "_local", "_gcp"))):
        section = page[page.index(f"`{parent}/`:") :].split("\n\n")[1]
        rooms = {path.parent.name for path in (ROOT / "plugins" / parent).glob("*/*.py")}
        assert set(re.findall(r"^\| `(\w+)/`", section, flags=re.MULTILINE)) == rooms, parent


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_targets_of_make_are_there(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    stages = re.search(r"^STAGES := (.+)$", makefile, flags=re.MULTILINE)
    assert stages
    known = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE)) | set(stages[1].split())
    for text in code(page):
        for line in re.findall(r"^make((?: [a-z]+)+)(?=$|[\s#])", text, flags=re.MULTILINE):
            assert set(line.split()) <= known, line


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_parts_that_are_named_are_there(page: Path) -> None:
    kinds = ("action", "callback", "doc_fragments", "filter", "inventory", "modules", "test")
    known = {p.stem for kind in kinds for p in (ROOT / "plugins" / kind).glob("*.py")}
    known |= {p.name for p in (ROOT / "roles").iterdir()} | {p.stem for p in (ROOT / "playbooks").glob("*.yml")}
    for text in code(page):
        # Not `group/mesh.fleet.fleet`, the action group, nor an address or a label of that name.
        for name in re.findall(r"(?<![\w/.-])mesh\.fleet\.(\w+)(?![\w./:])", text):
            assert name in known, name


def table(page: Path) -> t.Iterator[tuple[list[str], str]]:
    """Rows of a table of variables: the names, and what stands for the default."""
    for first, second in re.findall(
        r"^\| (`[^|]+`) \| ([^|]*) \|", page.read_text(encoding="utf-8"), flags=re.MULTILINE
    ):
        yield re.findall(r"`([^`]+)`", first), second.strip()


@pytest.mark.parametrize("role", sorted(p.parent.name for p in (ROOT / "roles").glob("*/README.md")))
def test_defaults_in_a_roles_readme_are_its_own(role: str) -> None:
    specs = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    options: dict[str, t.Any] = {}
    for spec in specs["argument_specs"].values():
        options = {**(spec.get("options") or {}), **options}
    for names, text in table(ROOT / "roles" / role / "README.md"):
        ours = [name for name in names if name.startswith(f"{role}_")]
        values = re.fullmatch(r"`[^`]*`(?:, `[^`]*`)*", text)
        for number, name in enumerate(ours):
            assert name in options, name
            if values and "$" not in text and "…" not in text:
                written = [yaml.safe_load(value) for value in re.findall(r"`([^`]*)`", text)]
                default = options[name].get("default")
                if "{{" not in str(default):
                    assert written[number if len(written) == len(ours) else 0] == default, f"{name}: {default!r}"
