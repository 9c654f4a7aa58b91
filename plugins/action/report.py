# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write a report of the fleet. See plugins/modules/report.py for the documentation."""

from __future__ import annotations

import datetime
import json
import os
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.report.declared import declared
from ansible_collections.mesh.fleet.plugins.module_utils._model.report.dot import dot
from ansible_collections.mesh.fleet.plugins.module_utils._model.report.view import view
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.files import remove_file, write_file
from ansible_collections.mesh.fleet.plugins.module_utils.printable import printable_data
from ansible_collections.mesh.fleet.plugins.module_utils.results import result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fleet_action import FleetAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.run_record import last_run, remove_runs
from ansible_collections.mesh.fleet.plugins.plugin_utils.report.drawing import draw, standalone
from ansible_collections.mesh.fleet.plugins.plugin_utils.report.page import page, style_of

FILES = ("report.html", "graph.svg")


class ActionModule(FleetAction):
    """Runs once for the fleet, and asks no cluster."""

    RECORDED = False
    ARGUMENT_SPEC = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "templates": {"type": "path", "required": True},
        "directory": {"type": "path", "default": ""},
        "verify_directory": {"type": "path", "default": ""},
    }

    def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        fleet = self.fleet(task_vars)
        folder = args["directory"] or os.path.join(fleet.directory, "report")
        paths = [os.path.join(folder, name) for name in FILES]
        if args["state"] == "absent":
            found = [path for path in paths if os.path.lexists(path)]
            if not self.check_mode:
                for path in found:
                    remove_file(path)
                remove_runs(fleet.directory)
            return result(summary=f"{len(found)} files removed" if found else "no report", directory=folder)
        if self.check_mode:
            return result(summary="not written in check mode", directory=folder)
        document = _document(args["verify_directory"] or os.path.join(fleet.directory, "verify"))
        shown = printable_data(
            view(declared(fleet), document, last_run(fleet.directory), datetime.datetime.now(datetime.UTC))
        )
        svg, problem = "", ""
        try:
            svg = draw(dot(shown), f"The fleet {shown['fleet']}", _description(shown))
        except FleetError as error:
            problem = str(error)
        html = page(args["templates"], shown, svg, problem)
        write_file(paths[0], html)
        if svg:
            write_file(paths[1], standalone(svg, style_of(args["templates"])))
        elif os.path.lexists(paths[1]):
            remove_file(paths[1])  # one of an earlier state of the fleet
        line = f"{paths[0]} · {shown['verdict'][1].partition(':')[0]}"
        return result(
            summary=line,
            directory=folder,
            page=paths[0],
            graph=paths[1] if svg else "",
            warnings=[problem] if problem else [],
        )


def _document(folder: str) -> dict[str, t.Any] | None:
    """What verify found last; None where it found nothing yet, or where what it wrote is not readable."""
    path = os.path.join(folder, "verify.json")
    try:
        with open(path, encoding="utf-8") as stream:
            found = json.load(stream)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise FleetError(
            f"{path} cannot be read", seen=str(error), next_step="run playbooks/verify.yml again"
        ) from None
    if not isinstance(found, dict) or not {"started", "checks", "calls", "mesh"} <= set(found):
        return None  # of a version before this one
    return found


def _description(shown: t.Mapping[str, t.Any]) -> str:
    """The graph in words, for who does not see it."""
    count = len(shown["clusters"])
    return (
        f"{count} cluster{'' if count == 1 else 's'}; {shown['edges_ok']} of {shown['edges_declared']} declared edges "
        "are synced. The tables below have all of it."
    )
