# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keys on the controller, and how a running istiod is made to take a new signer."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.execs import ExecResult
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust import certificates as certs
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust import state as trust_state
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.vault import VaultBox, write_file


def box(tmp_path: Path, password: str = "sesame", mode: int = 0o600) -> VaultBox:
    file = tmp_path / "password"
    file.write_text(password)
    file.chmod(mode)
    return VaultBox(str(file))


def test_what_is_encrypted_comes_back_and_is_not_readable(tmp_path: Path) -> None:
    secret = box(tmp_path).encrypt("the key")
    assert "the key" not in secret
    assert box(tmp_path).decrypt(secret, "x") == "the key"
    assert box(tmp_path).decrypt("clear", "x") == "clear"


def test_a_wrong_password_an_empty_one_and_one_for_all_to_read(tmp_path: Path) -> None:
    secret = box(tmp_path).encrypt("the key")
    with pytest.raises(FleetError, match="root-key cannot be decrypted") as refused:
        box(tmp_path, "another").decrypt(secret, "root-key")
    assert "another" not in str(refused.value)
    with pytest.raises(FleetError, match="is empty"):
        box(tmp_path, "").encrypt("x")
    with pytest.raises(FleetError, match="read by others"):
        box(tmp_path, mode=0o640).encrypt("x")
    with pytest.raises(FleetError, match="no vault password"):
        VaultBox().encrypt("x")


def test_check_mode_makes_no_password(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "password"
    planned = VaultBox(str(file), create=True, check_mode=True)
    assert planned.encrypt("x").startswith("$ANSIBLE_VAULT")
    assert planned.created == str(file)
    assert not file.parent.exists()
    VaultBox(str(file), create=True).encrypt("x")
    assert oct(file.stat().st_mode & 0o777) == "0o600"


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "trust" / "key"
    write_file(str(path), "old")
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    assert oct(path.parent.stat().st_mode & 0o777) == "0o700"

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(FleetError, match="cannot be written") as refused:
        write_file(str(path), "new")
    assert "No space left" in refused.value.seen
    assert path.read_text() == "old"
    assert [p.name for p in path.parent.iterdir()] == ["key"]


# istiod's view of its signer.

METRICS = """# TYPE citadel_server_cert_chain_expiry_timestamp gauge
citadel_server_cert_chain_expiry_seconds 6.3e+07
citadel_server_cert_chain_expiry_timestamp {}
citadel_server_root_cert_expiry_timestamp 2.1e+09
"""


@pytest.mark.parametrize(
    ("value", "expected"), [("1.826711234e+09", 1826711234), ("1826711234", 1826711234), ("x", None)]
)
def test_when_the_loaded_signer_ends(value: str, expected: int | None) -> None:
    metrics = METRICS.format(value) if expected else "nothing"
    assert trust_state.loaded_until(metrics) == expected


@dataclasses.dataclass
class Istiod:
    """Stands in for the client of a cluster whose one istiod loads its signer after some looks."""

    ends: float
    after: int
    sent: list[t.Any] = dataclasses.field(default_factory=list)

    @property
    def transport(self) -> Istiod:
        return self

    async def request(self, *args: t.Any, **kwargs: t.Any) -> None:
        self.sent.append((args, kwargs["body"]))

    async def pods(self, _namespace: str, _labels: t.Any) -> list[dict[str, t.Any]]:
        return [
            {"metadata": {"name": "istiod-1"}, "status": {"phase": "Running"}},
            {"metadata": {"name": "istiod-2"}, "status": {"phase": "Pending"}},
        ]

    async def exec(self, _namespace: str, pod: str, *_args: t.Any, **_kwargs: t.Any) -> ExecResult:
        assert pod == "istiod-1"
        self.after -= 1
        return ExecResult(METRICS.format(self.ends if self.after < 0 else 1), "", 0)


def new_signer() -> t.Any:
    now = datetime.datetime.now(datetime.UTC)
    return certs.make_root(certs.new_key(), certs.Policy("a.b", "istio-system", "default", now))


FLEET = Fleet.from_inventory({"west": {"cluster_region": "here"}})


def test_istiod_is_woken_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust_state, "_BETWEEN_LOOKS", 0.001)
    signer = new_signer()
    istiod = Istiod(int(signer.not_valid_after_utc.timestamp()), after=2)
    asyncio.run(trust_state.pick_up(t.cast(t.Any, istiod), FLEET, signer, 5))
    assert istiod.after < 0
    ((args, body),) = istiod.sent
    assert args == ("PATCH", "/api/v1/namespaces/istio-system/pods/istiod-1")
    assert body == {"metadata": {"annotations": {trust_state.ANNOTATION: certs.fingerprint(signer)}}}


def test_an_istiod_that_does_not_load_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust_state, "_BETWEEN_LOOKS", 0.001)
    with pytest.raises(FleetError, match="has not loaded its new signer") as refused:
        asyncio.run(trust_state.pick_up(t.cast(t.Any, Istiod(0, after=10**9)), FLEET, new_signer(), 0.05))
    assert refused.value.obj == "Pod istio-system/istiod-1"
    assert "ends at 1" in refused.value.seen
