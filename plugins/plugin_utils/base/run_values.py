# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values by lookup, evaluated once in a run and shared by its tasks.

Every host's task is a process of its own and reads what makes the mesh of all hosts. So the first that needs a lookup's
answer evaluates it, the others wait for it and read it from a file. The files are in Ansible's own folder of this run
(0700), which all its processes share and which Ansible removes at the end.

An answer is used again only while the raw variables of its host are the same: ``set_fact`` or ``include_vars`` between
two tasks have it evaluated anew. So an answer that may depend on variables of other hosts is not stored. Nor is how a
cluster is reached, or any secret.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import typing as t

from ansible import constants

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import may_be_stored
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.files import write_file
from ansible_collections.mesh.fleet.plugins.module_utils.locks import locked

__all__ = ["MARKS", "RunValues"]

MARKS = ("{{", "{%", "{#")
"""What makes a text a template."""
_WORD = re.compile(r"[A-Za-z_]\w*")
_ASKING = frozenset({"lookup", "query", "q"})
"""Words of a template that ask something outside."""
_ELSEWHERE = frozenset({"hostvars", "vars"})
"""Words by which a template reads what nobody here compares: variables of other hosts, or with names not seen."""
_NO_WORDS: frozenset[str] = frozenset()

Variables = t.Mapping[str, t.Any]


class RunValues:
    """What the tasks of this run know of their hosts' lookups.

    Args:
        folder: where; by default a folder of this run of Ansible.
    """

    def __init__(self, folder: str = "") -> None:
        self._folder = folder or os.path.join(constants.DEFAULT_LOCAL_TMP, "mesh.fleet")
        # By identity, for hosts of one group share its values. The value is kept: its id is valid while it exists.
        self._words: dict[int, tuple[t.Any, frozenset[str]]] = {}
        self._digests: dict[int, tuple[t.Any, str]] = {}
        self._hosts: dict[str, tuple[Variables, str]] = {}

    def get(self, host: str, name: str, raw: Variables, context: Variables, evaluate: t.Callable[[], t.Any]) -> t.Any:
        """The value of a variable that is a template: from another task of this run if it is a lookup, else evaluated.

        Args:
            host: whose variable.
            name: of the variable.
            raw: the variables of the host, not templated.
            context: what its template may use besides those.
            evaluate: returns the value, as plain data. What it raises is passed on, and the next task evaluates again.
        """
        key = self._key(host, name, raw, context) if may_be_stored(name) else ""
        if not key:
            return evaluate()
        path = os.path.join(self._folder, f"{key}.json")
        known = _read(path)
        if known is not None:
            return known[0]
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(locked(os.path.join(self._folder, f"{key}.lock")))
            except FleetError:
                return evaluate()  # without a folder each task evaluates for itself
            known = _read(path)
            if known is not None:
                return known[0]
            value = evaluate()
            # What is no JSON, such as a date, is evaluated by each task; so it is where no file can be written.
            with contextlib.suppress(FleetError, TypeError):
                write_file(path, json.dumps([value]), durable=False)
            return value

    def _key(self, host: str, name: str, raw: Variables, context: Variables) -> str:
        """The name under which the value is stored; "" when it is not: no lookup, or it may use what has no digest."""
        used = self._used(name, raw, context)
        if not used & _ASKING or used & _ELSEWHERE:
            return ""
        try:
            more = {
                word: self._digest(raw[word] if word in raw else context[word])
                for word in sorted(used)
                if (word in raw and _is_passing(word, raw)) or (word in context and word not in raw)
            }
            return _sha([host, name, self._host(host, raw), more])
        except TypeError:
            return ""

    def _used(self, name: str, raw: Variables, context: Variables) -> set[str]:
        """The words in the template of a variable, and in those of the variables that it names, and so on."""
        used, new = {name}, [name]
        while new:
            word = new.pop()
            found = self._template_words(raw[word] if word in raw else context.get(word))
            new += found - used
            used |= found
        return used

    def _template_words(self, value: t.Any) -> frozenset[str]:
        if isinstance(value, str):
            return frozenset(_WORD.findall(value)) if any(mark in value for mark in MARKS) else _NO_WORDS
        if not isinstance(value, (t.Mapping, list, tuple)):
            return _NO_WORDS
        known = self._words.get(id(value))
        if known is None:
            parts = [*value, *value.values()] if isinstance(value, t.Mapping) else value
            words = frozenset().union(*(self._template_words(part) for part in parts))
            known = self._words[id(value)] = (value, words)
        return known[1]

    def _host(self, host: str, raw: Variables) -> str:
        """A digest of the variables of a host, without what tasks leave there for themselves."""
        known = self._hosts.get(host)
        if known is None or known[0] is not raw:
            digests = {word: self._digest(raw[word]) for word in sorted(raw) if not _is_passing(word, raw)}
            known = self._hosts[host] = (raw, _sha(digests))
        return known[1]

    def _digest(self, value: t.Any) -> str:
        """Raises TypeError for what nobody here can compare."""
        known = self._digests.get(id(value))
        if known is None:
            known = self._digests[id(value)] = (value, _sha(value))
        return known[1]


def _is_passing(word: str, raw: Variables) -> bool:
    """Whether a variable changes between tasks, and counts only where a template names it: facts, results of roles."""
    facts = raw.get("ansible_facts")
    return (
        word.startswith("__")
        or word in ("ansible_facts", "omit")
        or (isinstance(facts, t.Mapping) and word.removeprefix("ansible_") in facts)
    )


def _sha(value: t.Any) -> str:
    return hashlib.sha256(json.dumps(value, default=_encrypted).encode()).hexdigest()


def _encrypted(value: t.Any) -> str:
    """A vaulted text as it is in the file: nothing is decrypted to compare it."""
    text = getattr(value, "_ciphertext", None)
    if not isinstance(text, (str, bytes)):
        raise TypeError(type(value))
    return str(text)


def _read(path: str) -> list[t.Any] | None:
    with contextlib.suppress(OSError, ValueError), open(path, encoding="utf-8") as stream:
        known = json.load(stream)
        return known if isinstance(known, list) and len(known) == 1 else None
    return None
