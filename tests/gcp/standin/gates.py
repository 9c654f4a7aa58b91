# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stands before every service of Google's: billing, perimeters, quota projects, APIs that were just enabled.

The words are those that people got and published.
"""

from __future__ import annotations

from .cloud import Cloud
from .errors import Refused, service_disabled

__all__ = ["check_gates"]

_ADC_CLIENT = "764086051850"
"""The project of the client of ``gcloud auth application-default login``."""
_BY_CLIENT = ("gkehub", "serviceusage", "cloudresourcemanager", "iam")
"""Services whose requests count for the project of the login, not for that of the resource."""
_FREE = ("serviceusage", "cloudresourcemanager", "iam")
"""Services that work without billing."""


def check_gates(cloud: Cloud, service: str, host: str, project: str, verb: str) -> None:
    """Refused where a request does not get as far as its service.

    Args:
        cloud: the world.
        service: its name, ``container``.
        host: ``container.googleapis.com``.
        project: of the resource, "" for none.
        verb: of HTTP.
    """
    if project in cloud.perimeters:
        # https://github.com/cloudquery/cloudquery/issues/1062
        uid = "eYhDkfYCu-dOCjuj8X4Am9-spkxs0-kX5YnhAJmc3PZ7pmNNfSsqtQ"
        raise Refused(
            403,
            f"Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: {uid}",
            reason="SECURITY_POLICY_VIOLATED",
            domain="googleapis.com",
            metadata={"service": host, "uid": uid, "consumer": f"projects/{project}"},
        )
    if cloud.no_quota_project and service in _BY_CLIENT:
        # https://github.com/GoogleCloudPlatform/dlp-pdf-redaction/issues/25
        raise Refused(
            403,
            "Your application is authenticating by using local Application Default Credentials. The "
            f"{host} API requires a quota project, which is not set by default. To learn how to set your quota "
            "project, see https://cloud.google.com/docs/authentication/adc-troubleshooting/user-creds .",
            reason="SERVICE_DISABLED",
            domain="googleapis.com",
            metadata={"consumer": f"projects/{_ADC_CLIENT}", "service": host},
        )
    if project in cloud.unbilled and service not in _FREE:
        # https://github.com/GoogleCloudPlatform/php-docs-samples/issues/1235
        number = cloud.number(project)
        url = f"https://console.developers.google.com/billing/enable?project={number}"
        raise Refused(
            403,
            f"This API method requires billing to be enabled. Please enable billing on project #{number} by visiting "
            f"{url} then retry. If you enabled billing for this project recently, wait a few minutes for the action to "
            "propagate to our systems and retry.",
            reason="BILLING_DISABLED",
            domain="googleapis.com",
            metadata={"service": host, "consumer": f"projects/{number}"},
        )
    # Reads get through before writes do: that one request succeeds says nothing of the next.
    if verb != "GET" and not cloud.settles(f"{project} {host}"):
        raise service_disabled(service, project, cloud.number(project))
