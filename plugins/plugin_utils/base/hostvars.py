# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From Ansible's hostvars to plain data, for a fleet of any size.

Reading through ``hostvars[host][name]`` builds a template engine for each host and templates every value,
which needs more than 1 ms for each host. Few values are templates. So values are read raw (0.2 ms for each host),
and only those that may be templates are templated, all by one engine (0.3 ms each).

A template may be a lookup that asks another machine. Tasks that run on every host read the variables of all hosts, so
:func:`read_later` templates a value when somebody asks for it, and lookups that make the mesh are evaluated once in a
run (``run_values.py``): else ten hosts would ask a hundred times in each task.
"""

from __future__ import annotations

import contextvars
import functools
import threading
import typing as t

from ansible.errors import AnsibleError
from ansible.template import Templar

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.variable import UNREAD
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import prefixes
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.run_values import MARKS, RunValues

__all__ = ["Unreadable", "plain", "read_later", "read_variables"]

_TEMPLATE = object()
"""Stands for a value that was not templated yet."""


class Unreadable(t.NamedTuple):
    """A value that Ansible cannot give: it uses an undefined variable, or its vault cannot be opened."""

    host: str
    variable: str
    message: str


def plain(value: t.Any) -> t.Any:
    """The value without the tags that Ansible puts on strings and containers.

    Ansible 2.19 has no public function for it. The methods of the base types build exact base types.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, t.Mapping):
        return {_key(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if type(value).__module__.startswith(("ansible.", "ansible_collections.")):
        return str(value)  # a vaulted string decrypts itself
    return value


def _key(key: t.Any) -> str:
    return str.__str__(key) if isinstance(key, str) else str(key)


def _may_be_template(value: t.Any) -> bool:
    """Whether only Ansible can compute the value. Unknown types count too, vaulted strings among them."""
    if isinstance(value, str):
        return any(mark in value for mark in MARKS)
    if isinstance(value, t.Mapping):
        return any(_may_be_template(k) or _may_be_template(v) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return any(_may_be_template(v) for v in value)
    return not (value is None or isinstance(value, (bool, int, float)))


class _Memo:
    """Results by identity: hosts of one group share its values, and ten thousand hosts may share one long list."""

    def __init__(self) -> None:
        self.seen: dict[int, tuple[t.Any, bool, t.Any]] = {}

    def read(self, raw: t.Any) -> tuple[bool, t.Any]:
        """Whether the value may be a template, and if not, the plain value."""
        known = self.seen.get(id(raw))
        if known is None:
            templated = _may_be_template(raw)
            # The raw value is kept too: an id is valid only as long as its object exists.
            known = self.seen[id(raw)] = (raw, templated, None if templated else plain(raw))
        return known[1], known[2]


def read_variables(
    hostvars: t.Mapping[str, t.Any],
    hosts: t.Iterable[str],
    templar: Templar,
    beginnings: tuple[str, ...] = (),
    unread: t.Container[str] = (),
    context: t.Mapping[str, t.Any] | None = None,
    needed: t.Container[tuple[str, str]] = (),
) -> tuple[dict[str, dict[str, t.Any]], list[Unreadable]]:
    """The variables of each host that belong to this collection, plain and templated.

    Values that cannot be read are left out, and those of ``unread`` stay UNREAD; the second part of the answer lists
    them. Hosts of one group share its values: do not change them.

    Args:
        hostvars: Ansible's; anything else that is a mapping is read by key.
        hosts: names of the hosts to read.
        templar: any templar; a copy of it is used.
        beginnings: of the names of further variables to read.
        unread: variables whose templates and vaulted texts are not read: their value is then UNREAD.
        context: what templates may use besides the variables of their host.
        needed: pairs of host and variable that are read although the variable is one of ``unread``.
    """
    memo, wanted, known = _Memo(), (*prefixes(), *beginnings), RunValues()
    own = templar.copy_with_new_env()
    raw_get = getattr(hostvars, "raw_get", hostvars.__getitem__)
    found: dict[str, dict[str, t.Any]] = {}
    unreadable: list[Unreadable] = []
    for name in hosts:
        host = _key(name)
        raw = raw_get(host)
        values: dict[str, t.Any] = {}
        own.available_variables = raw
        whole: dict[str, t.Any] = {}
        for key in raw:
            if not isinstance(key, str) or not key.startswith(wanted):
                continue
            is_template, value = memo.read(raw[key])
            kept = is_template and key in unread
            if kept and (host, key) not in needed:
                value = UNREAD
            elif is_template:
                if context and not whole:
                    own.available_variables = whole = {**context, **raw}
                evaluate = functools.partial(_evaluated, own, raw[key])
                try:
                    value = known.get(host, _key(key), raw, context or {}, evaluate)
                except AnsibleError as error:
                    unreadable.append(Unreadable(host, _key(key), " ".join(str(error).split())))
                    if not kept:
                        continue
                    value = UNREAD
            values[_key(key)] = value
        found[host] = values
    return found, unreadable


def _evaluated(templar: Templar, raw: t.Any) -> t.Any:
    return plain(templar.template(raw))


class _Engine:
    """Templates values of hosts, one at a time: threads share it."""

    def __init__(self, templar: Templar) -> None:
        self._templar = templar.copy_with_new_env()
        self._lock = threading.RLock()
        # Ansible keeps in it what task this is, and threads of a pool have none.
        self._context = contextvars.copy_context()
        self._known = RunValues()

    def value(self, host: str, name: str, raw: t.Mapping[str, t.Any]) -> t.Any:
        return self._known.get(host, name, raw, {}, lambda: self._template(raw[name], raw))

    def _template(self, raw: t.Any, variables: t.Mapping[str, t.Any]) -> t.Any:
        with self._lock:
            self._templar.available_variables = variables
            return plain(self._context.copy().run(self._templar.template, raw))


class _Later(t.Mapping[str, t.Any]):
    """Variables of one host whose templates are templated, once, when somebody asks for their values."""

    def __init__(self, host: str, raw: t.Mapping[str, t.Any], known: dict[str, t.Any], engine: _Engine) -> None:
        self._host = host
        self._raw = raw
        self._known = known
        """The values, or _TEMPLATE for those that are to be templated."""
        self._engine = engine

    def __getitem__(self, name: str) -> t.Any:
        value = self._known[name]
        if value is not _TEMPLATE:
            return value
        try:
            value = self._known[name] = self._engine.value(self._host, name, self._raw)
        except AnsibleError as error:
            raise FleetError(
                f"{name} cannot be read",
                cluster=self._host,
                seen=" ".join(str(error).split()),
                next_step="run mesh.fleet.preflight: it lists every problem of the inventory",
            ) from error
        return value

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def __iter__(self) -> t.Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def read_later(
    hostvars: t.Mapping[str, t.Any], hosts: t.Iterable[str], templar: Templar
) -> dict[str, t.Mapping[str, t.Any]]:
    """What :func:`read_variables` reads, but a template is templated when somebody asks for its value, and once.

    A value that Ansible cannot give raises FleetError then, with its host and variable.
    """
    memo, wanted, engine = _Memo(), prefixes(), _Engine(templar)
    raw_get = getattr(hostvars, "raw_get", hostvars.__getitem__)
    found: dict[str, t.Mapping[str, t.Any]] = {}
    for name in hosts:
        host = _key(name)
        raw = raw_get(host)
        values: dict[str, t.Any] = {}
        later = False
        for key in raw:
            if isinstance(key, str) and key.startswith(wanted):
                is_template, value = memo.read(raw[key])
                later = later or is_template
                values[_key(key)] = _TEMPLATE if is_template else value
        found[host] = _Later(host, raw, values, engine) if later else values
    return found
