# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Google's client where its Python packages are missing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys
sys.modules["{package}"] = None
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
try:
    Google.from_args({{"project": "shop"}})
except FleetError as error:
    print(error.what, error.next_step, sep="|")
"""


@pytest.mark.parametrize("package", ["requests", "google.auth", "googleapiclient"])
def test_a_missing_package_is_named_only_when_it_is_needed(package: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(package=package)],
        env={**os.environ, "PYTHONPATH": os.environ["ANSIBLE_COLLECTIONS_PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    what, next_step = done.stdout.strip().split("|")
    assert what == "Python packages for Google Cloud are missing"
    assert next_step == "pip install google-api-python-client google-auth requests"
