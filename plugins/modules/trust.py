# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: trust
short_description: One root for a mesh, and an intermediate CA for each of its control planes
version_added: 0.1.0
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Reads the certificates of every primary of the play and writes the Secret C(cacerts) where the intermediate CA is
    missing or ends soon. Run it once (C(run_once)); it works on all clusters of the play at the same time.
  - Writes to a cluster only if all its checks pass. A cluster that is refused or does not answer does not fail the task; it is
    in RV(failures), and the others finish. Fail that host in a task of its own.
  - Makes a root only if no primary of the inventory has one, whatever C(--limit) says. It reads all of them before, and fails if one does
    not answer. A root that is found is the fleet's. Without its key, what is valid is kept with a warning.
  - Makes a running istiod load a renewed intermediate CA at once, and waits until it has.
  - Skips clusters whose control plane Google runs, because Google's CA signs there. If the play has no others, it makes no root.
options:
  state:
    description:
      - V(absent) removes the Secret of this host if this action wrote it. Run it on every cluster, without C(run_once).
    type: str
    choices: [present, absent]
    default: present
  root:
    description:
      - V(generated) makes a root whose critical name constraint permits the mesh's trust domain only. Its key stays in
        O(directory), encrypted by Ansible Vault.
      - V(provided) uses O(root_cert) and O(root_key).
      - V(external) writes signing requests to C(external) in O(directory) and fails with their list until the signed
        chains are beside them. A renewal that waits for a signature is a warning. With O(signer_command) a command
        signs them at once.
      - V(none) makes and writes no CA, because another program signs, such as cert-manager's istio-csr. istiod must
        know, by C(pilot.env.ENABLE_CA_SERVER) in its Helm values, or have a C(cacerts) that another tool wrote.
    type: str
    choices: [generated, provided, external, none]
    default: generated
  root_cert:
    description:
      - Path or PEM of the self-signed root, with O(root=provided) and O(root=external). With O(root=external), empty
        means C(external/root-cert.pem) in O(directory).
    type: str
    default: ""
  root_key:
    description: Path, PEM or vault text of the root's key, with O(root=provided). It is decrypted in memory only.
    type: str
    default: ""
  signer_command:
    description:
      - With O(root=external), the command and its arguments that have a request signed. It gets the request (PEM) on
        its standard input and the environment of the run, and writes PEM to its standard output, the signed
        intermediate CA first, then the CAs above it. No shell is used.
      - In the arguments C({csr}) becomes the path of the request, C({cluster}) the cluster's name, C({hours}) the
        lifetime in hours.
      - Its answer must be of the root in O(root_cert), and is checked like any other. Check mode does not run it.
    type: list
    elements: str
    default: []
  signer_timeout:
    description: Seconds in which it must sign a request.
    type: float
    default: 120.0
  crl:
    description:
      - Certificate revocation lists, each a path to a PEM file with one or more, or PEM. Those in the variable C(trust_crl) of each cluster
        of the inventory are added. They are written as C(ca-crl.pem) to the Secret of every cluster, and a running istiod hands them to the
        proxies before the task ends.
      - The word V(generated) has the run sign those of CAs whose keys it has and of which none is given. They are good for 30 days, and signed
        anew in the second half of these with all that any list of the CA in a cluster had revoked. A cluster whose clock differs is refused
        then.
      - With C(--limit), a new chain waits while a primary outside the play has lists and none of its CA. That is a warning for a renewal.
      - Refused before anything is written if one has ended, is not valid yet or was not signed by the CA that it names, or if a CA of the
        mesh has none, because proxies with any would refuse every call whose chain has that CA.
      - Without any, those in a cluster stay as they are, with a warning, since they end. A renewed chain waits, with a warning, until there
        is a list of its CA beside them.
    type: list
    elements: str
    default: []
  directory:
    description: Folder for the root and for signing requests; empty means C(trust) in the fleet's folder.
    type: str
    default: ""
  key_type:
    description: Type of new keys.
    type: str
    choices: [ecdsa-p256, rsa-2048, rsa-3072, rsa-4096]
    default: ecdsa-p256
  organization:
    description: The organization (O) in the certificates.
    type: str
    default: Istio
  root_lifetime:
    description: How long a generated root is valid, as V(3650d) or V(12h).
    type: str
    default: 3650d
  lifetime:
    description: How long an intermediate CA is valid, longer than O(renew_before); it ends with the root at the latest.
    type: str
    default: 730d
  renew_before:
    description: An intermediate CA that ends within this time is renewed.
    type: str
    default: 30d
  vault_password_file:
    description:
      - A file (0600) with the password for private keys on the controller. It encrypts if Ansible has loaded no vault
        password. To decrypt, it is tried together with those that Ansible has loaded.
    type: str
    default: ""
  vault_password_create:
    description:
      - Make O(vault_password_file) with a random password if it is missing; empty means C(vault-password) in the
        fleet's folder. For test fleets only, because everybody who can read the folder can read the keys.
    type: bool
    default: false
  remove_root:
    description: With O(state=absent), remove the generated root and its key too.
    type: bool
    default: false
  timeout:
    description: Seconds in which a running istiod must load a renewed intermediate CA.
    type: float
    default: 90.0
extends_documentation_fragment:
  - mesh.fleet.fleet_action
"""

EXAMPLES = r"""
- name: A generated root, its key encrypted by the vault password of this run
  mesh.fleet.trust:
  run_once: true
  register: trust_outcome

- name: Fail the clusters that were refused
  ansible.builtin.fail:
    msg: "{{ trust_outcome.failures[inventory_hostname] }}"
  when: inventory_hostname in trust_outcome.failures

- name: A root that exists already
  mesh.fleet.trust:
    root: provided
    root_cert: /etc/mesh/root-cert.pem
    root_key: /etc/mesh/root-key.vault
  run_once: true

- name: Remove the intermediate CA
  mesh.fleet.trust:
    state: absent
"""

RETURN = r"""
root:
  description: SHA-256 fingerprint of the fleet's root; empty if check mode only plans it.
  returned: with O(state=present)
  type: str
  sample: "9f:3c:5a:…"
root_days_left:
  description: Whole days until the root ends.
  returned: with O(state=present)
  type: int
crl_days_left:
  description:
    - Whole days until the first revocation list ends, of those that are given, else of those in the clusters of the play; none without any.
  returned: with O(state=present)
  type: int
kept_in:
  description: Where the root's key is, a folder of the controller or a Secret in a cluster. Empty if it is the user's own.
  returned: with O(state=present)
  type: str
  sample: Secret mesh-fleet/shop-state in east
clusters:
  description:
    - By cluster, what was done (C(action) is C(issue), C(renew) or C(keep)), and of the intermediate CA that it had before C(days_left)
      and the fingerprint C(sha256). No key and no certificate.
  returned: always
  type: dict
  sample: {west: {action: renew, days_left: 11, sha256: "1d:77:…"}}
failures:
  description: By cluster, why it failed, as text. The task itself succeeds, so that the other clusters go on; the role fails these.
  returned: success
  type: dict
problems:
  description:
    - By cluster, a list of what went wrong, each with C(what), C(cluster), C(object), C(seen), C(means) and C(next), those that are known.
    - An empty name stands for the whole fleet.
  returned: always
  type: dict
objects:
  description: Each Secret and each file of the controller that was written or removed, with its C(action).
  returned: always
  type: list
  elements: dict
msg:
  description: The result in one line.
  returned: always
  type: str
  sample: root SHA256 9f:3c:5a:01…  west renewed (11 days left) · 3 unchanged
"""
