# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes `ansible_collections.mesh.fleet` importable from a checkout, and speaks for all tests."""

from __future__ import annotations

import os
import re
import sys
import typing as t
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent
COLLECTIONS = ROOT / "collections"

# What a person's shell says about Ansible, clouds and clusters, and in which language programs speak to them, is
# not for tests. Where Ansible may put its files is.
_ABOUT_THEIRS = re.compile("(ANSIBLE|CLOUDSDK|GCP|GOOGLE|HELM|K8S_AUTH)_|KUBECONFIG$|LANGUAGE$|REQUESTS_CA_BUNDLE$")
_PLACES = ("ANSIBLE_HOME", "ANSIBLE_LOCAL_TEMP", "ANSIBLE_REMOTE_TEMP")
for _name in [name for name in os.environ if _ABOUT_THEIRS.match(name) and name not in _PLACES]:
    del os.environ[_name]
os.environ["LC_ALL"] = "C.UTF-8"

os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(COLLECTIONS)
os.environ["ANSIBLE_CONFIG"] = str(ROOT / "ansible.cfg")
# Programs that a test starts find `ansible_collections.mesh.fleet` too.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

# The stand-in for Google serves tests of several folders: `from tests.gcp.standin.server import StandIn`.
sys.path.insert(0, str(ROOT))

# Ansible's own importer, so that a test sees the collection as a run does: the committed symlink
# collections/ansible_collections/mesh/fleet leads back here. It reads the environment above when it is imported.
from ansible.plugins.loader import init_plugin_loader

init_plugin_loader([str(COLLECTIONS)])

from ansible_collections.mesh.fleet.plugins.plugin_utils.base import unexpected

# Machines that run tests side by side are slow at times; a wall clock limit only makes tests flicker. Every run tries
# the same examples, so that a change is never blamed for what another draw finds; `--hypothesis-profile=explore` draws
# new ones.
_SLOW = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("project", derandomize=True, **_SLOW)
hypothesis.settings.register_profile("explore", max_examples=1000, **_SLOW)
hypothesis.settings.load_profile("project")


@pytest.fixture(scope="session")
def no_proxy() -> t.Iterator[None]:
    """No proxy of the machine stands between a test and the servers that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
            patch.delenv(name)
        yield


@pytest.fixture(autouse=True)
def defects(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[list[str]]:
    """What nobody foresaw, which users are told as a problem of a cluster, fails a test that does not clear this."""
    made: list[str] = []
    first = unexpected.Unexpected.__init__

    def noted(self: unexpected.Unexpected, what: str, **about: str) -> None:
        first(self, what, **about)
        made.append(str(self))

    monkeypatch.setattr(unexpected.Unexpected, "__init__", noted)
    yield made
    assert made == []


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT
