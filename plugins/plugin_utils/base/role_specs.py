# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the roles' specifications say, read and applied as Ansible does when a role begins."""

from __future__ import annotations

import pathlib
import re
import typing as t

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.nearest import Nearest
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.variable import Fault
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.role_variables import RoleVariables

__all__ = ["role_variables"]

_ROLES = pathlib.Path(__file__).resolve().parents[3] / "roles"
_WORDS: t.Mapping[str, str] = {
    "bool": "true or false",
    "dict": "a dictionary",
    "float": "a number",
    "int": "a whole number",
    "list": "a list",
}


def role_variables(roles: pathlib.Path = _ROLES) -> RoleVariables:
    """The variables of the roles in a folder, by default of this collection's."""
    options: dict[str, dict[str, t.Any]] = {}
    names = []
    for path in sorted(roles.glob("*/meta/argument_specs.yml")):
        names.append(path.parent.parent.name)
        specs = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]
        for spec in specs.values():
            for name, option in (spec.get("options") or {}).items():
                options.setdefault(name, option)
    return RoleVariables(tuple(names), options, lambda name, value: _faults(name, options[name], value))


def _faults(name: str, option: dict[str, t.Any], value: t.Any) -> list[Fault]:
    """What Ansible says when it validates one variable: unknown keys, wrong types, values that are no choice."""
    checked = ArgumentSpecValidator({name: _without_needs(option)}).validate({name: value})
    return [_fault(name, option, str(message)) for message in checked.error_messages]


def _without_needs(option: dict[str, t.Any]) -> dict[str, t.Any]:
    # A default does not say what is wrong with a value, and a template in one is not a value.
    return {key: entry for key, entry in option.items() if key not in ("default", "required")}


def _fault(name: str, option: t.Mapping[str, t.Any], message: str) -> Fault:
    unknown = re.search(rf"{name}\.([\w.]+)\. Supported parameters include: ([^.]*)", message)
    if unknown:
        word = unknown.group(1).rpartition(".")[2]
        allowed = [one.split(" (")[0] for one in unknown.group(2).split(", ")]
        guess = Nearest(allowed).find(word)
        return Fault(f"has the key {word}, which is unknown", f"did you mean {guess}?" if guess else ", ".join(allowed))
    if option.get("choices") and "must be one" in message:
        return Fault("is unknown", f"one of: {', '.join(map(str, option['choices']))}")
    if "unable to convert" in message and option.get("type") in _WORDS:
        wanted = _WORDS[option["type"]]
        return Fault(f"is not {wanted}", f"write {wanted}")
    return Fault(f"is refused: {' '.join(message.split())}")
