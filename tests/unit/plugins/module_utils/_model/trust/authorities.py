# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Valid roots and a valid chain, for tests of certificates."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from cryptography import x509
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._model.trust import certificates, decisions
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.signing_chain import SigningChain, verify_chain

NOW = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
POLICY = certificates.Policy(trust_domain="shop.example", namespace="istio-system", revision="default", now=NOW)
labels = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
domains = st.lists(labels, min_size=1, max_size=3).map(".".join)


def authority(policy: certificates.Policy = POLICY) -> certificates.Authority:
    key = certificates.new_key()
    return certificates.Authority(certificates.make_root(key, policy), key)


ROOT = authority()
OTHER = authority()
WEST = decisions.issue("west", ROOT, POLICY)


def check(chain: SigningChain, root: x509.Certificate = ROOT.certificate, **changes: t.Any) -> x509.Certificate:
    return verify_chain(chain, root, dataclasses.replace(POLICY, **changes))
