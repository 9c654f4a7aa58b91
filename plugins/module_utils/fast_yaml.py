# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PyYAML's safe loader and dumper: those on libyaml where it is there, which are several times faster."""

from __future__ import annotations

import typing as t

import yaml

__all__ = ["DUMPER", "LOADER"]

LOADER: t.Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DUMPER: t.Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
