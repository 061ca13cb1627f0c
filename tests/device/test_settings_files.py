"""The files that hxtp.json leads to."""

import json

import pytest
from test_device_settings import PEM
from test_device_settings import given as settings

from hxtp_device.settings import SettingsError, check, load


def test_a_ca_certificate_can_lie_in_a_file(tmp_path):
    file = tmp_path / "ca.pem"
    file.write_text(PEM)
    assert check(settings(ca=str(file))).ca == PEM.encode()


def test_a_file_without_a_certificate_is_told(tmp_path):
    file = tmp_path / "ca.pem"
    file.write_text("nothing of the kind")
    with pytest.raises(SettingsError, match='"ca" must be a CA certificate in PEM form'):
        check(settings(ca=str(file)))


@pytest.mark.parametrize("data", [{}, {"device_type": 5}, {"device_type": ""}, {"parts": []}])
def test_board_data_without_a_type_is_told(tmp_path, data):
    file = tmp_path / "b.json"
    file.write_text(json.dumps(data))
    with pytest.raises(SettingsError, match="device_type"):
        check(settings(board=str(file)))


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "7", '"text"', "{]", "\x00", "{'a': 1}"])
def test_a_file_that_is_no_json_object_is_told(tmp_path, text):
    file = tmp_path / "hxtp.json"
    file.write_text(text)
    with pytest.raises(SettingsError, match="no JSON object"):
        load(str(file))


def test_bytes_that_are_no_text_are_told(tmp_path):
    file = tmp_path / "hxtp.json"
    file.write_bytes(b"\xff\xfe{}")
    with pytest.raises(SettingsError, match="no JSON object"):
        load(str(file))


def test_a_whole_file_is_loaded(tmp_path):
    file = tmp_path / "hxtp.json"
    file.write_text(json.dumps(settings()))
    assert load(str(file)).host == "broker.example"
