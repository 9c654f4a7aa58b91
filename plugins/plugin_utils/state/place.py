# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a fleet's state is kept: a folder on the controller, or a Secret in the cluster that the inventory names.

A run works in a folder either way. For a Secret it is a private one that ends with the run; :meth:`State.keep` writes
what changed there to the Secret, before anything that depends on it is written to a cluster.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import tempfile
import typing as t

from ansible import constants

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.exact import delete_exactly, replace_exactly
from ansible_collections.mesh.fleet.plugins.module_utils._kube.namespaces import remove_namespace
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import CREATED as OURS
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import provider_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.state.copies import (
    CONTROLLER,
    NAMESPACE,
    Copy,
    Merged,
    from_secret,
    is_former,
    is_state,
    merged,
    secret_name,
    to_secret,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.files import remove_file, write_file
from ansible_collections.mesh.fleet.plugins.module_utils.results import CHANGED, CREATED, REMOVED, Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import connect_each, on_each

__all__ = ["State", "insist_on_known_cluster", "insist_on_no_state", "opened", "reading"]

Object: t.TypeAlias = "dict[str, t.Any]"

_MOVING = ".moving"
"""A file in the folder on the controller while state is copied to it: a run that finds it copies again."""


@contextlib.asynccontextmanager
async def opened(fleet: Fleet, folder: str, *, check_mode: bool, everywhere: bool = False) -> t.AsyncIterator[State]:
    """The fleet's state, moved first to where the inventory wants it. What the block changes is kept, also if it fails.

    Args:
        fleet: the fleet; ``state_cluster`` says where its state is to be.
        folder: the trust folder on the controller.
        check_mode: write nothing, neither here nor in a cluster.
        everywhere: look for copies in all clusters, also where the controller has the state.

    Raises:
        FleetError: the state cluster does not answer or is unknown, copies contradict each other, or somebody else
            wrote the state at the same time.
    """
    target = fleet.state_cluster
    insist_on_known_cluster(fleet)
    async with contextlib.AsyncExitStack() as stack:
        state = State(fleet, folder, check_mode)
        here = _read_folder(folder)
        if target or not here or everywhere or os.path.exists(os.path.join(folder, _MOVING)):
            await state.look(stack)
        if target:
            state.directory = stack.enter_context(
                tempfile.TemporaryDirectory(dir=constants.DEFAULT_LOCAL_TMP, prefix="state-")
            )
        try:
            await state.gather(here)
            try:
                yield state
            finally:
                await state.keep()
        except FleetError as error:
            for name in ("what", "obj", "seen", "means", "next_step"):
                setattr(error, name, state.shown(getattr(error, name)))
            raise


@dataclasses.dataclass
class State:
    """A fleet's state while a run has it open."""

    fleet: Fleet
    folder: str
    """The trust folder on the controller."""
    check_mode: bool
    directory: str = ""
    """Where the run reads and writes files of the state."""
    moves: list[Change] = dataclasses.field(default_factory=list)
    moved_from: tuple[str, ...] = ()
    """In words, the places that the state was moved from."""
    unread: dict[str, FleetError] = dataclasses.field(default_factory=dict)
    """Clusters that may have the state and did not answer, where none was found."""
    _kubes: dict[str, Kube] = dataclasses.field(default_factory=dict)
    _secrets: dict[str, Object | None] = dataclasses.field(default_factory=dict)
    _kept: dict[str, str] = dataclasses.field(default_factory=dict)
    _broken: bool = False

    def __post_init__(self) -> None:
        self.directory = self.folder

    @property
    def in_cluster(self) -> bool:
        return bool(self.fleet.state_cluster)

    @property
    def place(self) -> str:
        """Where the state is kept, in words."""
        return self._name(self.fleet.state_cluster)

    @property
    def lines(self) -> list[str]:
        """What a run says of where the state is: where it was found, and from where it is moved."""
        if self.moved_from:
            would = "would be moved" if self.check_mode else "moved"
            return [f"state {would} from {' and '.join(self.moved_from)} to {self.place}"]
        return [f"state found in {self.place}"] if self.in_cluster and self._kept else []

    def _name(self, place: str) -> str:
        return f"Secret {NAMESPACE}/{secret_name(self.fleet.name)} in {place}" if place else f"folder {self.folder}"

    def shown(self, text: str) -> str:
        """A text with the Secret's name for the folder in which the run works."""
        return text.replace(self.directory, self.place) if self.in_cluster else text

    async def look(self, stack: contextlib.AsyncExitStack) -> None:
        """Read the Secret in each cluster.

        Raises:
            FleetError: the one that is to keep the state does not answer.
        """
        made = [c for c in self.fleet.clusters.values() if self.check_mode or not provider_of(c).exists(c.variables)]
        stands = [c for c in self.fleet.clusters.values() if c not in made]
        failed: dict[str, FleetError] = {}
        for clusters, absent_ok in ((made, True), (stands, False)):
            kubes, silent = await connect_each(stack, clusters, absent_ok=absent_ok)
            found, refused = await on_each(kubes, lambda name, kubes=kubes: self._read(kubes[name]))  # type: ignore[misc]
            self._kubes.update(kubes)
            self._secrets.update(found)
            failed.update(silent | refused)
        target = self.fleet.state_cluster
        if target in failed:
            error = failed[target]
            raise FleetError(
                "the fleet's state cannot be read",
                cluster=target,
                obj=f"Secret {NAMESPACE}/{secret_name(self.fleet.name)}",
                seen=f"{error.what}{f': {error.seen}' if error.seen else ''}",
                means="mesh_state_cluster names this cluster; nothing was changed, and no second root is made",
                next_step=error.next_step or "make the cluster reachable, and run again",
            )
        # An account that may not read there has not written there either.
        self.unread = {n: e for n, e in failed.items() if not (isinstance(e, ApiError) and e.forbidden)}

    async def _read(self, kube: Kube) -> Object | None:
        return await kube.get("v1", "Secret", secret_name(self.fleet.name), NAMESPACE)

    async def gather(self, here: dict[str, str]) -> None:
        """Have the state where it is to be, and in the folder of the run.

        An old copy goes only when the new one has been read back.

        Raises:
            FleetError: copies contradict each other, or the state cannot be written.
        """
        target = self.fleet.state_cluster
        copies = [Copy(CONTROLLER, here), *(from_secret(found, name) for name, found in self._secrets.items())]
        all_of_it = merged(copies, target, self._name)
        if all_of_it.files:
            self.unread = {}
        if not target and not self._secrets:
            self._kept = all_of_it.files
            return
        if target:
            for name, text in all_of_it.files.items():
                write_file(os.path.join(self.directory, name), text, durable=False)
            self._kept = dict(from_secret(self._secrets.get(target), target).files)
        former = {copy.place for copy in copies if copy.former}
        sources = [place for place in all_of_it.sources if target or place not in former]
        if all_of_it.changed and all_of_it.files:
            moved = sources or all_of_it.sources
            self.moved_from = tuple(self._name(place) for place in moved)
            kind, name = ("Secret", secret_name(self.fleet.name)) if target else ("File", self.folder)
            action = CHANGED if target and self._secrets.get(target) else CREATED
            namespace = NAMESPACE if target else ""
            self.moves.append(Change(target, kind, name, action, namespace=namespace, after="(state, keys encrypted)"))
        if not self.check_mode:
            await self._move(all_of_it, sources)

    async def _move(self, all_of_it: Merged, sources: list[str]) -> None:
        target, files = self.fleet.state_cluster, all_of_it.files
        if target:
            if all_of_it.changed and files:
                await self._write(target, files)
        elif all_of_it.changed:
            marker = os.path.join(self.folder, _MOVING)
            write_file(marker, "")
            for name, text in files.items():
                write_file(os.path.join(self.folder, name), text)
            if _read_folder(self.folder) != files:
                raise FleetError(
                    "the state that was copied to the controller reads back differently",
                    obj=self.folder,
                    means="the copies in the clusters are kept",
                    next_step="see whether somebody else writes to that folder, then run again",
                )
        for place in sources:
            await self._leave(place, files)
        if not target:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.folder, _MOVING))
            self._kept = files

    async def _leave(self, place: str, files: t.Mapping[str, str]) -> None:
        """Take the copy away from where the state was; in a cluster it stays, marked, when the new one is on a disk."""
        if not place:
            for name in _read_folder(self.folder):
                remove_file(os.path.join(self.folder, name))
            with contextlib.suppress(OSError):
                os.rmdir(os.path.join(self.folder, "external"))
            self.moves.append(Change("", "File", self.folder, REMOVED))
            return
        found = self._secrets[place]
        if found is None:
            return
        if self.in_cluster:
            await self._delete(place)
            self.moves.append(Change(place, "Secret", secret_name(self.fleet.name), REMOVED, namespace=NAMESPACE))
            return
        kube = self._kubes[place]
        if await replace_exactly(kube, self._secret(files, former="controller"), found):
            return
        # The server may have done it, and lost the connection: then it refuses the request when it is repeated.
        if from_secret(await self._read(kube), place) != Copy(place, files, former=True):
            raise self._conflict(place)

    def _secret(self, files: t.Mapping[str, str], former: str = "") -> Object:
        return to_secret(self.fleet.name, files, owner_labels("state", self.fleet.name), former=former)

    async def _write(self, place: str, files: dict[str, str]) -> None:
        """Write the Secret as it was read by nobody else since, and read it back."""
        kube, found = self._kubes[place], self._secrets.get(place)
        wanted = self._secret(files)
        try:
            await replace_exactly(kube, wanted, found)
        except ApiError as error:
            if found is not None or error.status != 404:
                raise
            await _make_namespace(kube)
            await replace_exactly(kube, wanted, found)
        self._secrets[place] = found = await self._read(kube)
        if from_secret(found, place) != Copy(place, files):
            raise self._conflict(place)
        self._kept = files

    def _conflict(self, place: str) -> FleetError:
        return FleetError(
            "somebody else wrote the fleet's state at the same time",
            cluster=place,
            obj=f"Secret {NAMESPACE}/{secret_name(self.fleet.name)}",
            means="another run is at work on this fleet; nothing of it was overwritten",
            next_step="run again when the other one is done",
        )

    async def keep(self) -> None:
        """Write what the run has changed to the Secret; on the controller it is there already.

        Raises:
            FleetError: somebody else wrote it meanwhile, or it cannot be written or read back.
        """
        if not self.in_cluster or self.check_mode or self._broken:
            return
        files = _read_folder(self.directory)
        if files == self._kept:
            return
        self._broken = True  # what failed is not tried again by the end of the block
        target = self.fleet.state_cluster
        if files:
            await self._write(target, files)
        else:
            await self._delete(target)
            self._kept = {}
        self._broken = False

    async def _delete(self, place: str) -> None:
        found, kube = self._secrets.get(place), self._kubes[place]
        # What is gone may be by the first of two requests, whose connection was lost: a repeated one is refused.
        if found is not None and not await delete_exactly(kube, found) and await self._read(kube) is not None:
            raise self._conflict(place)
        self._secrets[place] = None
        await self._leave_namespace(kube)

    async def _leave_namespace(self, kube: Kube) -> None:
        """Remove the namespace with the last Secret, if a run made it, nothing else is in it and the account may."""
        with contextlib.suppress(ApiError):
            live = await kube.get("v1", "Namespace", NAMESPACE)
            if live is not None and ((live["metadata"].get("annotations") or {}).get(OURS)):
                await remove_namespace(kube, live, ours=lambda _obj: False, dry_run=False)

    async def forget_copies(self) -> None:
        """Remove the Secrets that were left where the state once was; not the one that keeps it."""
        for place, found in self._secrets.items():
            if place != self.fleet.state_cluster and found is not None and not self.check_mode:
                await self._delete(place)


async def _make_namespace(kube: Kube) -> None:
    metadata = {"name": NAMESPACE, "annotations": {OURS: "true"}}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    try:
        await kube.transport.request(
            "POST", "/api/v1/namespaces", body=body, obj=f"Namespace {NAMESPACE}", action="write"
        )
    except ApiError as error:
        if error.status == 409:
            return  # another run was faster
        if error.forbidden:
            error.next_step = f"make it: kubectl create namespace {NAMESPACE}; or let the account create it"
        raise


def _read_folder(folder: str) -> dict[str, str]:
    """Files of the state in a folder, by their names from there."""
    root = pathlib.Path(folder)
    found = {}
    for path in sorted([*root.glob("*"), *root.glob("external/*")]):
        name = path.relative_to(root).as_posix()
        if not is_state(name) or not path.is_file():
            continue
        try:
            found[name] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise FleetError(
                "a file of the fleet's state cannot be read",
                obj=str(path),
                seen=str(reason),
                next_step="correct its owner and mode",
            ) from None
    return found


def insist_on_known_cluster(fleet: Fleet) -> None:
    """Raise FleetError if ``mesh_state_cluster`` names no cluster of the fleet."""
    if fleet.state_cluster and fleet.state_cluster not in fleet.clusters:
        raise FleetError(
            "mesh_state_cluster names no cluster of the fleet",
            obj="mesh_state_cluster",
            seen=fleet.state_cluster,
            next_step=f"name one of: {', '.join(fleet.clusters)}",
        )


async def insist_on_no_state(fleet: Fleet, cluster: Cluster) -> None:
    """Refuse to delete a cluster that keeps the fleet's state, also one that the inventory names no longer for it.

    Raises:
        FleetError: it has the Secret, or it is the one named for it and does not say whether it has.
    """
    try:
        async with Kube.connect(cluster.connection, cluster=cluster.name, absent_ok=True) as kube:
            found = await kube.get("v1", "Secret", secret_name(fleet.name), NAMESPACE)
        seen = "" if found is None else f"it has {', '.join(sorted(found.get('data') or {})) or 'nothing'}"
        keeps = found is not None and not is_former(found)
    except FleetError as error:
        keeps, seen = fleet.state_cluster == cluster.name, f"{error.what}{f': {error.seen}' if error.seen else ''}"
    if keeps:
        raise FleetError(
            "the cluster keeps the fleet's state, and is not deleted",
            cluster=cluster.name,
            obj=f"Secret {NAMESPACE}/{secret_name(fleet.name)}",
            seen=seen,
            means="the only copy of the root's key would go with it",
            next_step='move the state: name another cluster by mesh_state_cluster, or set it to "" for the '
            "controller, and run playbooks/trust.yml; or give the root up: -e trust_remove_root=true",
        )


@contextlib.asynccontextmanager
async def reading(fleet: Fleet, folder: str) -> t.AsyncIterator[str]:
    """A folder with the state, for those who only read it: nothing is moved, and only the place that is named is asked.

    Raises:
        FleetError: the state cluster does not answer.
    """
    cluster = fleet.clusters.get(fleet.state_cluster)
    if cluster is None:
        yield folder
        return
    async with Kube.connect(cluster.connection, cluster=cluster.name, absent_ok=True) as kube:
        found = await kube.get("v1", "Secret", secret_name(fleet.name), NAMESPACE)
    files = from_secret(found, cluster.name).files or _read_folder(folder)
    with tempfile.TemporaryDirectory(dir=constants.DEFAULT_LOCAL_TMP, prefix="state-") as copied:
        for name, text in files.items():
            write_file(os.path.join(copied, name), text, durable=False)
        yield copied
