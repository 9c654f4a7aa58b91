# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""As whom requests are made, where a kubeconfig's user asks to be somebody else."""

from __future__ import annotations

import typing as t
import urllib.parse

from ..errors import FleetError

__all__ = ["impersonation", "impersonation_headers"]

_IN_NAMES = "!#$&'*+-.^_`|~"
"""What the name of a header may hold beside letters and digits; anything else is percent-encoded, as client-go does."""


def impersonation(user: t.Mapping[str, t.Any], path: str, cluster: str) -> dict[str, t.Any]:
    """``as``, ``as-uid``, ``as-groups`` and ``as-user-extra`` of a kubeconfig's user, those that are set.

    Raises:
        FleetError: they are none, or others than ``as`` are set without it: the server would refuse that, and
            without them we would act as somebody else.
    """
    found = {key: user[key] for key in ("as", "as-uid", "as-groups", "as-user-extra") if user.get(key)}
    groups, extra = found.get("as-groups", []), found.get("as-user-extra", {})
    lists = [groups, *(extra.values() if isinstance(extra, dict) else ["not a mapping"])]
    if not all(isinstance(one, list) for one in lists):
        raise _refusal("as-groups is no list, or as-user-extra no mapping of lists", path, cluster)
    if found and "as" not in found:
        raise _refusal(f"{', '.join(found)} without as", path, cluster)
    # A number or a date of YAML is text here.
    texts: dict[str, t.Any] = {key: str(found[key]) for key in ("as", "as-uid") if key in found}
    if groups:
        texts["as-groups"] = [str(group) for group in groups]
    if extra:
        texts["as-user-extra"] = {str(key): [str(value) for value in values] for key, values in extra.items()}
    if any(not value.isprintable() for _name, value in impersonation_headers(texts)):
        raise _refusal("a control character", path, cluster)
    return texts


def impersonation_headers(impersonation: t.Mapping[str, t.Any]) -> list[tuple[str, str]]:
    """The headers of every request; one that has several values comes several times."""
    headers = [("Impersonate-User", impersonation["as"])] if impersonation else []
    if impersonation.get("as-uid"):
        headers.append(("Impersonate-Uid", impersonation["as-uid"]))
    headers += [("Impersonate-Group", group) for group in impersonation.get("as-groups", [])]
    for key, values in impersonation.get("as-user-extra", {}).items():
        name = f"Impersonate-Extra-{urllib.parse.quote(key, safe=_IN_NAMES)}"
        headers += [(name, value) for value in values]
    return headers


def _refusal(seen: str, path: str, cluster: str) -> FleetError:
    return FleetError(
        "its kubeconfig says as whom to act in a way that cannot be used",
        cluster=cluster,
        seen=f"{path}: {seen}",
        means="as names a user; as-uid, as-groups and as-user-extra say more about that user",
        next_step="correct the user in the kubeconfig, or get a fresh kubeconfig of this cluster",
    )
