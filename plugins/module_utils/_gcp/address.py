# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Global addresses that outlive what stands behind them."""

from __future__ import annotations

import typing as t

from ..results import CREATED, REMOVED, UNCHANGED, Change
from .session import Google

__all__ = ["address_url", "release_address", "reserve_address"]


def address_url(project: str, name: str) -> str:
    """How Google's load balancers name a reserved address."""
    return f"https://www.googleapis.com/compute/v1/projects/{project}/global/addresses/{name}"


def _mark(fleet_name: str) -> str:
    return f"mesh.fleet: front door of {fleet_name}"


def reserve_address(google: Google, name: str, fleet_name: str, *, dry_run: bool, timeout: float) -> tuple[str, Change]:
    """The IP of the address ``name``, which is reserved when nobody has done so; "" while it is only planned."""
    where: dict[str, t.Any] = {"project": google.project, "obj": f"address {name}"}
    found = google.call("compute", "globalAddresses.get", address=name, absent=True, **where)
    if found:
        return str(found.get("address") or ""), Change("", "Address", name, UNCHANGED)
    change = Change("", "Address", name, CREATED, after=f"{name}: external, global\n")
    if dry_run:
        return "", change
    body = {"name": name, "addressType": "EXTERNAL", "ipVersion": "IPV4", "description": _mark(fleet_name)}
    operation = google.call("compute", "globalAddresses.insert", body=body, **where)
    google.wait("compute", operation, timeout, obj=where["obj"])
    found = google.call("compute", "globalAddresses.get", address=name, **where)
    return str(found.get("address") or ""), change


def release_address(google: Google, name: str, fleet_name: str, *, dry_run: bool, timeout: float) -> list[Change]:
    """Give the address back, where we reserved it."""
    where: dict[str, t.Any] = {"project": google.project, "obj": f"address {name}"}
    found = google.call("compute", "globalAddresses.get", address=name, absent=True, **where)
    if not found or found.get("description") != _mark(fleet_name):
        return [Change("", "Address", name, UNCHANGED)]
    if not dry_run:
        operation = google.call("compute", "globalAddresses.delete", address=name, **where)
        google.wait("compute", operation, timeout, obj=where["obj"])
    return [Change("", "Address", name, REMOVED, before=f"{name}: {found.get('address')}\n")]
