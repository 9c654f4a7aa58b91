# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of all actions that talk to Google Cloud: names, environment and kinds are google.cloud's."""

from __future__ import annotations


class ModuleDocFragment:
    """Who asks, and for which project."""

    DOCUMENTATION = r"""
options:
  project:
    description: ID of the Google Cloud project of clusters without C(gke_project). Empty takes E(GCP_PROJECT).
    type: str
    default: ""
  auth_kind:
    description:
      - What the credentials are. Empty takes E(GCP_AUTH_KIND), else what the other options tell, else V(application).
      - V(application) is what C(gcloud auth application-default login) or the machine's environment gives, or the file
        in E(GOOGLE_APPLICATION_CREDENTIALS). It may be a user's login, a key, a workload identity of another provider,
        or an impersonation.
    type: str
    choices: ["", application, serviceaccount, machineaccount, accesstoken]
    default: ""
  service_account_file:
    description: Path of a service account's JSON key. Empty takes E(GCP_SERVICE_ACCOUNT_FILE).
    type: path
    default: ""
  service_account_contents:
    description: The JSON key itself, as text or dictionary. Empty takes E(GCP_SERVICE_ACCOUNT_CONTENTS).
    type: raw
    default: ""
  service_account_email:
    description:
      - With O(auth_kind=machineaccount), the machine's account; empty is its default one.
      - Empty takes E(GCP_SERVICE_ACCOUNT_EMAIL).
    type: str
    default: ""
  access_token:
    description: A bearer token. Empty takes E(GCP_ACCESS_TOKEN). It ends after an hour and cannot be renewed; all
      other credentials are, near their end and when they are refused before it.
    type: str
    default: ""
  scopes:
    description: OAuth scopes. Empty takes E(GCP_SCOPES), else the one for all of Google Cloud.
    type: list
    elements: str
    default: []
  endpoint:
    description:
      - Where Google's services are reached instead of C(https://<service>.googleapis.com), each at
        C(<endpoint>/<host>/).
      - Empty takes E(MESH_FLEET_GOOGLE_ENDPOINT). For tests.
    type: str
    default: ""
requirements:
  - google-api-python-client
  - google-auth
  - requests
"""
