# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One async client of one cluster's API server."""

from __future__ import annotations

import datetime
import typing as t

from ..results import Change
from . import apply as applying
from . import execs, removal, token_review
from .apply import FIELD_MANAGER
from .diffs import Object
from .discovery import KNOWN
from .errors import ApiError
from .execs import ExecResult
from .reading import where_of
from .waiting import Waiter

__all__ = ["ApiError", "ExecResult", "Kube"]


class Kube(Waiter):
    """Use as ``async with Kube.connect(connection, cluster="west") as kube``.

    Every failure is a FleetError with cluster, object, what was seen, what it means and the next step;
    one that comes from the API server is an :class:`ApiError`, which has the HTTP ``status``.
    """

    async def apply(
        self,
        objects: t.Iterable[t.Mapping[str, t.Any]],
        *,
        dry_run: bool = False,
        mask: bool = True,
        diff: bool = True,
        labels: t.Mapping[str, str] | None = None,
        take_over: t.Sequence[str] = (),
        manager: str = FIELD_MANAGER,
        read: t.Iterable[Object] | None = None,
    ) -> list[Change]:
        """Server-side apply of all ``objects``, concurrently; namespaces and CRDs first, workloads last.

        An object is applied whole: a field that an earlier apply set and this one leaves out is removed.
        Two callers must therefore not apply different parts of one object under one ``manager``.

        Args:
            dry_run: let the server compute the answer and keep nothing. What needs a namespace or CRD that
                does not exist yet counts as created.
            mask: hide Secret values (and keys and tokens elsewhere) in ``before`` and ``after``.
            diff: False leaves ``before`` and ``after`` empty, which saves time.
            labels: put on every object, see ``owner_labels`` in ``_model/istio/ownership.py``.
            take_over: names of field managers whose fields become ours.
            read: the live objects on which ``objects`` were decided, as read from this server. An apply is refused
                with an ApiError of status 409 when its object was changed, made or removed since.

        Raises:
            FleetError: one for all objects that failed; the others were applied.
        """
        return await applying.apply(
            self,
            objects,
            dry_run=dry_run,
            mask=mask,
            diff=diff,
            labels=labels or {},
            take_over=take_over,
            manager=manager,
            read=read,
        )

    async def prune(
        self,
        keep: t.Iterable[t.Mapping[str, t.Any]],
        *,
        labels: t.Mapping[str, str],
        kinds: t.Iterable[tuple[str, str]],
        namespace: str = "",
        dry_run: bool = False,
        mask: bool = True,
        diff: bool = True,
        wait: float = 0,
    ) -> list[Change]:
        """Delete objects that carry all ``labels`` and are not in ``keep``; nothing else.

        Args:
            kinds: ``(apiVersion, kind)`` pairs to look at; one that the server does not have is skipped.
            namespace: "" for every namespace.
            wait: seconds to wait until they are gone; 0 does not wait.
        """
        return await removal.prune(
            self,
            keep,
            labels=labels,
            kinds=kinds,
            namespace=namespace,
            dry_run=dry_run,
            mask=mask,
            diff=diff,
            wait=wait,
        )

    async def delete(
        self,
        api_version: str,
        kind: str,
        name: str,
        namespace: str = "",
        *,
        dry_run: bool = False,
        mask: bool = True,
        diff: bool = True,
        wait: float = 0,
        read: Object | None = None,
    ) -> Change:
        """Delete one object; "unchanged" when it is not there. ``wait`` in seconds, until it is gone.

        ``read`` is the live object on which the removal was decided: it is refused with an ApiError of status 409 when
        the object was changed since.
        """
        obj = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}}
        if read is not None:
            return await removal.delete(
                self, obj, dry_run=dry_run, mask=mask, diff=diff, live=read, version=read["metadata"]["resourceVersion"]
            )
        return (await self.remove([obj], dry_run=dry_run, mask=mask, diff=diff, wait=wait))[0]

    async def remove(
        self,
        objects: t.Iterable[t.Mapping[str, t.Any]],
        *,
        dry_run: bool = False,
        mask: bool = True,
        diff: bool = True,
        wait: float = 0,
    ) -> list[Change]:
        """Delete many objects (by apiVersion, kind, name), namespaces and CRDs last."""
        return await removal.remove(self, objects, dry_run=dry_run, mask=mask, diff=diff, wait=wait)

    async def token(self, namespace: str, account: str, *, seconds: int = 3600) -> tuple[str, datetime.datetime]:
        """A bound token of a ServiceAccount and when it ends (UTC). The server may shorten ``seconds``."""
        path = KNOWN["v1", "ServiceAccount"].path(namespace, account, "token")
        spec: Object = {"expirationSeconds": int(seconds)}
        answer = await self.transport.request(
            "POST",
            path,
            body={"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec},
            obj=where_of("ServiceAccount", account, namespace),
            action="create token",
        )
        status = answer["status"]
        expires = datetime.datetime.fromisoformat(str(status["expirationTimestamp"]).replace("Z", "+00:00"))
        return str(status["token"]), expires

    async def accepts(self, token: str) -> bool:
        """Whether the API server accepts a token, somebody else's; True also where that cannot be found out."""
        return await token_review.accepts(self.transport, token)

    async def exec(
        self,
        namespace: str,
        pod: str,
        container: str,
        command: t.Sequence[str],
        *,
        stdin: str | None = None,
        timeout: float = 60,
    ) -> ExecResult:
        """Run a command in a container ("" for the default one): ``(stdout, stderr, code)``.

        A non-zero exit code is a result, not an error. ``timeout`` in seconds for the whole command.
        """
        path = KNOWN["v1", "Pod"].path(namespace, pod, "exec")
        where = where_of("Pod", pod, namespace)
        return await execs.run(self.transport, path, container, command, stdin=stdin, timeout=timeout, obj=where)
