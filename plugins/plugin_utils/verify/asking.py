# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Calls from the probes: one command in each caller's probe for all its calls, in all callers at the same time."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import Answer
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Facts
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.probe import (
    CONTAINER,
    NAMESPACE,
    call_command,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import on_each

__all__ = ["Asked", "ask_probes"]


class Planned(t.Protocol):
    """A call before it is made."""

    @property
    def caller(self) -> str: ...

    @property
    def url(self) -> str: ...


@dataclasses.dataclass(frozen=True)
class Asked:
    """A call as the program in a probe knows it: the URL and the Host header."""

    caller: str
    url: str


Some = t.TypeVar("Some", bound=Planned)


async def ask_probes(
    planned: t.Sequence[Some], kubes: t.Mapping[str, Kube], facts: t.Mapping[str, Facts], timeout_ms: int
) -> dict[Some, Answer]:
    """The answers, in the order of the calls; one that was not made says why.

    Args:
        kubes: clients of all callers.
        facts: with the probes' pods.
        timeout_ms: for one call.
    """
    by_caller: dict[str, list[Some]] = {}
    for call in planned:
        by_caller.setdefault(call.caller, []).append(call)

    async def ask(caller: str) -> dict[str, t.Any]:
        command = call_command([call.url for call in by_caller[caller]], timeout_ms)
        done = await kubes[caller].exec(NAMESPACE, facts[caller].probe, CONTAINER, command, timeout=60)
        try:
            raw: dict[str, t.Any] = json.loads(done.stdout) if done.code == 0 else {}
        except ValueError:
            raw = {}
        if not raw:
            raise FleetError(f"the program ended with {done.code}: {done.stderr.strip()[-200:]}")
        return raw

    raw, failed = await on_each(by_caller, ask)
    said = {name: f"{error.what} {error.seen}".strip() for name, error in failed.items()}
    return {
        call: Answer.from_probe(raw.get(call.caller, {}).get(call.url), said.get(call.caller, "")) for call in planned
    }
