# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of all actions that call Google Cloud. Names, environment variables and kinds are those of google.cloud."""

from __future__ import annotations


class ModuleDocFragment:
    """Project and credentials."""

    DOCUMENTATION = r"""
options:
  project:
    description: ID of the Google Cloud project of clusters without C(gke_project). Empty means E(GCP_PROJECT).
    type: str
    default: ""
  auth_kind:
    description:
      - Kind of the credentials. Empty means E(GCP_AUTH_KIND), else the kind that the other options imply, else
        V(application).
      - V(application) means the credentials of C(gcloud auth application-default login), of the machine's environment,
        or of the file in E(GOOGLE_APPLICATION_CREDENTIALS). They may be a user's login, a key, a workload identity
        of another provider, or an impersonation.
    type: str
    choices: ["", application, serviceaccount, machineaccount, accesstoken]
    default: ""
  service_account_file:
    description: Path of a service account's JSON key. Empty means E(GCP_SERVICE_ACCOUNT_FILE).
    type: path
    default: ""
  service_account_contents:
    description: The JSON key itself, as text or dictionary. Empty means E(GCP_SERVICE_ACCOUNT_CONTENTS).
    type: raw
    default: ""
  service_account_email:
    description:
      - With O(auth_kind=machineaccount), one of the machine's service accounts; by default its default account.
      - Empty means E(GCP_SERVICE_ACCOUNT_EMAIL).
    type: str
    default: ""
  access_token:
    description: A bearer token. Empty means E(GCP_ACCESS_TOKEN). It expires after an hour and cannot be renewed; tokens
      of all other kinds are renewed before they expire, and when Google refuses one.
    type: str
    default: ""
  scopes:
    description: OAuth scopes. Empty means E(GCP_SCOPES), else the scope for all of Google Cloud.
    type: list
    elements: str
    default: []
  endpoint:
    description:
      - Address that replaces C(https://<service>.googleapis.com); each service is then at C(<endpoint>/<host>/).
      - For tests.
      - Empty means E(MESH_FLEET_GOOGLE_ENDPOINT).
    type: str
    default: ""
requirements:
  - google-api-python-client
  - google-auth
  - requests
"""
