"""What `python -m host_sim cloud` tells whoever starts it: about its certificate, its logs, its passwords."""

import io
import json
import logging
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from cryptography import x509

from host_sim import given
from host_sim.cloud import certificates, cli, logs
from host_sim.cloud.security.vault import VaultError, key_file
from host_sim.cloud.settings import Settings
from host_sim.files import replace_file
from host_sim.pki import make_pki


@pytest.fixture
def pki(tmp_path):
    return make_pki(tmp_path / "pki")


@pytest.fixture
def greeted(pki, capsys):
    """greeted(*place, **settings): what a cloud with them says once it has started."""

    def greet(*place, **given):
        cloud = SimpleNamespace(pki=pki, broker=object(), broker_url="mqtts://127.0.0.1:8883")
        cli._greet(Settings(**given), cloud, list(place))
        return capsys.readouterr().out

    return greet


def test_the_ca_of_the_api_is_told_where_it_is_ours(greeted, pki):
    assert f"its certificate's CA: {pki.ca}  (curl --cacert" in greeted()
    own = greeted(certificate=str(pki.certificate), certificate_key=str(pki.key))
    assert "curl" not in own and f"the broker's certificate's CA: {pki.ca}" in own


def test_the_command_for_a_token_names_the_cloud_as_it_was_started(greeted):
    assert "\na token: python -m host_sim cloud token --tenant home --email" in greeted()
    options = cli._parser().parse_args(
        ["--data", "my cloud", "--database", "postgresql://app@/db", "--port", "0"]
    )
    told = greeted(*cli._place(options))
    assert "cloud token --data 'my cloud' --database postgresql://app@/db --tenant home --email" in told


def test_a_certificate_that_is_over_or_soon_will_be_is_told(greeted, pki):
    certificate = x509.load_pem_x509_certificate(pki.certificate.read_bytes())
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    for at, told in (
        (end + timedelta(days=1), f"expired on {end:%Y-%m-%d}"),
        (end - timedelta(days=3), f"ends on {end:%Y-%m-%d}"),
        (begin - timedelta(days=1), f"not valid before {begin:%Y-%m-%d}"),
    ):
        (words,) = certificates.advice(pki.certificate, at)
        assert told in words and str(pki.certificate) in words
    assert certificates.advice(pki.certificate) == []


def test_an_expired_certificate_is_told_at_the_start(greeted, pki, monkeypatch):
    monkeypatch.setattr(certificates, "SOON", timedelta(days=4000))
    given = {"certificate": str(pki.certificate), "certificate_key": str(pki.key)}
    assert "\nmind: certificate: " in greeted(**given)
    assert greeted(**given, host="0.0.0.0").count("\nmind: ") == 2


def test_with_json_for_a_log_nothing_else_is_written(greeted, caplog):
    with caplog.at_level(logging.INFO):
        assert greeted(log_format="json", host="0.0.0.0") == ""
    started, advice = (json.loads(logs.Lines("json").format(record)) for record in caplog.records)
    assert (started["event"], started["broker"]) == ("started", "mqtts://127.0.0.1:8883")
    assert started["api"].startswith("https://") and started["ca"].endswith("ca.pem")
    assert advice["level"] == "warning" and "set public_url" in advice["message"]


def test_without_a_terminal_nobody_is_asked_for_a_password(tmp_path):
    call = [
        sys.executable,
        "-m",
        "host_sim",
        "cloud",
        "user",
        "--data",
        str(tmp_path),
        "--email",
        "me@x.example",
    ]
    ended = subprocess.run(
        call,
        input="a password\na password\n",
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
    )
    assert ended.returncode == 1 and "use --password-file" in ended.stderr
    assert "Traceback" not in ended.stderr and not os.listdir(tmp_path)


@pytest.mark.parametrize(
    "file, says",
    [
        (
            "nowhere",
            "--password-file nowhere: there is no such file; name a file whose first line is the password",
        ),
        (".", "--password-file .: it is a folder; name a file"),
        ("binary", "--password-file binary: it is no text in UTF-8; name a file"),
        ("binary/x", "binary is a file; name a file whose first line is"),
    ],
)
def test_a_password_file_that_is_none_is_told_as_a_mistake_of_the_command_line(
    tmp_path, monkeypatch, capsys, file, says
):
    monkeypatch.chdir(tmp_path)
    Path("binary").write_bytes(b"\xff\xfe\n")
    assert cli.main(["user", "--data", "data", "--email", "me@x.example", "--password-file", file]) == 2
    told = capsys.readouterr().err
    assert says in told and "Errno" not in told and not Path("data").exists()


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_a_password_from_standard_input_that_is_no_text_is_told(tmp_path, monkeypatch, capsys, errors):
    typed = io.TextIOWrapper(io.BytesIO(b"\xff\xfe long enough\n"), "utf-8", errors)
    monkeypatch.setattr("sys.stdin", typed)
    made = ["user", "--data", str(tmp_path / "data"), "--email", "me@x.example", "--password-file", "-"]
    assert cli.main(made) == 2
    told = capsys.readouterr().err
    assert "--password-file -: it is no text in UTF-8" in told and not (tmp_path / "data").exists()


def test_a_file_that_may_not_be_read_is_told_without_a_number(monkeypatch):
    monkeypatch.setattr(given, "open", Mock(side_effect=PermissionError(13, "Permission denied", "f")), False)
    with pytest.raises(given.WrongPath) as wrong:
        given.first_line("--password-file", "f", 9, "the password")
    assert str(wrong.value) == (
        "--password-file f: this account has no access to it; name a file whose first line is the password"
    )


@pytest.mark.parametrize("text", ["", "ab" * 31, "not a key"], ids=["none", "short", "other"])
def test_a_bad_master_key_is_named_by_its_file(tmp_path, capsys, text):
    file = tmp_path / "master.key"
    replace_file(file, text)
    with pytest.raises(VaultError, match="64 hex digits"):
        key_file(file)
    assert cli.main(["--data", str(tmp_path), "token", "--email", "me@home.example"]) == 2
    assert str(file) in capsys.readouterr().err
