"""Where a module's bytecode goes."""

from tools import mpy_parts, mpy_sizes

SAMPLE = '''"""A module."""

GREETING = "a text of more than twenty characters"
_x = 1


class Box:
    def short(self):
        return 1

    def long(self, value):
        return [value.first, value.second, value.third, "another text that weighs something"]


def outside(box):
    return box.short() + box.long(1)
'''


def test_each_part_weighs_what_the_module_shrinks_by_without_it(tmp_path):
    module = tmp_path / "sample.py"
    module.write_text(SAMPLE)
    found = mpy_parts.parts(module, "-O2")
    assert [name for name, _ in found] == ["GREETING", "_x", "Box", "Box.short", "Box.long", "outside"]
    size = dict(found)
    whole = mpy_sizes.compile_module(module, "-O2")
    assert len(whole) > size["Box"] > size["Box.long"] > size["Box.short"] > 0
    module.write_text(SAMPLE.replace('GREETING = "a text of more than twenty characters"', "pass"))
    assert size["GREETING"] == len(whole) - len(mpy_sizes.compile_module(module, "-O2")) > 37


def test_the_bytes_of_a_module_are_names_constants_and_instructions(tmp_path):
    def kinds(text):
        module = tmp_path / "sample.py"
        module.write_text(text)
        code = mpy_sizes.compile_module(module, "-O2")
        assert sum(mpy_parts.kinds(code)) == len(code)
        return mpy_parts.kinds(code)

    base = kinds("x = 1\n")
    assert kinds("twenty_characters_ok = 1\n")[0] == base[0] + 19
    values = f"x = {'t' * 300!r}\ny = {b'b' * 200!r}\nz = ({10**40}, 1.5, ({'u' * 250!r}, None))\n"
    names, constants, instructions = kinds(values)
    assert constants > 300 + 200 + 250 > constants - base[1] - 80
    assert names == base[0] + 2 * 3 and instructions < base[2] + 40  # y and z


def test_modules_are_weighed_as_one_without_what_they_import_from_each_other(tmp_path):
    package = tmp_path / "pack"
    package.mkdir()
    (package / "one.py").write_text("from pack import two\n\n\ndef first():\n    return two.second() + 1\n")
    (package / "two.py").write_text(
        "from struct import (\n    pack,\n)\n\n\ndef second():\n    return pack('B', 1)\n"
    )
    text = mpy_parts.joined([package / "one.py", package / "two.py"])
    assert "import two" not in text and "return second() + 1" in text and "from struct import" in text


def test_what_cannot_be_weighed_is_said(tmp_path, capsys):
    assert mpy_parts.main([]) == 2
    assert mpy_parts.main([str(tmp_path / "none.py")]) == 1
    (tmp_path / "broken.py").write_text("def f(:\n")
    assert mpy_parts.main([str(tmp_path / "broken.py")]) == 1
    assert "mpy_parts.py" in capsys.readouterr().err


def test_a_firmware_module_is_weighed_as_it_is_on_a_board(capsys):
    folder = mpy_sizes.FIRMWARE / "lib" / "hxtp"
    assert mpy_parts.main([str(folder / "counter.py"), str(folder / "errors.py")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == [str(mpy_sizes.sizes()["lib/hxtp"]["counter.py"]), "counter.py:"]
    assert any(line.endswith("  Counter.next") for line in lines)
    assert "all as one: names" in lines[-1]
