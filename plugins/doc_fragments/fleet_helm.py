# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of all actions that install Helm releases."""

from __future__ import annotations


class ModuleDocFragment:
    """Helm itself; ``.charts`` for the source of Istio's charts."""

    DOCUMENTATION = r"""
options:
  helm:
    description:
      - Path of Helm 3 or 4.
      - Empty means that of the artifacts, else the one on PATH; the other way round where C(artifacts_parts) has no
        Helm.
    type: str
    default: ""
requirements:
  - aiohttp
  - Helm 3 or 4
"""

    CHARTS = r"""
options:
  charts:
    description:
      - Source of the charts; a folder of charts or of archives (C(istiod-1.31.1.tgz)), an C(https://) repository or an
        C(oci://) address.
      - Empty means the folder that the artifacts role fills, C($XDG_CACHE_HOME/mesh.fleet/artifacts/charts).
    type: str
    default: ""
"""
