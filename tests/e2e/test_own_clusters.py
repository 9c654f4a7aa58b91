# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The README's way from an empty home to a mesh over clusters that exist already, word for word.

Once as root on a machine with everything, once as nobody on one without a container engine.
"""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
import yaml

from tests.hostile import readable_by_others

from .installed import Person, Snippet, build, snippets
from .local_fleet import CACHE, Fleet
from .mesh import Objects, differences, objects
from .playbooks import ROOT
from .waiting import until_equal

NAMES = {"fra": "west", "iad": "east"}
"""The clusters of the page, and ours."""
PAGE = snippets(ROOT / "README.md", "Clusters that exist already")


@pytest.fixture(scope="module")
def before(fleet: Fleet) -> Objects:
    fleet.make("per_cluster")
    return objects(fleet)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return build(tmp_path_factory.mktemp("archive"))


@pytest.fixture(params=["root", "nobody"])
def person(request: pytest.FixtureRequest) -> t.Iterator[Person]:
    somebody = Person(root=request.param == "root", helm=CACHE / "bin" / "helm")
    yield somebody
    somebody.leave()


def prepare(person: Person, fleet: Fleet, archive: pathlib.Path) -> None:
    """What the page takes for granted: kubeconfigs, and what replaces Galaxy's and Istio's servers here."""
    person.write(person.home / ".kube" / "config", fleet.kubeconfig({"fra": NAMES["fra"]}))
    person.write(person.folder / "kubeconfigs" / "iad.yaml", fleet.kubeconfig({"iad": NAMES["iad"]}))
    person.bring(archive, person.home.parent / archive.name)
    person.bring(CACHE / "charts", person.folder / "charts")
    # The folder is one by either way to say so.
    brought = {**fleet.brought("charts"), "gateways_charts": "./charts"}
    person.write(person.folder / "group_vars" / "mesh_clusters.yml", yaml.safe_dump(brought))


def follow(person: Person, archive: str, block: Snippet) -> t.Iterator[tuple[str, str]]:
    """Do what a block of the page says; each command, without its comment, and what it said, before the next one."""
    if block.file:
        person.write(person.folder / block.file, block.text)
        return
    for line in block.text.splitlines():
        command = line.partition("  #")[0].rstrip()
        ours = re.sub(r"^(ansible-galaxy collection install) mesh\.fleet$", rf"\1 {archive}", command)
        yield command, person.run(ours)


def recap(said: str) -> dict[str, str]:
    """What the last lines of a run say of each cluster."""
    return dict(re.findall(r"^(fra|iad) +(\S.*)$", said, flags=re.MULTILINE))


def test_the_readme_leads_to_a_mesh_and_back(
    before: Objects, fleet: Fleet, archive: pathlib.Path, person: Person
) -> None:
    prepare(person, fleet, archive)
    said: dict[str, str] = {}
    for block in PAGE:
        for command, output in follow(person, str(person.home.parent / archive.name), block):
            said[command] = output
            if command.endswith("--check --diff"):
                assert "PRIVATE KEY" not in output
                until_equal(lambda: differences(fleet, before), {}, "what check mode made")
    made = said["ansible-playbook mesh.fleet.site"]
    for caller, callee in (("fra", "iad"), ("iad", "fra")):
        assert re.search(rf"{caller} → {callee} +probe-{callee} +200 .*gateway", made), made
    assert all("changed" in line for line in recap(made).values()), made
    again = said["ansible-playbook site.yml"]
    assert recap(again) == {"fra": "ok", "iad": "ok"}, again
    assert recap(said["ansible-playbook mesh.fleet.verify"]) == {"fra": "ok", "iad": "ok"}
    assert readable_by_others(person.home / ".local" / "state" / "mesh.fleet") == []
    until_equal(lambda: differences(fleet, before), {}, "what the mesh leaves behind")
