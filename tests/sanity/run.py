# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run ansible-test sanity on what is in the checkout; arguments go to ansible-test (`--test yamllint`).

ansible-test wants to lie at …/ansible_collections/mesh/fleet and refuses symlinks, so the files that git
knows or would add are copied to build/. Each of its tests runs in a small virtual environment that
ansible-test makes and keeps; they are kept in the project's cache, not in the user's home. To put pip into
such an environment it downloads a script from a host of its own; we lay ready a script that does the same with
the pip that comes with Python, so nothing but a package index is needed. Its `import` test knows no package
beside PyYAML and Jinja2; we give its environments our pinned requirements, so that our imports are really
tried instead of being ignored.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
TARGET = ROOT / "build" / "ansible_collections" / "mesh" / "fleet"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mesh.fleet" / "ansible-test"
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"

GET_PIP = '''\
"""Puts pip into a virtual environment from the wheel that comes with Python."""
import glob
import os
import sys

import ensurepip

wheels = glob.glob(os.path.join(os.path.dirname(ensurepip.__file__), "_bundled", "pip-*.whl"))
# Debian keeps its wheels elsewhere.
wheels += glob.glob("/usr/share/python-wheels/pip-*.whl")
if not wheels:
    sys.exit("this Python brings no pip wheel: install its ensurepip (Debian: python3-venv)")
sys.path.insert(0, wheels[0])
from pip._internal.cli.main import main  # noqa: E402  the wheel has to be on the path first

ours = ("--no-setuptools", "--no-wheel")
sys.exit(main(["install", *(a for a in sys.argv[1:] if a not in ours)]))
'''


def export() -> None:
    """Copy what git knows or would add, and nothing that is excluded from the built collection's code."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    ignored = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["build_ignore"]
    shutil.rmtree(TARGET, ignore_errors=True)
    for name in listing.stdout.decode().split("\0"):
        source = ROOT / name
        if not name or name.split("/")[0] in ignored or source.is_symlink() or not source.is_file():
            continue
        target = TARGET / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    # It takes the files from git; an empty repository of its own keeps it from climbing up to ours.
    subprocess.run(["git", "init", "-q", "."], cwd=TARGET, check=True)


def lay_pip_ready() -> None:
    source = Path(__import__("ansible_test").__file__).parent / "_internal" / "python_requirements.py"
    found = re.search(r"pip='([0-9.]+)'", source.read_text(encoding="utf-8"))
    if not found:
        sys.exit("sanity: this ansible-test does not say which pip it wants; tests/sanity/run.py has to learn it")
    script = CACHE / ".ansible" / "test" / "cache" / f"get_pip_{found[1].replace('.', '_')}.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(GET_PIP, encoding="utf-8")


def give_requirements(run: list[str], env: dict[str, str]) -> None:
    """Install requirements.txt, without Ansible itself, where the import test runs."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line and not line.startswith(("#", "ansible=="))]
    stamp = "\n".join(wanted)
    venvs = CACHE / ".ansible" / "test" / "venv"
    subprocess.run(
        [*run, "--test", "import", "--prime-venvs"], cwd=TARGET, env=env, stdin=subprocess.DEVNULL, check=True
    )
    # `sanity` without a name is the empty one, in which modules and module_utils are imported.
    found = [*venvs.glob(f"sanity/{PYTHON}/*/bin/python"), *venvs.glob(f"sanity.import*/{PYTHON}/*/bin/python")]
    for python in sorted(found):
        done = python.parent.parent / "mesh-fleet-requirements.txt"
        if done.exists() and done.read_text(encoding="utf-8") == stamp:
            continue
        pip = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(python),
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]
        subprocess.run([*pip, *wanted], env=env, stdin=subprocess.DEVNULL, check=True)
        done.write_text(stamp, encoding="utf-8")


def main() -> int:
    export()
    lay_pip_ready()
    env = {k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")}
    pip_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pip"
    env |= {"HOME": str(CACHE), "PIP_CACHE_DIR": str(pip_cache)}
    run = ["ansible-test", "sanity", "--python", PYTHON, "--color", "no"]
    give_requirements(run, env)
    return subprocess.run([*run, *sys.argv[1:]], cwd=TARGET, env=env, stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
