"""Settings from everywhere, a clear sentence for each mistake, and what the operator's `token` may change."""

import dataclasses
import itertools
import re
import socket

import pytest

from host_sim.cloud.cli import HELP, main
from host_sim.cloud.settings import Settings, SettingsError, load

SECRETS = {one.name for one in dataclasses.fields(Settings) if not one.repr}
# A value of each setting that is not the default.
OTHER = {
    "host": "0.0.0.0",
    "port": 9000,
    "data": "elsewhere",
    "database": "postgresql://app@db.example/hxtp",
    "database_owner": "postgresql://owner@db.example/hxtp",
    "broker": "mqtts://cloud@broker.example",
    "broker_port": 1,
    "broker_password": "of the broker",
    "broker_ca": __file__,
    "public_broker": "mqtts://devices.example:8884",
    "public_broker_ca": __file__,
    "shared_subscriptions": True,
    "dynamic_security": True,
    "broker_auth_secret": "of sixteen characters",
    "redis": "rediss://cache.example/1",
    "redis_ca": __file__,
    "plain_http": True,
    "certificate": __file__,
    "certificate_key": __file__,
    "allowed_origins": "https://dash.example, http://localhost:3000",
    "public_url": "https://cloud.example/api/v1",
    "master_key": "ab" * 32,
    "heartbeat_s": 60,
    "states_kept": 0,
    "telemetry_days": 0,
    "history_days": 1,
    "token_life_s": 60,
    "tier": "pro",
    "free_per_minute": 1,
    "pro_per_minute": 0,
    "device_per_minute": 60,
    "action_per_5min": 10,
    "sensitive_per_minute": 0,
    "critical_per_hour": 1000000,
    "failed_auth_per_minute": 0,
    "device_packets_s": 7,
    "connections": 0,
    "connections_per_address": 1000,
    "head_bytes": 65536,
    "head_s": 30,
    "log_level": "error",
    "log_format": "json",
}
NEEDS = {
    "database_owner": ("database",),
    "public_broker_ca": ("public_broker",),
    "redis_ca": ("redis",),
    "shared_subscriptions": ("broker",),
    "dynamic_security": ("broker",),
    "certificate": ("certificate_key",),
    "certificate_key": ("certificate",),
}


@pytest.fixture
def given(monkeypatch):
    """given([arguments]) is the settings that the command would start a cloud with."""
    found = []
    monkeypatch.setattr("host_sim.cloud.cli._serve", lambda settings, options: found.append(settings) or 0)

    def run(*arguments):
        assert main(list(arguments)) == 0
        return found[-1]

    return run


def _toml(value):
    return str(value).lower() if isinstance(value, bool | int) else f'"{value}"'


@pytest.mark.parametrize("name", [one.name for one in dataclasses.fields(Settings)])
def test_each_setting_is_taken_from_a_file_the_environment_and_but_for_secrets_an_argument(
    name, given, tmp_path
):
    file = tmp_path / "cloud.toml"
    names = (name, *NEEDS.get(name, ()))
    file.write_text("".join(f"{one} = {_toml(OTHER[one])}\n" for one in names))
    environment = {f"HXTP_CLOUD_{one.upper()}": str(OTHER[one]) for one in names}
    read = [load(None, file, {}), load(None, None, environment)]
    if name in SECRETS:
        assert name not in HELP
    else:
        words = []
        for one in names:
            option = "--" + one.replace("_", "-")
            words += [option] if OTHER[one] is True else [option, str(OTHER[one])]
        read.append(given(*words))
    for settings in read:
        value = getattr(settings, name)
        assert value != getattr(Settings(), name)
        assert str(value) == str(OTHER[name])


@pytest.mark.parametrize(
    "wrong, told",
    [
        ({"port": "70000"}, "port must be 0 to 65535"),
        ({"port": "many"}, "HXTP_CLOUD_PORT must be a whole number"),
        ({"plain_http": "perhaps"}, "HXTP_CLOUD_PLAIN_HTTP must be true or false"),
        ({"plain_http": "yes", "host": "0.0.0.0"}, "plain_http is for this machine alone"),
        ({"heartbeat_s": "4"}, "heartbeat_s must be 5 to 3600"),
        ({"telemetry_days": "-1"}, "telemetry_days must be 0 to"),
        ({"states_kept": "5000"}, "states_kept must be 0 to 1000"),
        ({"failed_auth_per_minute": "-1"}, "failed_auth_per_minute must be 0 to 1000000"),
        ({"tier": "gold"}, "tier must be one of free, pro, unlimited"),
        ({"log_level": "loud"}, "log_level must be one of debug"),
        ({"certificate": __file__}, "certificate and certificate_key belong together"),
        ({"broker_ca": "/nowhere"}, "broker_ca: there is no file /nowhere"),
        ({"broker": "broker.example"}, "broker must be mqtts://HOST"),
        ({"broker": "mqtts://a:secret@b"}, "set broker_password"),
        ({"broker": "mqtt://127.0.0.1.example"}, "broker: over a network it has to be mqtts://"),
        ({"public_broker": "mqtt://broker.example"}, "public_broker: over a network it has to be mqtts://"),
        ({"public_broker": "mqtts://me@broker.example"}, "public_broker: a device is its own user"),
        ({"public_broker": "mqtts://broker.example:x"}, "public_broker must be mqtts://HOST"),
        ({"public_broker_ca": __file__}, "public_broker_ca goes with public_broker"),
        ({"public_url": "cloud.example"}, "public_url must be the API's whole address"),
        ({"public_url": "https://cloud.example"}, "public_url must be the API's whole address"),
        ({"allowed_origins": "https://dash.example/app"}, "allowed_origins must be web pages' origins"),
        ({"allowed_origins": "dash.example"}, "allowed_origins must be web pages' origins"),
        ({"redis": "cache.example:6379"}, "redis must be redis://HOST"),
        ({"redis": "redis://:secret@cache.example:6379"}, "redis: over a network it has to be rediss://"),
        ({"redis": "redis://localhost", "redis_ca": __file__}, "redis_ca goes with a redis that has TLS"),
        ({"public_url": "http://cloud.example/api/v1"}, "public_url: over a network it has to be https://"),
        ({"database": "mysql://a@b/c"}, "database must be postgresql://ROLE@HOST/NAME, or sqlite:///FILE"),
        ({"database_owner": "postgresql://a@b/c"}, "database_owner is for PostgreSQL: set database too"),
        ({"shared_subscriptions": "true"}, "shared_subscriptions is for a broker of your own"),
        ({"broker_auth_secret": "short"}, "broker_auth_secret must have 16 characters or more"),
        ({"prt": "1"}, "HXTP_CLOUD_PRT: there is no such setting: did you mean HXTP_CLOUD_PORT?"),
    ],
)
def test_each_mistake_is_told_in_one_sentence_without_a_secret(wrong, told):
    with pytest.raises(SettingsError, match=re.escape(told)) as caught:
        load(None, None, {f"HXTP_CLOUD_{name.upper()}": value for name, value in wrong.items()})
    assert "secret@" not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text, told",
    [("port = [", "is no TOML"), ("prt = 1", "there is no setting 'prt'"), ("host = 1", "host must be text")],
)
def test_a_file_that_is_wrong_is_named(tmp_path, text, told):
    file = tmp_path / "cloud.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=told) as caught:
        load(None, file, {})
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    "words, status, told",
    [
        (("--host", "192.0.2.1"), 1, "cloud: 192.0.2.1 is no address of this machine; give --host one"),
        (("--host", "nowhere.invalid"), 1, "cloud: nowhere.invalid is no address of this machine"),
        (("--broker-ca", __file__, "--broker", "mqtts://x"), 2, "broker_ca: "),
        (
            ("--certificate", __file__, "--certificate-key", __file__),
            2,
            "are no certificate in PEM and its key",
        ),
        (
            ("--data", __file__),
            2,
            f"{__file__} cannot hold the cloud's data (it is a file): name another folder with --data\n",
        ),
        (("--data", __file__, "token", "--email", "me@home.example"), 2, "cannot hold the cloud's data"),
        (("--data", "/proc/hxtp"), 2, "/proc/hxtp cannot hold the cloud's data (No such file or directory)"),
        (("--data", "/proc"), 2, "/proc cannot hold the cloud's data ("),
        (("--data", "/proc", "token", "--email", "me@home.example"), 2, "/proc cannot hold the cloud's data"),
    ],
)
def test_what_cannot_be_used_is_named_at_the_start(tmp_path, capsys, words, status, told):
    assert main(["--data", str(tmp_path), "--port", "0", "--broker-port", "0", *words]) == status
    err = capsys.readouterr().err
    assert told in err and "Traceback" not in err


@pytest.mark.parametrize("option", ["--port", "--broker-port"])
def test_a_port_that_is_taken_is_told_with_the_option_for_another(tmp_path, capsys, option):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        words = {"--port": "0", "--broker-port": "0", option: port}
        assert main(["--data", str(tmp_path), *itertools.chain(*words.items())]) == 1
    err = capsys.readouterr().err
    assert f"port {port} of 127.0.0.1 cannot be used" in err
    assert err.endswith(f": choose another with {option}, 0 for any free one\n")


@pytest.mark.parametrize(
    "words, told",
    [
        (("--prot", "9"), "cloud: unknown option --prot; did you mean --port?\n"),
        (("--prot=9",), "cloud: unknown option --prot; did you mean --port?\n"),
        (("--data", "d", "--plain-http", "--prt", "9"), "unknown option --prt; did you mean --port?\n"),
        (("--xyzzy",), "cloud: unknown option --xyzzy; --help lists them\n"),
        (("token", "--emial", "a@b"), "cloud token: unknown option --emial; did you mean --email?\n"),
        (("--port", "9", "token", "--rol", "x", "--tirr"), "unknown option --tirr; did you mean --tier?\n"),
        (
            ("--broker-password=x",),
            "--broker-password is no option, which others could read: set HXTP_CLOUD_",
        ),
    ],
)
def test_an_option_that_there_is_not_is_named_with_the_nearest(capsys, words, told):
    with pytest.raises(SystemExit) as end:
        main(list(words))
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert told in err and err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("--database", "postgresql://app:secret@db.example/hxtp"),
        ("--redis", "redis://:secret@cache.example"),
        ("migrate", "--admin", "postgresql://postgres:secret@db.example/postgres"),
    ],
)
def test_no_password_is_taken_from_the_command_line(words, capsys):
    assert main(list(words)) == 2
    told = capsys.readouterr().err
    assert "every user of this machine can read a password there" in told and "secret" not in told


def test_what_stands_before_a_command_counts_as_what_stands_behind_it(tmp_path, capsys):
    place = tmp_path / "data"
    call = ["token", "--email", "me@home.example", "--tenant", "home"]
    assert main(["--data", str(place), *call]) == 0
    out, err = capsys.readouterr()
    assert (place / "cloud.db").exists() and out.count(".") == 2
    assert f"{place} held no cloud's data: this token is for a new one" in err
    assert main([*call, "--data", str(place)]) == 0 and capsys.readouterr().err == ""


def test_a_role_is_changed_only_by_who_says_so_and_the_last_owner_stays(tmp_path, capsys):
    def token(email, *more):
        call = ["--data", str(tmp_path), "token", "--email", email, "--tenant", "home", *more]
        status = main(call)
        out, err = capsys.readouterr()
        assert bool(out) == (status == 0) and "Traceback" not in err
        return err

    assert "this token is for a new one" in token("me@home.example")
    assert not token("you@home.example", "--role", "viewer")
    assert not token("you@home.example"), "a token with the role that there is"
    assert not token("you@home.example", "--role", "viewer")
    told = token("you@home.example", "--role", "owner")
    assert "you@home.example has the role viewer in home" in told and "--change-role" in told
    assert not token("you@home.example", "--role", "admin", "--change-role")
    assert "has the role admin" in token("you@home.example", "--role", "viewer")
    assert "the tenant needs an owner" in token("me@home.example", "--role", "user", "--change-role")


def test_a_tenant_is_put_into_another_tier(tmp_path, capsys):
    call = ["--data", str(tmp_path)]
    assert main([*call, "token", "--email", "me@home.example", "--tenant", "My home"]) == 0
    capsys.readouterr()
    assert main([*call, "tier", "--tenant", "My home", "--tier", "pro"]) == 0
    assert "my-home may make 300 requests a minute" in capsys.readouterr().out
    assert main([*call, "tier", "--tenant", "nobody", "--tier", "pro"]) == 1
    assert "there is no tenant nobody; there are: my-home" in capsys.readouterr().err


def test_who_listens_to_all_the_world_is_told_which_addresses_are_missing():
    assert load({"host": "192.0.2.7"}, None, {}).advice() == []
    (told,) = load({"host": "0.0.0.0"}, None, {}).advice()
    assert "told 127.0.0.1" in told and told.endswith("set public_url and public_broker")
    named = {"host": "::", "public_url": "https://cloud.example/api/v1"}
    (told,) = load(named, None, {}).advice()
    assert told.endswith("set public_broker")
    assert load({**named, "public_broker": "mqtts://broker.example"}, None, {}).advice() == []
