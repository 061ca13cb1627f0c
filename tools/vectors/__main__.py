"""`python -m tools.vectors`: writes the vectors; `--check` compares instead, and ends with status 1 if they
differ.

Must never leave a file that it did not write itself among the vectors.
"""

import json
import sys
from pathlib import Path

from tools.vectors import http
from tools.vectors.cases import document
from tools.vectors.tables import FILES, firmware_answers, firmware_check

FOLDER = Path(__file__).resolve().parent.parent.parent / "protocol_spec" / "vectors"
SCHEMAS = ("vectors.schema.json", f"http/{http.SCHEMA}")


def texts() -> dict[str, str]:
    """File name to text, in the order of reading."""
    made = {f"{file.name}.json": document(file) for file in FILES}
    made[http.CHECKS] = http.document(firmware_check.GROUPS + firmware_answers.GROUPS)
    ids = [test["id"] for page in made.values() for group in page["testGroups"] for test in group["tests"]]
    twice = {id for id in ids if ids.count(id) > 1}
    if twice:
        raise ValueError(f"ids given twice: {', '.join(sorted(twice))}")
    return {name: json.dumps(page, indent=1) + "\n" for name, page in made.items()}


def differences(folder: Path, wanted: dict[str, str]) -> list[str]:
    """The files that are missing, differ, or are not ours."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.json")}
    there = {name: path.read_text() for name, path in found.items() if name not in SCHEMAS}
    return sorted(name for name in there.keys() | wanted.keys() if there.get(name) != wanted.get(name))


def main(argv: list[str], folder: Path = FOLDER) -> int:
    """Write, or with `--check` compare. Exit status 0, 1 for a difference, 2 for other arguments."""
    if argv not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    wanted = texts()
    different = differences(folder, wanted)
    if argv:
        for name in different:
            print(f"{name} is not what the tables say: run python -m tools.vectors", file=sys.stderr)
        return 1 if different else 0
    for name in different:
        if name in wanted:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(wanted[name])
        else:
            (folder / name).unlink()
    print(f"{len(wanted)} files, {len(different)} of them changed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
