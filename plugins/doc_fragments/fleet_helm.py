# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of all actions that bring Helm releases to what they should be."""

from __future__ import annotations


class ModuleDocFragment:
    """Helm itself; ``.charts`` for where Istio's charts are."""

    DOCUMENTATION = r"""
options:
  helm:
    description: Path of a Helm 3 binary. Empty takes the artifacts' one, else the one on PATH.
    type: str
    default: ""
requirements:
  - aiohttp
  - kubernetes.core
  - Helm 3
"""

    CHARTS = r"""
options:
  charts:
    description:
      - Where charts come from; a folder, an C(https://) repository or an C(oci://) address.
      - Empty takes the folder that the artifacts role fills, below C($XDG_CACHE_HOME/mesh.fleet/artifacts/charts).
    type: str
    default: ""
"""
