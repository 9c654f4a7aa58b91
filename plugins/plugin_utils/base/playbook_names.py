# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What our playbooks are called where the user stands: by path in a checkout, by name where they are installed."""

from __future__ import annotations

import os
import re
import typing as t

from ansible import context

__all__ = ["as_called", "called"]

_FOLDER = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "..", "playbooks")
_PREFIX = "mesh.fleet."
_NAMED = re.compile(
    r"(?<![\w./-])playbooks/(apps|artifacts|artifacts_removal|awx|clusters|control_plane|demo|federation|front_door|gateways|"
    r"gke_fleet|ingress|peering|preflight|render|report|services|site|teardown|traffic|trust|verify)\.yml\b"
)
_DATA = frozenset(("diff", "ansible_facts", "invocation"))
"""Keys of a result that hold no messages of ours."""


def called() -> tuple[str, ...]:
    """The playbooks on the command line, as they were written there; none outside ansible-playbook."""
    return tuple(str(one) for one in context.CLIARGS.get("args") or ())


def as_called(data: t.Any, playbooks: t.Sequence[str]) -> t.Any:
    """``data`` with our playbooks named as the user named one of them.

    A play of the user's own, which imports a playbook or uses roles, gets the names that work everywhere.

    Args:
        data: a text, or a result with texts in it.
        playbooks: what :func:`called` returns.
    """
    if not playbooks:
        return data
    if isinstance(data, str):
        return _NAMED.sub(lambda found: _name(found[1], playbooks), data) if ".yml" in data else data
    if isinstance(data, t.Mapping):
        return {key: value if key in _DATA else as_called(value, playbooks) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [as_called(value, playbooks) for value in data]
    return data


def _name(stage: str, playbooks: t.Sequence[str]) -> str:
    folder = os.path.realpath(_FOLDER)
    for path in playbooks:
        if not path.startswith(_PREFIX) and os.path.dirname(os.path.realpath(path)) == folder:
            return os.path.join(os.path.dirname(path), f"{stage}.yml")
    return _PREFIX + stage
