"""Reads the tables of the specification: the one behind `<!-- table: NAME -->` in any chapter."""

from host_sim import ROOT

SPEC = ROOT / "protocol_spec"


def table(name):
    """The rows below the head of a table, each a list of its cells without backticks."""
    mark = f"<!-- table: {name} -->"
    pages = [path.read_text() for path in SPEC.glob("*.md") if mark in path.read_text()]
    assert len(pages) == 1, name
    lines = pages[0].split(mark)[1].strip().splitlines()
    rows = []
    for line in lines[2:]:
        if not line.startswith("|"):
            break
        cells = line.replace("\\|", "\0").strip("|").split("|")
        rows.append([cell.replace("\0", "|").replace("`", "").strip() for cell in cells])
    assert rows, name
    return rows
