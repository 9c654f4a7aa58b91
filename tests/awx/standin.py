# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stand-in of AWX's API: keeps objects, and refuses what AWX 24.6.1 would refuse (``rules.py``).

It runs nothing. A project has been updated as soon as it is made, and holds the playbooks of a folder.
"""

from __future__ import annotations

import http.server
import itertools
import json
import re
import threading
import typing as t
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from . import rules

Data = dict[str, t.Any]

TOKEN = "of-a-test"
_ROOT = "/api/v2/"
_PAGE = 25


class StandIn:
    """An AWX with what every AWX has: credential types of its own, and an organization.

    Args:
        project: the folder that every project's repository is.
    """

    def __init__(self, project: Path) -> None:
        self.objects: dict[str, dict[int, Data]] = {kind: {} for kind in rules.API}
        self.associated: dict[tuple[str, int, str], list[int]] = {}
        self.surveys: dict[int, Data] = {}
        self.unknown: list[str] = []
        """Fields of requests that AWX does not have."""
        self.writes: list[str] = []
        """Each request that changed something: method and path."""
        self.playbooks = rules.playbooks(project)
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self.make("organizations", {"name": "Default", "description": ""})
        google = {"fields": [{"id": name, "label": name} for name in ("username", "project", "ssh_key_data")]}
        self.make("credential_types", {"name": "Google Compute Engine", "kind": "cloud", "inputs": google})
        standin = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Otherwise an answer's content waits until the client has said that it has its headers.
            disable_nagle_algorithm = True

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"{}") if length else {}
                if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    status, answer = 401, {"detail": "Authentication credentials were not provided."}
                else:
                    with standin._lock:
                        status, answer = standin.answer(self.command, self.path, body)
                data = b"" if status == 204 else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.send_header("X-API-Product-Name", "AWX")
                self.send_header("X-API-Product-Version", "24.6.1")
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PATCH = do_DELETE = _serve

            def log_message(self, format: str, *args: t.Any) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> StandIn:
        self._thread.start()
        return self

    def __exit__(self, *_error: t.Any) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def make(self, kind: str, given: t.Mapping[str, t.Any]) -> Data:
        """An object, as somebody else would make it in AWX; nothing is checked."""
        made: Data = {name: about.default for name, about in rules.FIELDS[kind].items()}
        made |= {name: value for name, value in given.items() if name in rules.FIELDS[kind]}
        made["id"] = next(self._ids)
        self.objects[kind][made["id"]] = made
        return made

    def named(self, kind: str, name: str) -> Data:
        """The object of this name."""
        (found,) = [one for one in self.objects[kind].values() if one["name"] == name]
        return found

    def names(self, kind: str) -> list[str]:
        return sorted(one["name"] for one in self.objects[kind].values())

    def answer(self, method: str, path: str, body: Data) -> tuple[int, t.Any]:
        """Status and content of the answer to one request."""
        address = urlsplit(path)
        parts = [part for part in address.path.removeprefix(_ROOT).split("/") if part]
        if method != "GET":
            self.writes.append(f"{method} {address.path}")
        try:
            if parts[0] == "project_updates":
                return 200, {"id": int(parts[1]), "status": "successful", "failed": False, "finished": "2026-01-01"}
            kinds = rules.UNIFIED if parts[0] == "unified_job_templates" else (parts[0],)
            if len(parts) == 1:
                if method == "GET":
                    return 200, self._list(kinds, dict(parse_qsl(address.query)))
                return self._create(parts[0], body)
            kind, one = next((kind, found) for kind in kinds if (found := self.objects[kind].get(int(parts[1]))))
            if len(parts) == 2:
                return self._one(method, kind, one, body)
            if parts[2] == "survey_spec":
                return self._survey(method, one, body)
            if parts[2] == "workflow_nodes":
                return 200, self._list(["workflow_job_template_nodes"], {"workflow_job_template": parts[1]})
            if parts[2] == "create_approval_template":
                return self._approval(one, body)
            return self._associate(method, kind, one, parts[2], body)
        except (KeyError, StopIteration, ValueError):
            return 404, {"detail": "The requested resource could not be found."}

    def _view(self, kind: str, one: Data) -> Data:
        url = f"{_ROOT}{kind}/{one['id']}/"
        related = {name: f"{url}{name}/" for name in rules.API[kind].get("lists", {})}
        summary: Data = {}
        view = {**one, "type": rules.API[kind]["type"], "url": url, "related": related, "summary_fields": summary}
        for name, about in rules.FIELDS[kind].items():
            kinds = rules.UNIFIED if about.link == "unified_job_templates" else (about.link,)
            for target in kinds if about.link and one[name] else ():
                if found := self.objects.get(target, {}).get(one[name]):
                    summary[name] = {"id": one[name], "name": found["name"], "description": found.get("description")}
        if kind in ("job_templates", "workflow_job_templates"):
            related["survey_spec"] = f"{url}survey_spec/"
        if kind == "job_templates":
            view.setdefault("organization", None)
            credentials = self.associated.get((kind, one["id"], "credentials"), [])
            summary["credentials"] = [{"id": n, "name": self.objects["credentials"][n]["name"]} for n in credentials]
        if kind == "projects":
            view["scm_revision"] = "0" * 40
            summary["current_update"] = {"id": one["id"]}
        if kind == "workflow_job_template_nodes":
            for name in ("success_nodes", "failure_nodes", "always_nodes"):
                view[name] = self.associated.get((kind, one["id"], name), [])
        if kind == "workflow_job_template_nodes" and one["unified_job_template"]:
            target = next(k for k in rules.UNIFIED if one["unified_job_template"] in self.objects[k])
            related["unified_job_template"] = f"{_ROOT}{target}/{one['unified_job_template']}/"
        if kind == "credential_types":
            view["managed"] = one["name"] == "Google Compute Engine"
        if kind == "credentials":
            view = {name: value for name, value in view.items() if name not in ("user", "team")}
            view["inputs"] = dict.fromkeys(one["inputs"], "$encrypted$")
        return view

    def _list(self, kinds: t.Sequence[str], query: dict[str, str]) -> Data:
        size, page = int(query.pop("page_size", _PAGE)), int(query.pop("page", 1))
        found = [self._view(kind, one) for kind in kinds for one in self.objects[kind].values()]
        either = {name.removeprefix("or__"): query.pop(name) for name in list(query) if name.startswith("or__")}
        for name, value in query.items():
            plain = name.removesuffix("__in")
            if found and not any(plain in one for one in found):
                raise KeyError(plain)
            wanted = value.split(",") if name.endswith("__in") else [value]
            found = [one for one in found if str(one.get(plain)) in wanted]
        if either:
            found = [one for one in found if any(str(one[name]) == value for name, value in either.items())]
        shown = found[(page - 1) * size : page * size]
        following = f"{_ROOT}{kinds[0]}/?page={page + 1}&page_size={size}" if page * size < len(found) else None
        return {"count": len(found), "next": following, "previous": None, "results": shown}

    def _exists(self, kind: str, number: t.Any) -> bool:
        kinds = rules.UNIFIED if kind == "unified_job_templates" else (kind,)
        return any(number in self.objects[one] for one in kinds)

    def _refused(self, kind: str, given: Data, whole: Data, *, new: bool) -> rules.Errors:
        self.unknown += [f"{kind}: {name}" for name in rules.unknown(kind, given)]
        errors = rules.fields(kind, given, self._exists, new=new)
        if errors:
            return errors
        keys = [name for name in ("organization", "credential_type", "inventory") if name in rules.FIELDS[kind]]
        if "name" in whole and kind not in ("workflow_approval_templates", "schedules"):
            for other in self.objects[kind].values():
                same = all(other[name] == whole.get(name) for name in ["name", *keys])
                if same and other["id"] != whole.get("id"):
                    return {"__all__": [f"{rules.API[kind]['type']} with this {keys} and Name already exists."]}
        special: dict[str, t.Callable[[Data], rules.Errors]] = {
            "credential_types": rules.credential_type,
            "notification_templates": rules.notification,
            "instance_groups": rules.instance_group,
            "schedules": lambda one: rules.rrule(one["rrule"]),
            "job_templates": self._job_template,
            "inventory_sources": self._inventory_source,
            "credentials": self._credential,
        }
        return special[kind](whole) if kind in special else {}

    def _job_template(self, whole: Data) -> rules.Errors:
        for name in ("inventory", "project"):
            if not whole.get(name):
                return {name: [f"Job Templates must have an {name} assigned, or prompt for one."]}
        if whole["playbook"] not in self.playbooks:
            return {"playbook": ["Playbook not found for project."]}
        return {}

    def _inventory_source(self, whole: Data) -> rules.Errors:
        if whole["source"] == "scm" and not whole.get("source_project"):
            return {"source_project": ["Project required for scm type sources."]}
        return {}

    def _credential(self, whole: Data) -> rules.Errors:
        about = self.objects["credential_types"][whole["credential_type"]]
        known = {one["id"] for one in about["inputs"].get("fields", [])}
        wrong = set(whole.get("inputs") or {}) - known
        return {"inputs": [f"{sorted(wrong)} are not fields of {about['name']}"]} if wrong else {}

    def _create(self, kind: str, body: Data) -> tuple[int, t.Any]:
        defaults = {name: about.default for name, about in rules.FIELDS[kind].items()}
        errors = self._refused(kind, body, {**defaults, **body}, new=True)
        if errors:
            return 400, errors
        one = self.make(kind, body)
        self._settle(kind, one)
        return 201, self._view(kind, one)

    def _settle(self, kind: str, one: Data) -> None:
        """A job template is in the organization of the project that it was given last."""
        if kind == "job_templates" and one["project"]:
            one["organization"] = self.objects["projects"][one["project"]]["organization"]

    def _one(self, method: str, kind: str, one: Data, body: Data) -> tuple[int, t.Any]:
        if method == "PATCH":
            errors = self._refused(kind, body, {**one, **body}, new=False)
            if errors:
                return 400, errors
            one |= {name: value for name, value in body.items() if name in rules.FIELDS[kind]}
            self._settle(kind, one)
        elif method == "DELETE":
            if kind == "credential_types" and any(
                other["credential_type"] == one["id"] for other in self.objects["credentials"].values()
            ):
                return 403, {"detail": "Credential types that are in use cannot be deleted"}
            self._delete(kind, one["id"])
            return (202, {}) if kind == "inventories" else (204, {})
        return 200, self._view(kind, one)

    def _delete(self, kind: str, number: int) -> None:
        """With what goes with it: AWX deletes what belongs to an organization, and whatever starts what is gone."""
        gone = self.objects[kind].pop(number, None)
        if gone and kind == "workflow_job_template_nodes":
            self.objects["workflow_approval_templates"].pop(gone["unified_job_template"] or 0, None)
        self.surveys.pop(number, None)
        for key in [key for key in self.associated if key[1] == number]:
            del self.associated[key]
        for numbers in self.associated.values():
            numbers[:] = [one for one in numbers if one != number]
        for other, known in rules.FIELDS.items():
            for name, about in known.items():
                if about.link == kind or (about.link == "unified_job_templates" and kind in rules.UNIFIED):
                    for one in [one for one in self.objects[other].values() if one[name] == number]:
                        if about.required or kind == "organizations":
                            self._delete(other, one["id"])
                        else:
                            one[name] = None

    def _survey(self, method: str, one: Data, body: Data) -> tuple[int, t.Any]:
        if method == "GET":
            return 200, self.surveys.get(one["id"], {})
        if method == "DELETE":
            self.surveys.pop(one["id"], None)
            return 200, {}
        wrong = rules.survey(body)
        if wrong:
            return 400, {"error": wrong}
        self.surveys[one["id"]] = body
        return 200, {}

    def _approval(self, node: Data, body: Data) -> tuple[int, t.Any]:
        status, answer = self._create("workflow_approval_templates", body)
        if status == 201:
            node["unified_job_template"] = answer["id"]
        return status, answer

    def _associate(self, method: str, kind: str, one: Data, name: str, body: Data) -> tuple[int, t.Any]:
        target = rules.API[kind]["lists"][name]
        known = self.associated.setdefault((kind, one["id"], name), [])
        if method == "GET":
            there = [self._view(target, self.objects[target][number]) for number in known]
            return 200, {"count": len(there), "next": None, "previous": None, "results": there}
        number = body["id"]
        if body.get("disassociate"):
            known.remove(number)
            return 204, {}
        if not self._exists(target, number):
            return 400, {"msg": f"{target} with id {number} does not exist"}
        types = [self.objects["credentials"][other]["credential_type"] for other in known if name == "credentials"]
        if name == "credentials" and self.objects["credentials"][number]["credential_type"] in types:
            return 400, {"error": "Cannot assign multiple credentials of the same type."}
        known.append(number)
        return 204, {}

    def state(self) -> str:
        """All that is kept, to compare."""
        lists = {re.sub(r"[(),']", "", str(key)): value for key, value in self.associated.items()}
        return json.dumps([self.objects, lists, self.surveys], sort_keys=True)
