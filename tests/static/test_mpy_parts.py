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
    assert [name for name, _ in found] == [
        "sample.py", "GREETING", "_x", "Box", "Box.short", "Box.long", "outside",
    ]  # fmt: skip
    size = dict(found)
    assert size["sample.py"] == len(mpy_sizes.compile_module(module, "-O2"))
    assert size["sample.py"] > size["Box"] > size["Box.long"] > size["Box.short"] > 0
    module.write_text(SAMPLE.replace('GREETING = "a text of more than twenty characters"', "pass"))
    assert size["GREETING"] == size["sample.py"] - len(mpy_sizes.compile_module(module, "-O2")) > 37


def test_what_cannot_be_weighed_is_said(tmp_path, capsys):
    assert mpy_parts.main([]) == 2
    assert mpy_parts.main([str(tmp_path / "none.py")]) == 1
    (tmp_path / "broken.py").write_text("def f(:\n")
    assert mpy_parts.main([str(tmp_path / "broken.py")]) == 1
    assert "mpy_parts.py" in capsys.readouterr().err


def test_a_firmware_module_is_weighed_as_it_is_on_a_board(capsys):
    source = mpy_sizes.FIRMWARE / "lib" / "hxtp" / "counter.py"
    assert mpy_parts.main([str(source)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [str(mpy_sizes.sizes()["lib/hxtp"]["counter.py"]), "counter.py"]
    assert any(line.endswith("  Counter.next") for line in lines)
