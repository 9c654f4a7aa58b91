# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether Galaxy takes the collection: its importer's rules on the archive, and the pages that antsibull-docs makes.

Both fail here at a warning. What the importer may run besides has commands of its own: ansible-lint, with the same
profile, and ruff are in stage lint, ansible-test is in stage sanity. Its flake8, which is off by default, forbids what
the formatter writes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXPORTED = ROOT / "build" / "ansible_collections" / "mesh" / "fleet"
"""What git knows, copied there by tests/sanity/run.py."""
CONFIG = """
[galaxy-importer]
RUN_FLAKE8 = False
RUN_ANSIBLE_DOC = True
RUN_ANSIBLE_LINT = False
RUN_ANSIBLE_TEST = False
CHECK_REQUIRED_TAGS = True
CHECK_CHANGELOG = True
"""
TROUBLE = ("WARNING", "ERROR", "Traceback", "Skipping")


def run(argv: list[str], cwd: Path, env: dict[str, str]) -> str:
    """What a command said; it must succeed, and warn of nothing."""
    done = subprocess.run(
        argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip
    bad = [line for line in done.stdout.splitlines() if any(word in line for word in TROUBLE)]
    if done.returncode or bad:
        sys.exit(f"{done.stdout[-6000:]}\n{argv[0]}: exit status {done.returncode}; of it:\n" + "\n".join(bad))
    return done.stdout


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        home = base / "home"
        home.mkdir()
        (base / "importer.cfg").write_text(CONFIG)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "GALAXY_"))}
        env |= {"HOME": str(home), "GALAXY_IMPORTER_CONFIG": str(base / "importer.cfg"), "NO_COLOR": "1"}
        run(["ansible-galaxy", "collection", "build", "--output-path", str(base)], EXPORTED, env)
        archive = next(base.glob("mesh-fleet-*.tar.gz"))
        run(["ansible-galaxy", "collection", "install", "--no-deps", str(archive)], base, env)
        run([sys.executable, "-m", "galaxy_importer.main", str(archive)], base, env)
        pages = base / "pages"
        pages.mkdir()
        pages_of = ["antsibull-docs", "collection", "--use-current", "--squash-hierarchy", "--fail-on-error"]
        run([*pages_of, "--dest-dir", str(pages), "mesh.fleet"], base, env)
        made = {path.name for path in pages.rglob("*.rst")}
        lacking = {"index.rst", "trust_role.rst", "objects_module.rst", "stages_callback.rst", "start.rst"} - made
        if lacking:
            sys.exit(f"antsibull-docs did not make {sorted(lacking)}")
        print(f"{archive.name}: Galaxy's rules pass, {len(made)} pages")


if __name__ == "__main__":
    main()
