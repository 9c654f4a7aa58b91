# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read the files and the template of an app into manifests."""

from __future__ import annotations

import dataclasses
import glob
import os
import typing as t

import yaml
from ansible.errors import AnsibleError
from ansible.template import trust_as_template

from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.apps import App
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.apps_reading import manifest_problem
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.fast_yaml import LOADER
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.hostvars import plain
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.paths import folder_of_inventory, located

__all__ = ["read_program", "with_sources"]

_PROGRAM = (".py", ".html")


def read_program(folder: str) -> dict[str, str]:
    """By file name, the text of each file of the sample program in ``folder``."""
    found = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(_PROGRAM):
            with open(os.path.join(folder, name), encoding="utf-8") as stream:
                found[name] = stream.read()
    return found


def with_sources(app: App, templar: t.Any, task_vars: dict[str, t.Any]) -> App:
    """The app with the manifests of its files, and of its template rendered for this host.

    A relative path begins at the inventory's folder.

    Raises:
        FleetError: a file does not exist, cannot be read, is not YAML, or holds something that is no manifest.
    """
    found: list[tuple[str, t.Any]] = []
    for pattern in app.files:
        paths = _matching(pattern, task_vars)
        if not paths:
            raise _missing(app, pattern, task_vars)
        for path in paths:
            found += [(path, document) for document in _documents(app, path, _read(app, path))]
    if app.template:
        paths = _matching(app.template, task_vars)
        if not paths:
            raise _missing(app, app.template, task_vars)
        text = _rendered(app, paths[0], templar, task_vars)
        found += [(paths[0], document) for document in _documents(app, paths[0], text)]
    if not found:
        return app
    manifests = []
    for path, document in found:
        problem = manifest_problem(document)
        if problem:
            raise FleetError(f'app "{app.name}" has something that is no manifest', obj=path, seen=problem)
        manifests.append(document)
    return dataclasses.replace(app, manifests=(*app.manifests, *manifests))


def _folder(task_vars: t.Mapping[str, t.Any]) -> str:
    return folder_of_inventory(task_vars, whole_fleet=False)


def _matching(pattern: str, task_vars: t.Mapping[str, t.Any]) -> list[str]:
    found = glob.glob(located(pattern, _folder(task_vars)), recursive=True)
    return sorted(path for path in found if os.path.isfile(path))


def _missing(app: App, pattern: str, task_vars: t.Mapping[str, t.Any]) -> FleetError:
    return FleetError(
        f'a file of app "{app.name}" does not exist',
        obj=pattern,
        seen=f"no file {located(pattern, _folder(task_vars))}",
        next_step="correct files or template of this app; a relative path starts at the inventory's folder",
    )


def _read(app: App, path: str) -> str:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise FleetError(f'a file of app "{app.name}" cannot be read', obj=path, seen=reason) from None


def _rendered(app: App, path: str, templar: t.Any, task_vars: dict[str, t.Any]) -> str:
    search = [os.path.dirname(path), os.path.abspath(_folder(task_vars))]
    engine = templar.copy_with_new_env(searchpath=search, available_variables=task_vars)
    try:
        return str(plain(engine.template(trust_as_template(_read(app, path)), escape_backslashes=False)) or "")
    except AnsibleError as error:
        raise FleetError(
            f'the template of app "{app.name}" cannot be rendered',
            cluster=str(task_vars.get("inventory_hostname") or ""),
            obj=path,
            seen=" ".join(str(error).split()),
            next_step="define the variable, or give it a default in the template",
        ) from None


def _documents(app: App, path: str, text: str) -> list[t.Any]:
    try:
        documents = [d for d in yaml.load_all(text, Loader=LOADER) if d is not None]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise FleetError(
            f'a file of app "{app.name}" is not YAML',
            obj=path,
            seen=f"{where}{getattr(error, 'problem', None) or 'it cannot be read'}",
        ) from None
    flat: list[t.Any] = []
    for document in documents:
        is_list = isinstance(document, dict) and document.get("kind") == "List"
        flat.extend(document.get("items") or [] if is_list else [document])
    return flat
