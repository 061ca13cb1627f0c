"""Flash: NVS keeps what was committed and nothing else, at whatever write the power goes; files are as
harsh."""

import json
import random
import warnings

import _flash
import pytest

from tests.board.running import finish, said

# Two keys that must always agree, changed together in one commit; after each start they are printed.
PAIR = """
import esp32
nvs = esp32.NVS("pair")
def read():
    try:
        buffer = bytearray(64)
        size = nvs.get_blob("text", buffer)
        return nvs.get_i32("number"), bytes(buffer[:size]).decode()
    except OSError:
        return None
print("found", read())
number = (read() or (0,))[0]
for _ in range(3):
    number += 1
    nvs.set_i32("number", number)
    nvs.set_blob("text", "n%d" % number)
    nvs.commit()
    print("committed", number)
"""


def found(board):
    return [line for line in said(board) if line.startswith("found")][-1]


def test_committed_values_outlive_power_and_others_do_not(make):
    board = make("""
        import esp32, machine
        nvs = esp32.NVS("a")
        other = esp32.NVS("b")
        def show():
            for space in (nvs, other):
                try:
                    print(space.get_i32("x"))
                except OSError as error:
                    print(error.args)
        show()
        nvs.set_i32("x", -5)
        other.set_i32("x", 7)
        print(nvs.get_i32("x"), other.get_i32("x"))
        nvs.commit()
    """)
    finish(board)
    board.power_cut()
    since = board.last
    board.power_on()
    finish(board, since=since)
    missing = "(-4354, 'ESP_ERR_NVS_NOT_FOUND')"
    assert said(board) == [missing, missing, "-5 7", "-5", missing, "-5 7"]
    # The second commit changed nothing: the value was the same, but it was set, so it was written.
    written = [event for event in board.trace if event.ev == "nvs"]
    assert [event.data["keys"] for event in written] == [["x"], ["x"]]
    assert "-5" not in json.dumps([event.data for event in written])


@pytest.mark.parametrize("at", ["before", "within", "after"])
def test_a_commit_is_whole_or_not_at_all_wherever_the_power_goes(make, at):
    board = make(PAIR, start=False)
    expected = 0
    for write in (1, 2, 3):
        board.power_cut(at_write=write, at=at)
        since = board.last
        if not board.plugged_in:
            board.start()
        else:
            board.power_on()
        board.wait_for(lambda event: event.ev == "off" and event["cause"] == "power cut", since=since)
        expected += write if at == "after" else write - 1
    since = board.last
    board.power_on()
    finish(board, since=since)
    assert found(board) == (f"found ({expected}, 'n{expected}')" if expected else "found None")


def test_a_planned_power_cut_can_be_called_off(make):
    board = make(PAIR, start=False)
    board.power_cut(at_write=1)
    board.power_cut(at_write=0)
    board.start()
    finish(board)
    assert "committed 3" in board.log and board.planned_cut is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        board.stop()


def test_a_planned_power_cut_that_never_comes_is_told(make):
    board = make(PAIR, start=False)
    board.power_cut(at_write=2, at="after")
    assert board.planned_cut == (2, "after")
    board.start()
    board.wait_for(lambda event: event.ev == "off" and event["cause"] == "power cut")
    assert board.planned_cut is None
    board.power_cut(at_write=99)
    since = board.last
    board.power_on()
    finish(board, since=since)
    assert board.planned_cut == (99, "before")
    with pytest.warns(RuntimeWarning, match="planned before flash write 99 never came"):
        board.stop()
    assert board.planned_cut is None


def test_nvs_refuses_what_the_real_one_refuses(run):
    board = run("""
        import esp32
        nvs = esp32.NVS("a")
        nvs.set_blob("blob", b"12345678")
        nvs.set_i32("number", 2**32 + 3)
        print(nvs.get_i32("number"), nvs.get_blob("blob", bytearray(8)))
        for wrong in (
            lambda: nvs.get_i32("blob"),
            lambda: nvs.get_blob("number", bytearray(8)),
            lambda: nvs.get_blob("blob", bytearray(7)),
            lambda: nvs.set_i32("k" * 16, 1),
            lambda: nvs.erase_key("none"),
            lambda: nvs.set_blob("big", bytes(30000)),
            lambda: esp32.NVS("n" * 16),
        ):
            try:
                print(wrong())
            except OSError as error:
                print(-error.args[0] - 0x1100)
        nvs.erase_key("blob")
        try:
            nvs.get_blob("blob", bytearray(8))
        except OSError as error:
            print(error.args[1])
    """)
    assert said(board) == ["3 8", "3", "3", "12", "9", "2", "5", "6", "ESP_ERR_NVS_NOT_FOUND"]


def test_flash_has_room_again_after_erasing(run):
    board = run("""
        import esp32
        nvs = esp32.NVS("a")
        nvs.set_blob("one", bytes(15000))
        nvs.commit()
        try:
            nvs.set_blob("two", bytes(15000))
        except OSError as error:
            print(error.args[1])
        nvs.erase_key("one")
        nvs.set_blob("two", bytes(15000))
        nvs.commit()
        print("room")
    """)
    assert said(board) == ["ESP_ERR_NVS_NOT_ENOUGH_SPACE", "room"]


FILES = """
import os
def show():
    print("found", sorted(os.listdir()), open("state").read() if "state" in os.listdir() else None)
show()
with open("state.new", "w") as file:
    file.write("first half,")
    file.write(" second half")
os.rename("state.new", "state")
print("done")
"""


def test_writing_beside_and_renaming_survives_every_cut(make):
    """The n-th write is: making the new file, filling it, renaming it."""
    for write in (1, 2, 3):
        for at in ("before", "within", "after"):
            board = make(FILES, start=False, folder=f"{write}{at}")
            board.power_cut(at_write=write, at=at)
            board.start()
            board.wait_for(lambda event: event.ev == "off")
            since = board.last
            board.power_on()
            finish(board, since=since)
            complete = "first half, second half" if (write, at) == (3, "after") else "None"
            assert found(board).endswith(complete), (write, at)
            board.stop()


def test_a_file_written_in_place_can_be_half_there(make):
    board = make(
        "open('x', 'w').close()\nfile = open('x', 'w')\nfile.write('0123456789')\nfile.close()", start=False
    )
    board.power_cut(at_write=3, at="within")
    board.start()
    board.wait_for(lambda event: event.ev == "off")
    assert (board.fs / "x").read_text() == "01234"


def test_file_writes_are_counted_and_named(run):
    board = run("""
        import json, os
        os.mkdir("folder")
        with open("folder/data", "wb") as file:
            file.write(bytes(10000))
        with open("folder/data", "ab") as file:
            file.write(b"x")
        with open("text", "w") as file:
            json.dump({"a": [1, 2]}, file)
        print(open("text").read(), os.stat("folder/data")[6])
        os.remove("text")
        try:
            os.remove("text")
        except OSError as error:
            print(error.args[0])
        os.rename("folder/data", "data")
        os.rmdir("folder")
    """)
    told = [(event["op"], event["name"], event["writes"]) for event in board.trace if event.ev == "file"]
    assert told == [
        ("mkdir", "folder", 1),
        ("open", "folder/data", 2),
        ("write", "folder/data", 3),
        ("write", "folder/data", 4),
        ("write", "folder/data", 5),
        ("open", "folder/data", 6),
        ("write", "folder/data", 7),
        ("open", "text", 8),
        ("write", "text", 9),
        ("remove", "text", 10),
        ("rename", "data", 11),
        ("rmdir", "folder", 12),
    ]
    assert said(board) == ['{"a": [1, 2]} 10001', "2"]


# --- the journal itself, on CPython -------------------------------------------------------------------------


def store(path):
    made = _flash.Store()
    made.load(str(path))
    return made


def content(made):
    return {name: made.get(name) for name in made.entries}


def test_a_journal_cut_off_anywhere_gives_the_commits_that_are_whole(tmp_path):
    path = tmp_path / "nvs"
    written = store(path)
    states, ends = [{}], [0]
    for n in range(4):
        written.put("space\0count", _flash.I32, n)
        written.put("space\0blob", _flash.BLOB, bytes([n]) * (n * 20))
        if n == 2:
            written.put("space\0count", _flash.ERASED, b"")
        written.commit("space")
        states.append(content(written))
        ends.append(path.stat().st_size)
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        expected = states[max(i for i, end in enumerate(ends) if end <= size)]
        assert content(store(path)) == expected, size
        assert content(store(path)) == expected, "the torn end was not dropped"


def test_a_damaged_record_ends_the_journal_there(tmp_path):
    path = tmp_path / "nvs"
    written = store(path)
    for n in range(3):
        written.put("space\0n", _flash.I32, n)
        written.commit("space")
    whole = bytearray(path.read_bytes())
    third = len(whole) // 3
    for place in range(third, 2 * third):
        damaged = bytearray(whole)
        damaged[place] ^= 0x41
        path.write_bytes(damaged)
        assert content(store(path)) == {"space\0n": (_flash.I32, 0)}


def test_a_long_journal_is_written_anew_with_the_same_content(tmp_path):
    path = tmp_path / "nvs"
    chance = random.Random(5)
    written = store(path)
    for _ in range(400):
        name = f"space\0key{chance.randrange(10)}"
        written.put(name, _flash.BLOB, chance.randbytes(chance.randrange(300)))
        written.commit("space")
    before = content(written)
    assert path.stat().st_size > _flash.COMPACT_AT
    again = store(path)
    assert content(again) == before
    assert path.stat().st_size < 5000
    again.put("space\0key0", _flash.BLOB, b"after")
    again.commit("space")
    assert content(store(path)) == {**before, "space\0key0": (_flash.BLOB, b"after")}
