# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Start Helm: on the controller, for the cluster of our client, in an environment of our own.

Not by a module: a module runs where the host's connection says, reads ``K8S_AUTH_*``, and writes its arguments, the
values among them, to the system's log.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.kubeconfig import kubeconfig_of
from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.chart_sources import plain_http
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.command import Done, run
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import Release
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.files import has_files_in_memory
from ansible_collections.mesh.fleet.plugins.plugin_utils.helm.tools import helm_major

__all__ = ["as_json", "install_or_upgrade", "template", "uninstall"]

_HISTORY = 3
"""Revisions that Helm keeps: each holds a whole chart."""
_GRACE = 30.0
"""Seconds that Helm has, after its own time limit, to say so."""
_ENVIRONMENT = {"HELM_PLUGINS": os.devnull}
"""No plugin of the user's has a part in what is installed."""
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


async def install_or_upgrade(kube: Kube, program: str, release: Release, *, seconds: float) -> Done:
    """Bring a release to ``release``; Helm does not wait until its pods are ready.

    Args:
        program: Helm's path.
        seconds: for this operation of Helm.
    """
    with _private_file("values.json", as_json(release.values)) as values:
        arguments = ["upgrade", release.name, os.path.expanduser(release.chart), "--install", "--reset-values"]
        arguments += ["--values", values, "--history-max", str(_HISTORY)]
        if await helm_major(program) >= 4:
            # Helm 4's default, server-side apply, conflicts with whatever else writes a field of the chart, as istiod
            # does in its own webhooks.
            arguments.append("--server-side=false")
        if kube.take_over:
            # CRDs and other objects that istioctl, an operator or a lost release made: adopted, with what they hold.
            arguments.append("--take-ownership")
        arguments += _source(release)
        return await _helm(kube, program, release, arguments, seconds)


async def template(cluster: str, program: str, release: Release, *, kube_version: str, seconds: float) -> Done:
    """Print the objects of a release, asking no cluster.

    Args:
        program: Helm's path.
        kube_version: for charts that ask for the cluster's version.
        seconds: for this operation of Helm.
    """
    with _private_file("values.json", as_json(release.values)) as values:
        arguments = [program, "template", release.name, os.path.expanduser(release.chart), "--values", values]
        arguments += ["--namespace", release.namespace, "--include-crds", "--kube-version", kube_version]
        arguments += _source(release)
        return await run(arguments, what="Helm", cluster=cluster, env=_ENVIRONMENT, timeout=seconds, check=False)


def _source(release: Release) -> list[str]:
    """Where Helm finds the chart."""
    version = ["--version", release.version] if release.version else []
    return [*version, *(["--repo", release.repo] if release.repo else []), *plain_http(release.chart)]


async def uninstall(kube: Kube, program: str, release: Release, *, seconds: float) -> Done:
    """Remove a release and its records; ``seconds`` is for this operation of Helm."""
    return await _helm(kube, program, release, ["uninstall", release.name], seconds)


async def _helm(kube: Kube, program: str, release: Release, arguments: list[str], seconds: float) -> Done:
    await kube.transport.endpoint.renew()
    with _unwritten(kubeconfig_of(kube.transport.endpoint)) as kubeconfig:
        where = ["--kubeconfig", kubeconfig, "--namespace", release.namespace, "--timeout", f"{int(seconds)}s"]
        return await run(
            [program, *arguments, *where],
            what="Helm",
            cluster=kube.cluster,
            env=_ENVIRONMENT,
            timeout=seconds + _GRACE,
            check=False,
        )


def as_json(values: t.Mapping[str, t.Any]) -> str:
    """Helm values as JSON that YAML reads as the same: in YAML's own form ``"1234e56"`` is a number again for Helm.

    Raises FleetError for a number that JSON does not have.
    """
    try:
        text = json.dumps(values, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError as error:
        raise FleetError(
            "a value of a Helm release is no number that JSON has",
            seen=str(error),
            next_step="write it as a string, or leave it out",
        ) from error
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


@contextlib.contextmanager
def _unwritten(text: str) -> t.Iterator[str]:
    """The path of a file in memory, for this user alone and gone with the block: credentials stay off the disk.

    A private file where the system has none in memory.
    """
    if not has_files_in_memory():
        with _private_file("kubeconfig", text) as path:
            yield path
        return
    number = os.memfd_create("kubeconfig")
    try:
        os.fchmod(number, 0o600)
        with open(number, "w", encoding="utf-8", closefd=False) as stream:
            stream.write(text)
        yield f"/proc/{os.getpid()}/fd/{number}"
    finally:
        os.close(number)


@contextlib.contextmanager
def _private_file(name: str, text: str) -> t.Iterator[str]:
    """A file of mode 0600 in a folder of mode 0700, gone with the block."""
    with tempfile.TemporaryDirectory(prefix="mesh-fleet-") as folder:
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8", opener=_private) as stream:
            stream.write(text)
        yield path


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
