# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of all actions that use this machine's container engine."""

from __future__ import annotations


class ModuleDocFragment:
    """The engine; ``.kind`` for the program kind."""

    DOCUMENTATION = r"""
options:
  engine:
    description: Container engine; V(auto) means the first that answers.
    type: str
    choices: [auto, podman, docker]
    default: auto
"""

    KIND = r"""
options:
  bin:
    description: Folder with the program C(kind); empty means that of the artifacts.
    type: path
    default: ""
"""
