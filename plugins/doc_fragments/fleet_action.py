# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all actions of this collection have in common, for their documentation."""

from __future__ import annotations


class ModuleDocFragment:
    """The plain fragment is for every action that changes something, ``.reads`` for those that only look.

    What an action returns cannot be shared: ansible-core takes no fragments into RETURN. Each fragment is one literal,
    because ansible-test reads nothing else.
    """

    DOCUMENTATION = """
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
    details:
      - The same plan is made as in a real run, and the API server computes its outcome (a dry run).
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
  - Runs in the process of C(ansible-playbook), on the controller; the connection of the host is not used.
"""

    READS = """
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
    details:
      - It changes nothing, so check mode makes no difference.
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
  - Runs in the process of C(ansible-playbook), on the controller; the connection of the host is not used.
"""
