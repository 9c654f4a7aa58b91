# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The front door's reserved address: a global one, which stays when the front door changes."""

from __future__ import annotations

import typing as t

from ...errors import FleetError
from ...results import CREATED, REMOVED, UNCHANGED, Change
from ..api.run_memory import run_memory
from ..api.session import Google

__all__ = ["address_url", "note_addresses", "release_address", "reserve_address"]


def address_url(project: str, name: str) -> str:
    """The URL of a reserved address, as Google's load balancers name it."""
    return f"https://www.googleapis.com/compute/v1/projects/{project}/global/addresses/{name}"


def _mark(fleet_name: str) -> str:
    return f"mesh.fleet: front door of {fleet_name}"


def note_addresses(google: Google, addresses: t.Mapping[tuple[str, str], t.Mapping[str, t.Any]]) -> None:
    """Keep the global ones of a project for the rest of the run, so that one that is there costs no further request.

    Args:
        google: client of the project.
        addresses: all of the project, by region ("global" for those) and name.
    """
    with run_memory(_about(google)) as known:
        known["addresses"] = [dict(address) for (place, _name), address in addresses.items() if place == "global"]


def _noted(google: Google, name: str) -> dict[str, t.Any]:
    with run_memory(_about(google)) as known:
        return next((address for address in known.get("addresses") or [] if address.get("name") == name), {})


def _about(google: Google) -> dict[str, str]:
    return {"project": google.project, "endpoint": google.settings.endpoint, "of": "global addresses"}


def reserve_address(google: Google, name: str, fleet_name: str, *, dry_run: bool, timeout: float) -> tuple[str, Change]:
    """Reserve the address ``name`` where it is missing; return its IP, or "" while it is only planned.

    Raises FleetError for an address of that name that is internal, or that something else uses.
    """
    where: dict[str, t.Any] = {"project": google.project, "obj": f"address {name}"}
    found = _noted(google, name) or google.call("compute", "globalAddresses.get", address=name, absent=True, **where)
    if found:
        _refuse_unfit(found, where["obj"])
        return str(found.get("address") or ""), Change("", "Address", name, UNCHANGED)
    change = Change("", "Address", name, CREATED, after=f"{name}: external, global\n")
    if dry_run:
        return "", change
    body = {"name": name, "addressType": "EXTERNAL", "ipVersion": "IPV4", "description": _mark(fleet_name)}
    operation = google.call("compute", "globalAddresses.insert", body=body, **where)
    google.wait("compute", operation, timeout, obj=where["obj"])
    found = google.call("compute", "globalAddresses.get", address=name, **where)
    return str(found.get("address") or ""), change


def _refuse_unfit(found: t.Mapping[str, t.Any], obj: str) -> None:
    internal = found.get("addressType") == "INTERNAL"
    # Names of what multi-cluster ingress makes begin with mci-.
    others = [
        str(user).rsplit("/", 1)[-1]
        for user in found.get("users") or []
        if not str(user).rsplit("/", 1)[-1].startswith("mci-")
    ]
    if internal or others:
        raise FleetError(
            "the front door cannot use the address",
            obj=obj,
            seen="an internal address" if internal else f"in use by {', '.join(others)}",
            means="the internet cannot reach it" if internal else "something else uses it already",
            next_step="set front_door_address to another name; it is reserved if it is missing",
        )


def release_address(google: Google, name: str, fleet_name: str, *, dry_run: bool, timeout: float) -> list[Change]:
    """Release the address, if we reserved it."""
    where: dict[str, t.Any] = {"project": google.project, "obj": f"address {name}"}
    found = google.call("compute", "globalAddresses.get", address=name, absent=True, **where)
    if not found or found.get("description") != _mark(fleet_name):
        return [Change("", "Address", name, UNCHANGED)]
    if not dry_run:
        operation = google.call("compute", "globalAddresses.delete", address=name, **where)
        google.wait("compute", operation, timeout, obj=where["obj"])
    return [Change("", "Address", name, REMOVED, before=f"{name}: {found.get('address')}\n")]
