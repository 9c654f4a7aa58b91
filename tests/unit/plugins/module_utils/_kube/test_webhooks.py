# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which refusals are a webhook's silence; their words are those of API servers and Helm."""

from __future__ import annotations

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.webhooks import webhook_is_silent

CALL = (
    'Internal error occurred: failed calling webhook "validation.istio.io": failed to call webhook: '
    'Post "https://istiod.istio-system.svc:443/validate?timeout=10s": '
)


@pytest.mark.parametrize(
    "why",
    [
        "context deadline exceeded",
        "dial tcp 10.96.1.2:443: connect: connection refused",
        'no endpoints available for service "istiod"',
        "EOF",
        "read tcp 10.0.0.1:1->10.0.0.2:443: read: connection reset by peer",
        "dial tcp 10.96.1.2:443: i/o timeout",
        "net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
        "tls: failed to verify certificate: x509: certificate signed by unknown authority",
        "tls: failed to verify certificate: x509: certificate is valid for proxy.example, not istiod.istio-system.svc",
        "the server is currently unable to handle the request",
    ],
)
def test_what_passes_in_a_moment(why: str) -> None:
    assert webhook_is_silent(CALL + why)
    assert webhook_is_silent(f"Error: UPGRADE FAILED: cannot patch: {CALL}{why}")


@pytest.mark.parametrize(
    "text",
    [
        'admission webhook "validation.istio.io" denied the request: configuration is invalid: connection refused',
        'failed calling webhook "x.example.com": failed to call webhook: service "x" not found',
        "Kubernetes cluster unreachable: connection refused",
        "etcdserver: request timed out, context deadline exceeded",
    ],
)
def test_what_does_not(text: str) -> None:
    assert not webhook_is_silent(text)
