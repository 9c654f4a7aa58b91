# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes `ansible_collections.mesh.fleet` importable from a checkout, and speaks for all tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent
COLLECTIONS = ROOT / "collections"

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

# Machines that run tests side by side are slow at times; a wall clock limit per example only makes tests flicker.
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT
