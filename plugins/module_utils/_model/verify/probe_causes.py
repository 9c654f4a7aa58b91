# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a probe does not run, from what Kubernetes says about it: what that means, and the next step."""

from __future__ import annotations

import re

__all__ = ["probe_cause"]

_CAUSES: tuple[tuple[str, str, str], ...] = (
    (
        r"violates PodSecurity|security context constraint|runAsNonRoot",
        "the cluster's PodSecurity refuses the pod or its sidecar",
        "allow the pods of namespace mesh-verify there what the message names (label "
        "pod-security.kubernetes.io/enforce, or an exemption), or set mesh_cni: true, so that no pod needs privileges",
    ),
    (
        r"exceeded quota|failed quota",
        "a ResourceQuota of namespace mesh-verify leaves no room for the pod and its sidecar",
        "raise the quota there, or set resources of mesh_pods; the probe requests 5m CPU and 32Mi, its sidecar "
        "what Istio's chart says",
    ),
    (
        r"(maximum|minimum) \w+ usage|LimitRange|max(imum)? limit to request ratio",
        "a LimitRange of namespace mesh-verify refuses what the pod or its sidecar requests",
        "change the LimitRange there, resources of mesh_pods, or global.proxy.resources in control_plane_values",
    ),
    (
        r"untolerated taint|didn't tolerate|node selector|node affinity",
        "no node takes the pod: taints, or selectors that no node fulfils",
        "set node_selector and tolerations of mesh_pods to what {cluster} has, or give it a node without taints",
    ),
    (
        r"Insufficient \w+|Too many pods",
        "the cluster's nodes are full",
        "add a node, or free some of what the message names",
    ),
    (
        r"istio-ca-root-cert",
        "the namespace has no ConfigMap istio-ca-root-cert, by which the sidecar knows its istiod: istiod writes it to "
        "each namespace, unless istiod does not run, does not watch this cluster, or leaves the namespace out by its "
        "discoverySelectors",
        "see istiod's log of {cluster} (of a remote: its primary's), and discoverySelectors in its mesh configuration",
    ),
    (
        r":15012\b|failed to warm certificate|is Istiod running",
        "the sidecar does not reach its istiod at port 15012, so it gets neither certificate nor configuration",
        "allow port 15012 from the pods to istiod (a NetworkPolicy, a firewall; of a remote: to its primary's "
        "east-west gateway)",
    ),
    (
        r"ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull",
        "the node cannot pull the image",
        "set verify_image (or apps_sample_image) to an image that the nodes of {cluster} can pull; for the sidecar's: "
        "mesh_hub and mesh_tag; for credentials: image_pull_secrets of mesh_pods",
    ),
    (
        r"failed calling webhook",
        "a webhook of the cluster did not answer, so no pod can be made",
        "see the webhook that the message names; the injector's is istiod's: run the control_plane stage with "
        "--limit {cluster}",
    ),
    (
        r"admission webhook .* denied|denied the request|is forbidden",
        "a policy of the cluster refuses the object",
        "allow what the message names in namespace mesh-verify",
    ),
    (
        r"is immutable|status 422|HTTP 422|Unprocessable|Invalid value",
        "the cluster has an object of this name that cannot become ours, or refuses a value",
        "see the object that the message names; if it is of an earlier run, delete it, then verify again",
    ),
)


def probe_cause(cluster: str, seen: str) -> tuple[str, str]:
    """What it means and the next step; two empty texts where nothing names a cause.

    Args:
        cluster: the name of the probe's cluster.
        seen: what Kubernetes said of the probe's Deployment or pods.
    """
    for pattern, means, step in _CAUSES:
        if re.search(pattern, seen, re.IGNORECASE | re.DOTALL):
            return means, step.format(cluster=cluster)
    return "", ""
