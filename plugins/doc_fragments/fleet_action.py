# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation that all actions of this collection share."""

from __future__ import annotations


class ModuleDocFragment:
    """The plain fragment is for actions that change something, ``.reads`` for those that only read.

    Return values cannot be shared, because ansible-core has no fragments for RETURN. Each fragment is one literal,
    because ansible-test reads nothing else.
    """

    DOCUMENTATION = """
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
    details:
      - It plans as in a real run; API servers compute the outcome by a dry run.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing), when in diff mode.
    support: full
    details:
      - Values of Secrets are masked.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second reports no change.
    support: full
  action_group:
    description: Use C(group/mesh.fleet.fleet) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - mesh.fleet.fleet
notes:
  - Runs on the controller, in the process of C(ansible-playbook), and does not use the host's connection.
"""

    READS = """
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
    details:
      - It changes nothing, with or without check mode.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing), when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second reports no change.
    support: full
  action_group:
    description: Use C(group/mesh.fleet.fleet) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - mesh.fleet.fleet
notes:
  - Runs on the controller, in the process of C(ansible-playbook), and does not use the host's connection.
"""
