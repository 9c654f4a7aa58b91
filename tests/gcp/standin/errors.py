# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Refusals in the forms that Google's services give them.

All carry ``code`` and ``message``. Compute speaks the older form, where ``errors[].reason`` is the word for it and
``status`` comes only with details; fleet and service usage speak the newer one, ``status`` and ``details``; the others
both.
"""

from __future__ import annotations

import typing as t

__all__ = ["Refused", "not_found_page", "permission_missing", "service_disabled"]

Json = dict[str, t.Any]

_NEW_FORM_ONLY = ("gkehub", "serviceusage")
_TITLES = {
    "cloudresourcemanager": "Cloud Resource Manager API",
    "compute": "Compute Engine API",
    "container": "Kubernetes Engine API",
    "gkehub": "GKE Hub API",
    "iam": "Identity and Access Management (IAM) API",
    "serviceusage": "Service Usage API",
}


class Refused(Exception):
    """An answer that is an error.

    Args:
        status: the HTTP status.
        message: what Google says.
        word: the canonical code, where the status does not determine it.
        reason: in capitals that of an ErrorInfo, otherwise that of the older form; "" for the usual one.
        metadata: ErrorInfo's metadata.
        domain: ErrorInfo's domain; "" for the service's own.
        retry_after: seconds for the header Retry-After, or None.
        violations: fields and what is wrong with each, for a body or query that breaks the schema.
    """

    WORDS: t.ClassVar[dict[int, str]] = {
        400: "INVALID_ARGUMENT",
        401: "UNAUTHENTICATED",
        403: "PERMISSION_DENIED",
        404: "NOT_FOUND",
        409: "ALREADY_EXISTS",
        412: "FAILED_PRECONDITION",
        429: "RESOURCE_EXHAUSTED",
        500: "INTERNAL",
        501: "UNIMPLEMENTED",
        503: "UNAVAILABLE",
        504: "DEADLINE_EXCEEDED",
    }
    REASONS: t.ClassVar[dict[str, str]] = {
        "INVALID_ARGUMENT": "badRequest",
        "UNAUTHENTICATED": "authError",
        "PERMISSION_DENIED": "forbidden",
        "NOT_FOUND": "notFound",
        "ALREADY_EXISTS": "alreadyExists",
        "ABORTED": "aborted",
        "FAILED_PRECONDITION": "failedPrecondition",
        "RESOURCE_EXHAUSTED": "rateLimitExceeded",
    }

    def __init__(
        self,
        status: int,
        message: str,
        *,
        word: str = "",
        reason: str = "",
        metadata: t.Mapping[str, str] | None = None,
        domain: str = "",
        retry_after: float | None = None,
        violations: t.Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.reason = status, message, reason
        self.word = word or self.WORDS.get(status, "UNKNOWN")
        self.metadata, self.domain = dict(metadata or {}), domain
        self.retry_after = retry_after
        self.violations = list(violations)

    def body(self, service: str = "") -> Json:
        """The answer's body, as ``service`` ("compute") writes it."""
        details = self._details(service)
        error: Json = {"code": self.status, "message": self.message}
        if service not in _NEW_FORM_ONLY:
            error["errors"] = [{"message": self.message, "domain": "global", "reason": self._older_reason(service)}]
        if service != "compute" or details:
            error["status"] = self.word
        if details:
            error["details"] = details
        return {"error": error}

    def _older_reason(self, service: str) -> str:
        if self.reason == "SERVICE_DISABLED":
            return "accessNotConfigured"
        if self.reason and not self.reason.isupper():
            return self.reason
        if self.word == "INVALID_ARGUMENT" and service == "compute":
            return "invalid"
        return self.REASONS.get(self.word, "backendError")

    def _details(self, service: str) -> list[Json]:
        details: list[Json] = []
        if self.reason.isupper():
            details.append(
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": self.reason,
                    "domain": self.domain or f"{service or 'www'}.googleapis.com",
                    "metadata": self.metadata,
                }
            )
        if self.violations:
            details.append(
                {
                    "@type": "type.googleapis.com/google.rpc.BadRequest",
                    "fieldViolations": [
                        {**({"field": field} if field else {}), "description": text} for field, text in self.violations
                    ],
                }
            )
        return details


def permission_missing(service: str, permission: str, resource: str) -> Refused:
    """The caller lacks ``permission`` on ``resource`` ("projects/p"). Each service has words of its own for it, and
    not all of them name the permission beside the text."""
    if service == "container":
        return Refused(403, f'Required "{permission}" permission(s) for "{resource}".')
    if service == "compute":
        return Refused(403, f"Required '{permission}' permission for '{resource}'")
    if service == "cloudresourcemanager":
        return Refused(403, "The caller does not have permission")
    if service == "serviceusage":
        return Refused(
            403, "Permission denied to enable service [container.googleapis.com]", reason="AUTH_PERMISSION_DENIED"
        )
    return Refused(
        403,
        f"Permission '{permission}' denied on resource '//{service}.googleapis.com/{resource}' (or it may not exist).",
        reason="IAM_PERMISSION_DENIED",
        domain="iam.googleapis.com",
        metadata={"permission": permission, "resource": resource},
    )


def service_disabled(service: str, project: str, number: str) -> Refused:
    """The API is off in the project."""
    host = f"{service}.googleapis.com"
    title = _TITLES.get(service, host)
    url = f"https://console.developers.google.com/apis/api/{host}/overview?project={number}"
    return Refused(
        403,
        f"{title} has not been used in project {project} before or it is disabled. Enable it by visiting {url} then "
        "retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and "
        "retry.",
        reason="SERVICE_DISABLED",
        domain="googleapis.com",
        metadata={
            "service": host,
            "serviceTitle": title,
            "consumer": f"projects/{number}",
            "containerInfo": number,
            "activationUrl": url,
        },
    )


def not_found_page(path: str) -> bytes:
    """What Google's front end says to a path or verb that no service has: a page, not JSON."""
    return (
        "<!DOCTYPE html>\n<html lang=en>\n<title>Error 404 (Not Found)!!1</title>\n"
        f"<p><b>404.</b> <ins>That's an error.</ins>\n<p>The requested URL <code>{path}</code> was not found on this "
        "server. <ins>That's all we know.</ins>\n"
    ).encode()
