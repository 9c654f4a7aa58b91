# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Google's refusals mean, and what to do: one place for all services. Pure functions over the words of an answer.

Words are those on record: in Google's documentation, and in the issues of terraform-provider-google,
terraform-google-kubernetes-engine, google-auth-library-python and others, where people paste what they got.
"""

from __future__ import annotations

import re
import typing as t

__all__ = [
    "AGAIN",
    "AGENT",
    "API_OFF",
    "BUSY",
    "OFF",
    "OTHER",
    "PERMISSION",
    "RATES",
    "UNKNOWN",
    "UNKNOWN_ACCOUNT",
    "Refusal",
    "failed_operation",
    "permission_in",
    "verdict",
]

_PERMISSION = re.compile(r"[\"'](?P<name>[a-z]+(?:\.[A-Za-z]+){2,})[\"']|\b(?P<bare>[a-z]+\.[A-Za-z]+\.[A-Za-z]+)\b")
_NO_PERMISSION = re.compile(r"https?://\S+|\S+@\S+|\b\S+\.(?:com|dev|goog)\b\S*")
"""Addresses of pages, accounts and APIs: they look like permissions."""
_NEEDED = {
    "cloudresourcemanager.projects.get": "resourcemanager.projects.get",
    "cloudresourcemanager.projects.getIamPolicy": "resourcemanager.projects.getIamPolicy",
    "cloudresourcemanager.projects.setIamPolicy": "resourcemanager.projects.setIamPolicy",
    "serviceusage.services.batchEnable": "serviceusage.services.enable",
    "serviceusage.services.batchGet": "serviceusage.services.get",
}
"""Permissions of methods whose answers do not name them."""
_API = re.compile(r"\b(?P<name>[a-z]+\.googleapis\.com)\b")

AGAIN = (429, 500, 502, 503, 504)
"""Statuses of answers that pass by themselves."""
RATES = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"})
"""Reasons, with 403 or 429, for too many requests in a short time. Their messages speak of a quota too."""

API_OFF, PERMISSION, AGENT, BUSY, UNKNOWN_ACCOUNT = "api off", "permission", "agent", "busy", "unknown account"
OTHER = "other"
"""Kinds of refusals. With all but OTHER a caller may do something else than give up."""

_GOOGLES_OWN = ("projects/764086051850", "projects/32555940559")
"""Projects of the clients of ``gcloud auth application-default login`` and of ``gcloud auth login``: requests of a user
without a quota project count there (https://cloud.google.com/docs/authentication/adc-troubleshooting/user-creds)."""
_BILLING = (
    "billing to be enabled",
    "has billing disabled",
    "Billing must be enabled",
    "billing account for the owning",
)
_PERIMETER = ("vpcServiceControlsUniqueIdentifier", "VPC Service Controls")
_ACCOUNT = re.compile(r"(?P<email>[-a-z0-9]+@(?P<home>[-a-z0-9.]+)\.gserviceaccount\.com)")
_DEFAULT_ACCOUNT = "-compute@developer.gserviceaccount.com"
_GONE_ACCOUNT = re.compile(r"[Ss]ervice account \"?\S*@\S* (?:does not exist|is disabled)|Gaia id not found for email")
_CONSTRAINT = re.compile(r"\bconstraints/(?P<name>[A-Za-z]+\.[A-Za-z]+)\b")
_MENDS: t.Mapping[str, str] = {
    "compute.requireShieldedVm": "set gke_secure_boot: true",
    "compute.vmExternalIpAccess": "set gke_private_nodes: true",
    "gcp.resourceLocations": "choose a cluster_region that it allows",
    "gcp.restrictNonCmekServices": "name Cloud KMS keys (gke_disk_key, gke_database_key)",
}
_BUSY_WORDS = re.compile(
    r"incompatible operation|\boperation\b.* is currently |is currently being |operation in progress|is not ready$"
    r"|concurrent policy changes|another operation|pending operation",
    re.IGNORECASE,
)
_BUSY_REASONS = {"CLUSTER_ALREADY_HAS_OPERATION", "resourceNotReady"}
_ROBOTS: t.Mapping[str, str] = {
    "container-engine-robot.iam": "roles/container.serviceAgent",
    "cloudservices": "roles/editor",
    "gcp-sa-gkehub.iam": "roles/gkehub.serviceAgent",
    "gcp-sa-servicemesh.iam": "roles/anthosservicemesh.serviceAgent",
    "gcp-sa-mcsd.iam": "roles/multiclusterservicediscovery.serviceAgent",
    "gcp-sa-multiclusteringress.iam": "roles/multiclusteringress.serviceAgent",
    "compute-system.iam": "roles/compute.serviceAgent",
}
"""Google's own accounts, by their domain, with the role that Google gives each."""


OFF = ("SERVICE_DISABLED", "accessNotConfigured")
"""Reasons of an answer that an API is off."""


class Refusal(t.NamedTuple):
    """What a refusal is about, in words, and its kind."""

    what: str
    means: str
    next_step: str
    kind: str = OTHER


def failed_operation(message: str, *, project: str = "") -> Refusal:
    """What the message of an operation means that Google accepted, and that failed."""
    known = _known(0, message, [], {}, project)
    return known or Refusal("Google could not do it", "", "correct what Google names, then run again")


UNKNOWN = Refusal("Google refuses the request", "", "correct what the answer names; then run again")


def verdict(
    status: int, message: str, reasons: list[str], metadata: dict[str, str], method: str, project: str
) -> Refusal:
    """What failed, what it means, and the next step."""
    if status == 401:
        return Refusal(
            "Google does not accept the credentials",
            "the token has expired, or is not one of Google's",
            "get a new one (gcloud auth application-default login, or a service account key); then run again",
        )
    known = _known(status, message, reasons, metadata, project)
    if known is not None:
        return known
    disabled = set(OFF) & set(reasons) or "has not been used in project" in message
    if status == 403 and disabled:
        named = _API.search(message)
        api = metadata.get("service") or (named["name"] if named else f"{method.partition('.')[0]}.googleapis.com")
        return Refusal(
            f"API {api} is disabled in project {project}",
            "nobody has switched it on",
            f"set gke_enable_apis: true, or run `gcloud services enable {api} --project {project}`; then run again",
            API_OFF,
        )
    fast = status in (403, 429) and bool(RATES & set(reasons))
    if status == 403 and not fast:
        permission = metadata.get("permission") or permission_in(message) or _NEEDED.get(method, "")
        return Refusal(
            f"permission {permission} is missing" if permission else "Google does not allow it",
            f"the account has no role in project {project} that allows {method}",
            f"grant a role with {permission or 'that permission'} (see roles/{_role_of(method)}/README.md)",
            PERMISSION,
        )
    if status == 404:
        return Refusal(
            "Google does not know it", "", f"check the names, and that the account may read project {project}"
        )
    if status == 409:
        return Refusal("it exists already, or another operation on it is running", "", "run again when that is over")
    if status == 429 or fast:
        return Refusal("Google asks for fewer requests", "a rate quota of the project", "run again in a minute")
    if status >= 500:
        return Refusal("Google reports an error of its own", "", "run again; status.cloud.google.com lists outages")
    return UNKNOWN


def _known(
    status: int, message: str, reasons: t.Sequence[str], metadata: t.Mapping[str, str], project: str
) -> Refusal | None:
    """Refusals that say in words of their own what they are about, whatever the status; None for any other."""
    if "requires a quota project" in message or metadata.get("consumer") in _GOOGLES_OWN:
        return Refusal(
            "the login has no quota project",
            "requests of a user's login count for a project of Google's own until one is named",
            f"run `gcloud auth application-default set-quota-project {project}`; then run again",
        )
    if "USER_PROJECT_DENIED" in reasons:
        return Refusal(
            "the account may not use the quota project",
            "requests of this login count for a project in which it lacks serviceusage.services.use",
            "grant it roles/serviceusage.serviceUsageConsumer there, or name another: `gcloud auth "
            f"application-default set-quota-project {project}`; then run again",
        )
    if {"BILLING_DISABLED", "UREQ_PROJECT_BILLING_NOT_FOUND"} & set(reasons) or any(w in message for w in _BILLING):
        return Refusal(
            f"billing is off in project {project}",
            "no billing account pays for the project, or that account is closed",
            f"run `gcloud billing projects link {project} --billing-account=ACCOUNT` (`gcloud billing accounts list` "
            "shows them), wait a few minutes; then run again",
        )
    if "SECURITY_POLICY_VIOLATED" in reasons or any(words in message for words in _PERIMETER):
        return Refusal(
            f"VPC Service Controls keep this machine out of project {project}",
            "a service perimeter allows the request neither from this network nor for this account",
            "run from inside the perimeter, or give the identifier above to its administrator, who can add an ingress "
            "rule or an access level; then run again",
        )
    constraint = _CONSTRAINT.search(message)
    if constraint and "violated" in message:
        mend = _MENDS.get(constraint["name"], "change what it names")
        return Refusal(
            f"a policy of the organisation forbids it: {constraint['name']}",
            f"it applies to project {project}" if project else "",
            f"{mend}, or have an administrator of the organisation except the project; then run again",
        )
    if "CLUSTER_ALREADY_HAS_OPERATION" in reasons or _BUSY_REASONS & set(reasons) or _BUSY_WORDS.search(message):
        return Refusal(
            "another operation on it is running", "Google runs one at a time", "run again when that is over", BUSY
        )
    fast = bool(RATES & set(reasons))
    if "quota" in message.lower() and status in (0, 403, 429) and not fast:
        return Refusal(
            "a quota of the project is used up",
            "",
            "ask for more (console: IAM & Admin, Quotas), choose another region or fewer nodes; then run again",
        )
    return _about_account(status, message, project)


def _about_account(status: int, message: str, project: str) -> Refusal | None:
    """Refusals about an account that is not the caller."""
    named = _ACCOUNT.search(message)
    if "does not have access to service account" in message:
        return Refusal(
            "permission iam.serviceAccounts.actAs is missing",
            "who makes nodes must be allowed to use their service account",
            "grant roles/iam.serviceAccountUser on it to the account of this run; then run again",
            PERMISSION,
        )
    if _GONE_ACCOUNT.search(message):
        email = named["email"] if named else "the nodes' service account"
        default = email.endswith(_DEFAULT_ACCOUNT)
        return Refusal(
            f"service account {email} does not exist, or is disabled",
            "nodes would run as it" if default or not _robot_role(email) else "Google makes it with the first use",
            f"enable it (`gcloud iam service-accounts enable {email}`), or name another one "
            "(gke_node_service_account); then run again",
            UNKNOWN_ACCOUNT,
        )
    if "hub default service account does not have access" in message:
        return Refusal(
            "the Google fleet's own account may not read the cluster",
            "Google makes it, and gives it its role, with the first use of gkehub.googleapis.com, which takes a moment;"
            " in a cluster's project that is not the fleet's somebody must grant the role",
            f"run again in a minute; or run `gcloud beta services identity create --service=gkehub.googleapis.com "
            f"--project={project}`, and grant that account roles/gkehub.serviceAgent in the cluster's project",
            AGENT,
        )
    robot = named["email"] if named and _robot_role(named["email"]) else ""
    # Compute Engine refused what GKE asked of it in its own name.
    for_gke = message.startswith("Google Compute Engine: Required ")
    if status in (0, 400, 403) and (for_gke or "Service Agent is missing required permission" in message or robot):
        permission = permission_in(message)
        who = robot or "GKE's service agent (service-NUMBER@container-engine-robot.iam.gserviceaccount.com)"
        role = _robot_role(robot) or "roles/container.serviceAgent"
        member = robot or "service-NUMBER@container-engine-robot.iam.gserviceaccount.com"
        return Refusal(
            f"Google's own account lacks {permission or 'a role'}",
            f"{who} works for the project, and has lost its role there or never had it; the account of this run is not "
            "meant",
            f"run `gcloud projects add-iam-policy-binding {project or 'PROJECT'} --member=serviceAccount:{member} "
            f"--role={role}`; then run again",
            AGENT,
        )
    return None


def _robot_role(email: str) -> str:
    """The role of an account of Google's own; "" for any other."""
    return _ROBOTS.get(email.partition("@")[2].removesuffix(".gserviceaccount.com"), "")


def _role_of(method: str) -> str:
    """The role of this collection that calls such methods."""
    return "gke_cluster" if method.partition(".")[0] in ("compute", "container") else "gke_fleet"


def permission_in(message: str) -> str:
    """The permission that a message names; "" for none. Addresses of pages look like one."""
    bare = _NO_PERMISSION.sub(" ", message)
    return next((found["name"] or found["bare"] for found in _PERMISSION.finditer(bare)), "")
