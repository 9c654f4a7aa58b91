# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a path means that an inventory, a role or a task gives: a relative one begins at the inventory's folder.

Not at the current folder, which differs from run to run, nor at the playbook's, which may be inside the collection.
"""

from __future__ import annotations

import os
import re
import typing as t

__all__ = ["chart_at", "folder_of_host", "folder_of_inventory", "located", "located_files", "located_program"]

_NO_PATH = re.compile(r"[A-Za-z][\w+.-]*://|\$ANSIBLE_VAULT|.*(-----BEGIN|\n)", flags=re.DOTALL)
"""An address, or the text itself where a path may stand."""


def located(value: str, folder: str) -> str:
    """The absolute path that a value means.

    Args:
        value: a path, which may begin with ``~``. What is none (empty, an address, PEM, vault text) stays as it is.
        folder: where a relative one begins; "" for the current folder.
    """
    if not value or _NO_PATH.match(value):
        return value
    return os.path.normpath(os.path.join(os.path.abspath(folder), os.path.expanduser(value)))


def located_files(value: str, folder: str) -> str:
    """The same for one file, or for a list of files with colons between, as kubectl's variable KUBECONFIG."""
    whole = located(value, folder)
    # A colon in the name of the folder itself separates nothing.
    own = os.path.join(os.path.abspath(folder), "")
    parts = value.replace(own, "\0").split(os.pathsep)
    if len(parts) == 1 or os.path.exists(whole):
        return whole
    return os.pathsep.join(located(part.replace("\0", own), folder) for part in parts if part)


def located_program(value: str, folder: str) -> str:
    """The same for a program, whose bare name is looked for on PATH, whatever is called so beside the inventory."""
    return located(value, folder) if os.sep in value or value.startswith((".", "~")) else value


def chart_at(chart: str, repo: str, folder: str) -> str:
    """A chart's folder or archive as an absolute path; a name in a repository as it is.

    Without ``repo``, ``name/chart`` may be either. As Helm does, what is there is taken.
    """
    is_path = chart.startswith((".", "~", "/")) or os.path.exists(os.path.join(folder, chart))
    return located(chart, folder) if is_path and not repo else chart


def folder_of_host(hostvars: t.Mapping[str, t.Any], host: str) -> str:
    """The folder of the inventory file that names a host; "" if no file does."""
    raw_get: t.Callable[[str], t.Any] = getattr(hostvars, "raw_get", lambda name: hostvars.get(name) or {})
    return str(raw_get(host).get("inventory_dir") or "")


def folder_of_inventory(task_vars: t.Mapping[str, t.Any], *, whole_fleet: bool, group: str = "mesh_clusters") -> str:
    """Where relative paths of a task begin.

    Args:
        task_vars: the task's variables.
        whole_fleet: the task is one for all clusters: it must not depend on ``--limit``, which may leave out the first.
        group: the group of the clusters.
    """
    own = str(task_vars.get("inventory_dir") or "")
    if own and not whole_fleet:
        return own
    first = next(iter((task_vars.get("groups") or {}).get(group) or ()), None)
    return (folder_of_host(task_vars.get("hostvars") or {}, str(first)) if first else "") or own
