# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules that one value of a ``gke_*`` variable must keep."""

from __future__ import annotations

import re
import typing as t

from ...inventory.variable import Fault

__all__ = ["cluster_name", "name", "project", "resource_labels"]

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL = re.compile(r"[-_a-z0-9]{0,63}")
_PROJECT = re.compile(r"([a-z0-9.-]+:)?[a-z][-a-z0-9]{4,28}[a-z0-9]")


def project(value: str) -> Fault | None:
    if _PROJECT.fullmatch(value):
        return None
    if value.isdigit():
        return Fault("is a project number", "give the project's ID: gcloud projects list shows both")
    return Fault("is not a project ID", "6 to 30 lower-case letters, digits and -, for example shop-prod")


def name(value: str) -> Fault | None:
    if _NAME.fullmatch(value):
        return None
    if "/" in value:
        hint = "give its name alone; the project of a Shared VPC goes into gke_network_project"
        return Fault("is a path, not a name", hint)
    return Fault("is not a name in Google Cloud", "at most 63 lower-case letters, digits and -, a letter first")


def cluster_name(value: str) -> Fault | None:
    if len(value) <= 40 and _NAME.fullmatch(value):
        return None
    return Fault("is not a name that GKE accepts", "at most 40 lower-case letters, digits and -, a letter first")


def resource_labels(value: t.Mapping[t.Any, t.Any]) -> Fault | None:
    for key, text in value.items():
        if not _LABEL.fullmatch(str(key)) or not str(key)[:1].isalpha():
            return Fault(f"has {str(key)[:40]!r}, which is not a label's name", "lower-case letters, digits, _ and -")
        if not isinstance(text, str):
            return Fault(f"has a value for {key} that is not text", "put it in quotes")
        if not _LABEL.fullmatch(text):
            return Fault(f"has a value for {key} that is not a label's", "lower-case letters, digits, _ and -")
    return None
