# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commands that have a signing request signed, run for real."""

from __future__ import annotations

import asyncio
import datetime
import sys
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.trust import certificates
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.signer import Signer

POLICY = certificates.Policy("shop.example", "istio-system", "default", datetime.datetime.now(datetime.UTC))
PEM = certificates.certificate_pem(certificates.make_root(certificates.new_key(), POLICY))


def sign(code: str, *arguments: str, seconds: float = 60.0) -> str:
    signer = Signer([sys.executable, "-c", code, *arguments], POLICY, seconds)
    return asyncio.run(signer.sign("west", "/trust/external/west.csr.pem", "the request"))


def test_it_gets_the_request_its_words_and_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CA_LOGIN", "of the user")
    code = (
        "import os, sys\n"
        "open(sys.argv[1], 'w').write('|'.join([sys.stdin.read(), os.environ['CA_LOGIN'], *sys.argv[2:]]))\n"
        f"print('a word before'); print({PEM!r})\n"
    )
    assert sign(code, str(tmp_path / "told"), "{csr}", "--name={cluster}", "{hours}h", "{other}") == PEM
    told = (tmp_path / "told").read_text()
    assert told == "the request|of the user|/trust/external/west.csr.pem|--name=west|17520h|{other}"


@pytest.mark.parametrize(
    ("code", "what", "seen"),
    [
        ("raise SystemExit('no login')", "its signing request was not signed", "ended with 1: no login"),
        ("print('signed')", "the answer of trust_signer_command holds no certificate", ""),
    ],
    ids=["it fails", "it answers something else"],
)
def test_why_it_did_not_sign_is_said(code: str, what: str, seen: str) -> None:
    with pytest.raises(FleetError, match=what) as refused:
        sign(code)
    assert (refused.value.cluster, refused.value.obj) == ("west", "/trust/external/west.csr.pem")
    assert seen in refused.value.seen and refused.value.next_step


def test_one_that_hangs_is_ended() -> None:
    with pytest.raises(FleetError, match=r"trust_signer_command did not end in 0 s"):
        sign("import time; time.sleep(600)", seconds=0.2)


def test_one_that_is_missing_is_named() -> None:
    with pytest.raises(FleetError, match="no-such-signer is not installed"):
        asyncio.run(Signer(["no-such-signer"], POLICY, 60.0).sign("west", "/x", ""))
