# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Revocation lists as users give them: files, or their text."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.own_lists import GENERATED
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.hostvars import plain
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.paths import folder_of_host, located
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.folder import read_text

__all__ = ["given_crls", "located_crls", "read_crls"]

_VARIABLE = "trust_crl"


def given_crls(own: t.Sequence[str], hostvars: t.Any, hosts: t.Iterable[str]) -> list[str]:
    """Paths and texts, each once: those of the task, then what each cluster of the fleet says for its own CA.

    Args:
        own: the task's, with absolute paths.
        hostvars: Ansible's; only what is set is templated.
        hosts: the clusters of the whole inventory: ``--limit`` leaves out none of their CAs.
    """
    found = list(own)
    raw_get: t.Callable[[str], t.Any] = getattr(hostvars, "raw_get", lambda name: hostvars.get(name) or {})
    for host in hosts:
        if _VARIABLE in raw_get(host):
            value = plain(hostvars[host][_VARIABLE]) or []
            folder = folder_of_host(hostvars, host)
            found += located_crls([value] if isinstance(value, str) else value, folder)
    return list(dict.fromkeys(one for one in found if one))


def located_crls(values: t.Iterable[t.Any], folder: str) -> list[str]:
    """The values with absolute paths; a file beside the inventory that is called as the word is ``./generated``."""
    return [str(one) if one == GENERATED else located(str(one), folder) for one in values]


def read_crls(given: t.Iterable[str]) -> dict[str, str]:
    """PEM by the name that errors give it: its path, or the variable's name; the word :data:`GENERATED` is none.

    Raises:
        FleetError: one cannot be read.
    """
    texts: dict[str, str] = {}
    for number, value in enumerate((one for one in given if one != GENERATED), 1):
        if "-----BEGIN" in value:
            texts[f"text {number} of {_VARIABLE}"] = value
        else:
            texts[value] = read_text(value, "a certificate revocation list")
    return texts
