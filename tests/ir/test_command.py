"""`python -m host_sim ir` from a maker's side."""

import subprocess
import sys

import pytest

from host_sim import ROOT
from host_sim.ir import cli, formats
from host_sim.ir.signals import Signal, from_fields


@pytest.fixture
def remote(tmp_path):
    """A Flipper's file of two buttons, and of one that is not spoken here."""
    signals = [from_fields(name, "nec", address=4, command=at) for at, name in ((8, "Power"), (2, "Vol +"))]
    text = formats.dump("flipper", signals)[0]
    file = tmp_path / "tv.ir"
    file.write_text(text)
    odd = tmp_path / "odd.ir"
    odd.write_text(text + "#\nname: Odd\ntype: parsed\nprotocol: RCA\naddress: 04\ncommand: 08\n")
    return file, odd


def test_the_help_tells_what_it_is_for_and_how_it_is_called(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    told = capsys.readouterr().out
    assert ended.value.code == 0 and cli.__doc__ not in " ".join(told.split())
    assert (
        "\nTranslate infrared commands between formats, draw them" in told and "ir convert tv.ir --to" in told
    )


def test_a_file_is_translated_and_what_is_lost_is_told(remote, capsys):
    assert cli.main(["convert", "--from", "flipper", "--to", "broadlink", str(remote[0])]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Power: JgB") and "lost: Power: up to 14 µs of a timing" in err
    assert cli.main(["convert", "--to", "tasmota", "--name", "Vol +", str(remote[0])]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Vol +: IRSend {") and out.count("\n") == 1 and err == ""


def test_commands_are_listed_and_drawn(remote, capsys):
    assert cli.main(["list", str(remote[0])]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "Power: nec: address 4 (0x4), command 8 (0x8)"
    assert cli.main(["show", str(remote[0])]) == 0
    assert "\x1b" not in capsys.readouterr().out
    assert cli.main(["show", "--colour", "always", "--width", "50", str(remote[0])]) == 0
    assert "\x1b[36m" in capsys.readouterr().out
    assert cli.main(["show", "--svg", "--name", "Power", str(remote[0])]) == 0
    assert capsys.readouterr().out.startswith("<svg")


def test_one_has_to_be_chosen_where_only_one_can_be(remote, capsys):
    for arguments in (["show", "--svg"], ["send", "device"]):
        assert cli.main([*arguments, str(remote[0])]) == 1
        assert "choose one of them with --name: 'Power', 'Vol +'" in capsys.readouterr().err
    assert cli.main(["show", "--name", "Off", str(remote[0])]) == 1
    assert "no command named 'Off'; there are: 'Power', 'Vol +'" in capsys.readouterr().err


def test_what_cannot_be_had_ends_it_unless_it_may_be_left_out(remote, capsys):
    odd = str(remote[1])
    assert cli.main(["list", odd]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "Odd: protocol RCA is known, but not spoken here" in err
    assert cli.main(["list", "--keep-going", odd]) == 1  # it was not all done
    out, err = capsys.readouterr()
    assert out.count("\n") == 2 and err.startswith("left out: Odd: ")
    assert cli.main(["list", "--name", "Power", odd]) == 0
    assert capsys.readouterr().err == ""
    assert cli.main(["list", "--name", "Odd", odd]) == 1
    assert "protocol RCA" in capsys.readouterr().err


def test_what_the_other_format_cannot_hold_is_left_out_and_told(tmp_path, capsys):
    """A Flipper's file as they are: a button that is a protocol's, and one that is but timings."""
    power = from_fields("Power", "nec", address=4, command=8)
    fan = Signal("Fan", 38000, (1230, 410, 1230, 410, 400, 1240, 1230, 410, 400, 7000))
    file = tmp_path / "tv.ir"
    file.write_text(formats.dump("flipper", [power, fan])[0])
    assert cli.main(["convert", "--to", "irdb", str(file)]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "Fan: IRDB holds no raw timings" in err
    assert cli.main(["convert", "--to", "irdb", "--keep-going", str(file)]) == 1  # it was not all done
    out, err = capsys.readouterr()
    assert out == formats.dump("irdb", [power])[0] and "left out: Fan: IRDB holds no raw timings" in err
    assert cli.main(["convert", "--to", "hos", "--keep-going", str(file)]) == 0
    assert "left out" not in capsys.readouterr().err
    assert cli.main(["convert", "--to", "irdb", "--keep-going", "--name", "Fan", str(file)]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "irdb can hold none of it; Fan: " in err


def test_of_two_with_one_name_the_first_is_held_where_there_is_room_for_one():
    signals = [from_fields("Power", "nec", address=4, command=at) for at in (8, 9)]
    text, _, refused = formats.dump_some("hos", signals)
    assert text == formats.dump("hos", signals[:1])[0] and len(refused) == 1 and "Power" in refused[0]
    assert formats.dump_some("irdb", signals) == (*formats.dump("irdb", signals), [])


def test_a_button_is_sent_by_way_of_the_cloud(remote, sent, capsys):
    assert cli.main(["send", "3f2a", "--name", "Vol +", str(remote[0])]) == 0
    assert sent == [{"action": "ir_send", "params": {"encoding": "nec", "address": 4, "command": 2}}]
    assert capsys.readouterr().out == 'ir_send: executed {"duration": 68}\n'
    assert cli.main(["send", "nobody", "--name", "Power", str(remote[0])]) == 1
    assert "there is no device 'nobody'" in capsys.readouterr().err and len(sent) == 1


def test_a_format_is_not_guessed_where_it_is_in_doubt(tmp_path, capsys):
    file = tmp_path / "what"
    file.write_text("hello")
    assert cli.main(["list", str(file)]) == 1
    assert "say which: --from hos|" in capsys.readouterr().err
    with pytest.raises(SystemExit) as left:
        cli.main(["list", "--from", "lirc", str(file)])
    assert left.value.code == 2


def test_the_command_runs_where_there_is_no_board():
    text = formats.dump("hos", [from_fields("Power", "rc6", address=5, command=12)])[0]
    done = subprocess.run(
        [sys.executable, "-m", "host_sim", "ir", "list", "-"],
        cwd=ROOT,
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and "rc6: address 5" in done.stdout, done.stderr
