# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One command for each caller; what was not called says why, and no other caller suffers."""

from __future__ import annotations

import asyncio
import json
import types
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Facts
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.asking import ask_probes


class Call(t.NamedTuple):
    caller: str
    url: str


class Probe:
    """The client of a cluster whose probe prints this."""

    def __init__(self, stdout: str, code: int = 0) -> None:
        self.stdout, self.code = stdout, code
        self.asked: list[list[str]] = []

    async def exec(self, _space: str, pod: str, _container: str, command: list[str], **_: t.Any) -> t.Any:
        assert pod == "probe-x"
        self.asked.append(json.loads(command[-1]))
        if self.code < 0:
            raise FleetError("the pod is gone", seen="404")
        return types.SimpleNamespace(code=self.code, stdout=self.stdout, stderr="a stack\nMemoryError")


def said(cluster: str) -> dict[str, t.Any]:
    return {"ok": True, "status": 200, "latency_ms": 1, "cluster": cluster, "identity": "", "text": ""}


def test_each_caller_is_asked_once_for_all_its_calls() -> None:
    probes = {"west": Probe(json.dumps({"http://a/": said("east"), "http://b/": said("west")}))}
    probes |= {"east": Probe("", 1), "north": Probe("no JSON"), "south": Probe("", -1)}
    planned = [Call("west", "http://a/"), *(Call(name, "http://a/") for name in ("east", "north", "south"))]
    planned.append(Call("west", "http://b/"))
    facts = {name: Facts(name, probe="probe-x") for name in probes}
    answers = asyncio.run(ask_probes(planned, t.cast("t.Any", probes), facts, 500))
    assert [probe.asked for probe in probes.values()] == [[["http://a/", "http://b/"]], *[[["http://a/"]]] * 3]
    assert list(answers) == planned
    assert [(answers[call].made, answers[call].cluster) for call in planned[::4]] == [(True, "east"), (True, "west")]
    whys = [answers[call].what for call in planned[1:4]]
    assert not any(answers[call].made for call in planned[1:4])
    assert "ended with 1: a stack" in whys[0] and "ended with 0" in whys[1] and "the pod is gone 404" in whys[2]
