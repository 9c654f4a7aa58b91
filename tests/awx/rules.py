# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What AWX says against objects: by its published fields (``api.yml``), and by rules that its documentation states.

Each returns what AWX would answer a request with status 400: messages by field, nothing for a good one.
"""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import jinja2
import yaml

Data = dict[str, t.Any]
Errors = dict[str, list[str]]

API: dict[str, Data] = yaml.safe_load((Path(__file__).parent / "api.yml").read_text(encoding="utf-8"))
UNIFIED = ("job_templates", "projects", "inventory_sources", "workflow_job_templates", "workflow_approval_templates")
"""What a schedule or a node of a workflow may start."""

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "json": (str, dict, list),
}
_QUESTIONS = ("text", "textarea", "password", "multiplechoice", "multiselect", "integer", "float")
_PLAYBOOK = re.compile(r"^\s*-?\s*(?:hosts|include|import_playbook):\s*\S")
_NO_PLAYBOOKS = {"roles", "tasks", "group_vars", "host_vars"}
_WEBHOOK = ("url", "http_method", "headers", "disable_ssl_verification", "username", "password")


class Field(t.NamedTuple):
    """A field as ``api.yml`` writes it."""

    kind: str
    required: bool
    choices: tuple[str, ...]
    default: t.Any
    link: str


def field(text: str) -> Field:
    """Read ``type``, ``[choices]``, ``!`` and ``=default``."""
    if text.startswith("@"):
        return Field("link", text.endswith("!"), (), None, text.strip("@!"))
    found = re.fullmatch(r"(\w+)(?:\[([^]]*)\])?(!)?(?:=(.*))?", text)
    assert found, text
    kind, choices, required, default = found.groups()
    value: t.Any = default
    if default is not None and (kind in ("integer", "boolean") or (kind == "json" and default)):
        value = json.loads(default)
    elif default and choices and default.isdigit():
        value = int(default)
    return Field(kind, bool(required), tuple(choices.split(",")) if choices else (), value, "")


FIELDS = {kind: {name: field(text) for name, text in about["fields"].items()} for kind, about in API.items()}


def unknown(kind: str, given: t.Mapping[str, t.Any]) -> list[str]:
    """Fields that AWX does not have, and would ignore without a word."""
    return sorted(set(given) - set(FIELDS[kind]) - set(API[kind].get("read", ())))


def fields(kind: str, given: t.Mapping[str, t.Any], exists: t.Callable[[str, t.Any], bool], *, new: bool) -> Errors:
    """Types, choices, links, and what is required.

    Args:
        exists: whether a resource has an object of this ID.
        new: whether the request makes the object.
    """
    errors: Errors = {}
    for name, about in FIELDS[kind].items():
        if name not in given:
            if new and about.required:
                errors[name] = ["This field is required."]
            continue
        value = given[name]
        if value is None or (about.link and value == ""):
            if about.required:
                errors[name] = ["This field may not be null."]
        elif about.link:
            if not exists(about.link, value):
                errors[name] = [f'Invalid pk "{value}" - object does not exist.']
        elif about.kind == "choice":
            if str(value) not in about.choices:
                errors[name] = [f'"{value}" is not a valid choice.']
        elif not isinstance(value, _TYPES[about.kind]) or (about.kind == "integer" and isinstance(value, bool)):
            errors[name] = [f"Not a valid {about.kind}."]
        elif about.required and value == "":
            errors[name] = ["This field may not be blank."]
    return errors


def credential_type(given: t.Mapping[str, t.Any]) -> Errors:
    """Inputs have IDs, labels and types; injectors use these alone, and set nothing of Ansible's."""
    inputs = given.get("inputs") or {}
    names = {}
    for one in inputs.get("fields", []):
        if not {"id", "label"} <= set(one) or one.get("type", "string") not in ("string", "boolean"):
            return {"inputs": [f"{one} is not valid under the schema of inputs"]}
        names[one["id"]] = "x"
    if not set(inputs.get("required", [])) <= set(names):
        return {"inputs": ["required names what is no field"]}
    injectors = given.get("injectors") or {}
    if not set(injectors) <= {"file", "env", "extra_vars"}:
        return {"injectors": ["Additional properties are not allowed"]}
    files = injectors.get("file", {})
    if any(not re.fullmatch(r"template(\.\w+)?", name) for name in files) or ("template" in files and len(files) > 1):
        return {"injectors": ["Must use multi-file syntax when injecting multiple files"]}
    values = {**names, **({"tower": {"filename": "/tmp/x"}} if files else {})}
    for kind, entries in injectors.items():
        for name, template in entries.items():
            if kind == "env" and name.startswith("ANSIBLE_"):
                return {"injectors": [f"Environment variable {name} may affect Ansible configuration"]}
            try:
                jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(template).render(values)
            except jinja2.TemplateError as error:
                return {"injectors": [f"{kind} {name} uses an undefined field ({error})"]}
    return {}


def survey(given: t.Mapping[str, t.Any]) -> str:
    """What is wrong with a survey; "" when nothing is."""
    if not {"name", "description", "spec"} <= set(given):
        return "name, description and spec are missing from survey spec."
    if not isinstance(given["spec"], list) or not given["spec"]:
        return "'spec' must be a list of items, and not empty."
    seen: set[str] = set()
    for number, one in enumerate(given["spec"]):
        missing = {"type", "question_name", "variable", "required"} - set(one)
        if missing:
            return f"{missing} missing from survey question {number}."
        if one["type"] not in _QUESTIONS:
            return f"'{one['type']}' in survey question {number} is not one of the allowed question types."
        if one["variable"] in seen or " " in one["variable"]:
            return f"variable '{one['variable']}' duplicated in survey question {number}."
        seen.add(one["variable"])
        choices = one.get("choices")
        if one["type"] in ("multiplechoice", "multiselect"):
            if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
                return f"The choices of survey question {number} must be a list of strings."
            if one.get("default") not in ("", None, *choices):
                return f"Default choice must be answered from the choices listed in question {number}."
        wanted = {"integer": int, "float": float}.get(one["type"], str)
        if one.get("default", "") != "" and not isinstance(one["default"], wanted):
            return f"Default value of question {number} expected to be {wanted.__name__}."
        for limit in ("min", "max"):
            if limit in one and not isinstance(one[limit], int):
                return f"'{limit}' in survey question {number} expected to be integer."
    return ""


def rrule(text: str) -> Errors:
    """The rules of AWX for a schedule: one start in UTC or with its zone, and rules with an interval."""
    starts = re.findall(r"DTSTART(?:;TZID=[^:]+:\d{8}T\d{6}|:\d{8}T\d{6}Z)", text)
    if len(starts) != 1:
        return {"rrule": ["Valid DTSTART required in rrule. Value should start with: DTSTART:YYYYMMDDTHHMMSSZ"]}
    rules = re.findall(r"RRULE:(\S+)", text)
    if not rules:
        return {"rrule": ["One or more rule required in rrule."]}
    for rule in rules:
        parts = dict(part.split("=", 1) for part in rule.split(";"))
        if "INTERVAL" not in parts:
            return {"rrule": ["INTERVAL required in rrule."]}
        if parts.get("FREQ") not in ("MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"):
            return {"rrule": ["FREQ is not supported."]}
    return {}


def notification(given: t.Mapping[str, t.Any]) -> Errors:
    """A webhook's configuration is complete: AWX would add the rest, and the object would never be as asked."""
    if given.get("notification_type") != "webhook":
        return {}
    missing = [name for name in _WEBHOOK if name not in given.get("notification_configuration", {})]
    return {"__all__": [f"Missing required fields for Notification Configuration: {missing}."]} if missing else {}


def instance_group(given: t.Mapping[str, t.Any]) -> Errors:
    """A container group's pod is a pod."""
    text = given.get("pod_spec_override") or ""
    if not text:
        return {}
    if not given.get("is_container_group"):
        return {"pod_spec_override": ["pod_spec_override only applies to container groups."]}
    pod = yaml.safe_load(text)
    good = isinstance(pod, dict) and pod.get("kind") == "Pod" and pod.get("spec", {}).get("containers")
    return {} if good else {"pod_spec_override": ["Must be valid yaml or json of a pod."]}


def playbooks(folder: Path) -> list[str]:
    """The playbooks that AWX finds in a project: by a line of the file, and not in folders of other things."""
    found = []
    for path in sorted([*folder.rglob("*.yml"), *folder.rglob("*.yaml")]):
        parts = path.relative_to(folder).parts
        if set(parts) & _NO_PLAYBOOKS or any(part.startswith(".") for part in parts):
            continue
        if any(_PLAYBOOK.match(line) for line in path.read_text(encoding="utf-8").splitlines()):
            found.append("/".join(parts))
    return found
