"""`client watch` while the cloud comes and goes, in virtual time; and options in the wrong place."""

import asyncio
import contextlib
import time

import pytest

from host_sim.cloud_client import cli, watch
from host_sim.cloud_client.api import CloudError, Unreachable
from host_sim.cloud_client.live import Ended


class _Over(Exception):
    """Ctrl-C."""


class _Session:
    def __init__(self):
        self.asked = []

    def get(self, path):
        self.asked.append(path)
        if path == "/devices/gone":
            raise CloudError("there is no such device")
        return {"id": path.rpartition("/")[2], "name": "new one", "state": {"light": True}}


class _Client:
    def __init__(self):
        self.session = _Session()

    def devices(self):
        return [{"id": "d1", "name": "lamp"}]


def _follow(monkeypatch, *ways, client=None):
    """The pauses that it made. `ways`: of each connection the error that it does not open with, or a list of
    what it brings, and the error that ends it.
    """
    pauses, left = [], list(ways)

    class Live:
        def __init__(self, told):
            self._told = iter(told)

        async def hear(self):
            one = next(self._told)
            if isinstance(one, BaseException):
                raise one
            return one

    @contextlib.asynccontextmanager
    async def opened(session, events):
        way = left.pop(0)
        if isinstance(way, BaseException):
            raise way
        yield Live(way)

    async def pause(seconds):
        pauses.append(seconds)

    monkeypatch.setattr(watch, "opened", opened)
    with pytest.raises((_Over, CloudError)) as end:
        asyncio.run(watch.follow(client or _Client(), None, pause))
    return pauses, end.value


def test_watching_goes_on_when_the_cloud_is_back(monkeypatch, capsys):
    update = {"type": "state_update", "device_id": "d1", "state": {"light": False}}
    gone, away = Ended("the cloud ended the WebSocket: it is shut down"), Unreachable("nobody is there")
    ways = [update, gone], *([away] * 6), [update, gone], [update, _Over()]
    pauses, end = _follow(monkeypatch, *ways)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 1] and isinstance(end, _Over)
    out, err = capsys.readouterr()
    assert out.count('{"light": true}') == out.count('{"light": false}') == 3
    assert (
        "it is shut down; connecting again in 1 s" in err
        and "nobody is there; connecting again in 2 s" in err
    )


def test_telemetry_is_shown_with_when_it_was_measured_where_that_was_earlier(monkeypatch, capsys):
    at = 1767225600000

    def sample(**data):
        return {"type": "telemetry_update", "device_id": "d1", "data": data, "timestamp": at}

    seen = [
        {"sampled_at": at - 900, "t": 1},
        {"sampled_at": at - 86400000, "t": 2},
        {"t": 3},
        {"sampled_at": "x"},
    ]
    _follow(monkeypatch, [*(sample(**one) for one in seen), _Over()])
    told = [line.partition("  ")[2] for line in capsys.readouterr().out.splitlines()[1:]]
    day = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at / 1000 - 86400))
    assert told == [
        'lamp  telemetry {"t": 1}',
        f'lamp  telemetry {{"t": 2}}, measured {day}',
        'lamp  telemetry {"t": 3}',
        'lamp  telemetry {"sampled_at": "x"}',
    ]


def test_a_device_that_was_registered_since_is_shown_by_its_name(monkeypatch, capsys):
    client = _Client()
    told = [
        {"type": "state_update", "device_id": name, "state": {}}
        for name in ("d2", "d2", "gone", "gone", "d1")
    ]
    _follow(monkeypatch, [*told, _Over()], client=client)
    lines = [line.partition("  ")[2] for line in capsys.readouterr().out.splitlines()[1:]]
    assert lines == ["new one  {}", "new one  {}", "gone  {}", "gone  {}", "lamp  {}"]
    assert client.session.asked == ["/devices/d1/state", "/devices/d2", "/devices/gone"]


def test_watching_ends_where_it_would_be_in_vain(monkeypatch):
    # At the start an address that is wrong, and later a token that has ended.
    assert _follow(monkeypatch, Unreachable("nobody is there"))[0] == []
    pauses, end = _follow(monkeypatch, [CloudError("the token has expired")])
    assert pauses == [] and str(end) == "the token has expired"


@pytest.mark.parametrize("argv", [["--json", "devices"], ["--cloud=https://x", "devices"]])
def test_an_option_before_the_command_is_told_where_it_goes(argv, capsys):
    with pytest.raises(SystemExit):
        cli.main(argv)
    assert f"{argv[0].partition('=')[0]} goes behind the command" in capsys.readouterr().err
