"""What a maker copies onto a board."""

from tools import bytecode


def test_the_folder_holds_bytecode_and_what_micropython_looks_for_by_name(tmp_path):
    names = {path.relative_to(tmp_path / "out").as_posix() for path in bytecode.build(tmp_path / "out")}
    assert {
        "boot.py",
        "main.py",
        "lib/hxtp/session.mpy",
        "capabilities/light.mpy",
        "boards/pwm-lamp.json",
    } <= names
    assert {name for name in names if name.endswith(".py")} == {"boot.py", "main.py"}
    assert "lib/hxtp/cloud.mpy" not in names and not any("__pycache__" in name for name in names)


def test_a_maker_s_own_modules_keep_their_line_numbers_and_the_library_s_are_wanted_by_name(tmp_path):
    def made(*options):
        target = tmp_path / "out"
        assert bytecode.main([*options, str(target)]) == 0
        return [(target / f"{name}.mpy").read_bytes() for name in ("lib/hxtp/session", "capabilities/relay")]

    short, own = made()
    long, same = made("--lines")
    assert len(short) < len(long) and own == same


def test_a_folder_of_something_else_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("years of work")
    assert bytecode.main([str(tmp_path)]) == 2
    assert "not a firmware folder" in capsys.readouterr().err and (tmp_path / "thesis.txt").exists()


def test_a_folder_that_cannot_be_made_ends_in_one_sentence(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "firmware"
    assert bytecode.main([str(target)]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"{target} cannot be written (Not a directory: ") and err.count("\n") == 1


def test_the_folder_is_made_anew(tmp_path, capsys):
    target = tmp_path / "out"
    assert bytecode.main([str(target)]) == 0
    (target / "old.mpy").write_bytes(b"")
    assert bytecode.main([str(target)]) == 0
    assert not (target / "old.mpy").exists() and "mpremote" in capsys.readouterr().out
