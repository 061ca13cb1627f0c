"""Every module of firmware/ is MicroPython that compiles, for the ESP32's own instruction set too."""

import pytest

from tools import mpy_sizes

MODULES = mpy_sizes.modules()
NAMES = [str(path.relative_to(mpy_sizes.FIRMWARE)) for path in MODULES]


@pytest.mark.parametrize("module", MODULES, ids=NAMES)
def test_a_module_compiles(module):
    assert mpy_sizes.compile_module(module)
    assert mpy_sizes.compile_module(module, "-march=xtensawin")


def test_sizes_cover_every_module_and_are_shown(capsys):
    table = mpy_sizes.sizes()
    assert sum(len(entries) for entries in table.values()) == len(MODULES)
    assert all(size > 0 for entries in table.values() for size in entries.values())
    shown = mpy_sizes.markdown(table)
    for package, entries in table.items():
        assert f"**{sum(entries.values()):,}**" in shown, package
        assert all(name in shown for name in entries)


def test_what_micropython_cannot_parse_is_refused(tmp_path):
    module = tmp_path / "sample.py"
    module.write_text("def join(a, b):\n    return {**a, **b}\n")
    with pytest.raises(mpy_sizes.CompileError, match=r"sample\.py"):
        mpy_sizes.compile_module(module)


def test_modules_are_counted_under_their_package(tmp_path):
    for name in ("main.py", "lib/hxtp/frame.py", "lib/hxtp_device/mqtt.py", "capabilities/ir/nec.py"):
        module = tmp_path / name
        module.parent.mkdir(parents=True, exist_ok=True)
        module.write_text("x = 1\n")
    table = mpy_sizes.sizes(tmp_path)
    assert {package: list(entries) for package, entries in table.items()} == {
        ".": ["main.py"],
        "capabilities": ["ir/nec.py"],
        "lib/hxtp": ["frame.py"],
        "lib/hxtp_device": ["mqtt.py"],
    }
