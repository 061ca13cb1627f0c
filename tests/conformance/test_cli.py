"""What a user of the kit sees: exit status, one clear line for a mistake, and never a traceback."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conformance.kit import YES, vector

ROOT = Path(__file__).resolve().parents[2]


def one_line(text: str) -> str:
    assert text.count("\n") == 1 and text.startswith("python -m host_sim conformance: "), text
    return text


@pytest.mark.parametrize(
    "argv, says",
    [
        ([], "nothing to test: give one of --codec, "),
        (["--codec", ""], "is empty"),
        (["--codec", "'"], "No closing quotation"),
        (["--codec", "/nosuch/codec"], "cannot be started: No such file"),
        (["--codec", "/"], "cannot be started: Permission denied"),
        (["--codec", "true", "--vectors", "/nosuch"], "cannot be read: No such file"),
        (["--codec", "true", "--xfail", "/nosuch"], "the xfail list /nosuch cannot be read"),
        (["--codec", "true", "--pics", "/"], "the list of features / cannot be read"),
        (["--codec", "true", "--features", "colour"], "no case asks for the feature 'colour'; there are: "),
        (["--codec", "true", "--only", "nosuch-*"], "no case matches nosuch-*; --list names all"),
        (["--codec", "true", "--junit", "/nosuch/report.xml"], "there is no folder /nosuch"),
        (["--codec", "true", "--html", "/"], "the report / is a folder"),
        (["--show", "nosuch"], "no case is called nosuch"),
    ],
)
def test_a_mistake_ends_with_2_and_one_line(kit, argv, says):
    ended = kit(*argv)
    assert ended.status == 2 and says in one_line(ended.err)


@pytest.mark.parametrize(
    "argv", [["--codec"], ["--limit", "0"], ["--timeout", "soon"], ["--codec", "x", "--mutants"]]
)
def test_an_unknown_command_line_ends_with_2(kit, argv):
    ended = kit(*argv)
    assert ended.status == 2 and "usage:" in ended.err and "Traceback" not in ended.err


@pytest.mark.parametrize(
    "body, says",
    [
        ("sys.exit(3)", "the end of the program (exit status 3)"),
        ("sys.exit('no module named crypto')", "on standard error: 'no module named crypto'"),
        (
            "sys.exit('thing.mjs:1\\n\\nError [X]: no module\\n    at new NodeError\\n\\nNode.js v20')",
            "standard error: 'Error [X]: no module'",
        ),
        ("os.kill(os.getpid(), 9)", "signal SIGKILL"),
        ("time.sleep(60)", "none within 0.5 s"),
        ("say('x' * (1 << 21))", "at most 1048576 bytes"),
    ],
)
def test_a_codec_that_does_not_even_answer_once_ends_with_2(kit, body, says):
    ended = kit("--codec", kit.codec(body), "--vectors", kit.vectors(vector("one")), "--timeout", "0.5")
    assert ended.status == 2 and says in one_line(ended.err)


def test_all_passed_is_0(kit):
    ended = kit("--codec", kit.codec(YES), "--vectors", kit.vectors(vector("one"), vector("two")))
    assert ended.status == 0 and not ended.err
    assert "[1/2] ok      one: about one\n[2/2] ok      two: about two\n" in ended.out
    assert "2 passed, 0 failed, 0 skipped, 0 xfailed; 2 cases" in ended.out


@pytest.mark.parametrize(
    "body, says",
    [
        ("sys.exit(7)", "the end of the program (exit status 7)"),
        ("time.sleep(60)", "none within 0.5 s"),
        ("say('hello')", "expected one JSON object as the answer; got 'hello'"),
        ("say('[1]')", "expected one JSON object as the answer"),
        ('say(\'{"ok":true,"ok":true}\')', "a member twice"),
        ("say('{\"ok\":NaN}')", "NaN is not JSON"),
        ("say('')", "expected one JSON object as the answer; got ''"),
        ("say('[' * 100000)", "expected one JSON object"),
        ('say(\'{"ok":true}\\n{"ok":true}\')', "and more behind it"),
        ("say('x' * (1 << 21))", "at most 1048576 bytes"),
        ("os.write(1, b'\\xff\\xfe\\n')", "expected one JSON object"),
        ("os.write(1, b'\\x1b[2J\\n')", r"got '\x1b[2J'"),
        ("say('{\"ok\":false}')", "expected acceptance"),
        ("say('{\"ok\":1}')", "expected acceptance"),
    ],
)
def test_a_case_that_a_codec_fails_is_1_and_the_next_finds_it_sound_again(kit, body, says):
    codec = kit.codec(f"if '\"two\"' in request:\n    {body}\nelse:\n    {YES}")
    tests = kit.vectors(vector("one"), vector("two"), vector("three"))
    ended = kit("--codec", codec, "--vectors", tests, "--timeout", "0.5")
    assert ended.status == 1 and not ended.err
    assert "[1/3] ok " in ended.out and "[2/3] FAILED" in ended.out and "[3/3] ok " in ended.out
    assert says in ended.out and "\x1b" not in ended.out


def test_what_comes_unasked_does_not_answer_what_is_asked_later(kit):
    # Whether the second line comes before or after the next request: two cases are spoilt at most.
    codec = kit.codec(f"{YES}\nif '\"one\"' in request:\n    say('more')")
    done = kit("--codec", codec, "--vectors", kit.vectors(*(vector(id) for id in ("one", "two", "three"))))
    assert done.status == 1 and "more" in done.out
    assert "[3/3] ok " in done.out


def test_a_codec_that_falls_silent_for_good_is_given_up(kit):
    codec = kit.codec(f"if 'id' in request:\n    time.sleep(60)\n{YES}")
    tests = kit.vectors(*(vector(f"v{i}") for i in range(9)))
    report = kit.folder / "report.json"
    ended = kit("--codec", codec, "--vectors", tests, "--timeout", "0.1", "--json", str(report))
    assert ended.status == 2 and "stopped after 4 of 9: the codec left 5 requests in a row" in one_line(
        ended.err
    )
    written = json.loads(report.read_text())
    assert written["failed"] == 4 and written["stopped"] and written["exit_status"] == 2


def test_a_program_that_its_codec_started_ends_with_it(kit):
    pid = kit.folder / "pid"
    codec = kit.codec(
        "import subprocess\n"
        "child = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(pid)!r}, 'w').write(str(child.pid))\n"
        f"{YES}\nif n:\n    time.sleep(60)"
    )
    kit("--codec", codec, "--vectors", kit.vectors(vector("one")), "--timeout", "0.5")
    patience = time.monotonic() + 30  # it is the kernel's to say when a killed process is gone
    while runs(pid.read_text()):
        assert time.monotonic() < patience
        time.sleep(0.01)


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] not in "ZX"
    except OSError:
        return False


def test_known_deviations_are_counted_and_shown(kit):
    tests = kit.vectors(vector("one"), vector("two", expected={"ok": False, "code": "HASH_MISMATCH"}))
    listed = kit.file("known.txt", "# ours\n\ntwo  # hashes the spelling; fixed in 2.1\n")
    ended = kit("--codec", kit.codec(YES), "--vectors", tests, "--xfail", listed)
    assert ended.status == 0 and "1 passed, 0 failed, 0 skipped, 1 xfailed" in ended.out
    assert "known deviation: hashes the spelling; fixed in 2.1" in ended.out


def test_a_known_deviation_that_is_none_any_more_fails(kit):
    listed = kit.file("known.txt", "one # it was so once\n")
    ended = kit("--codec", kit.codec(YES), "--vectors", kit.vectors(vector("one")), "--xfail", listed)
    assert ended.status == 1 and "take it off the list" in ended.out


@pytest.mark.parametrize(
    "text, says",
    [
        ("ome # a slip\n", "there is no case 'ome'; did you mean one?"),
        ("quite-another # x\n", "--list names all cases"),
        ("one\n", "one has no reason"),
        ("one two # x\n", "one name a line"),
        ("one # x\none # x\n", "one is there twice"),
    ],
)
def test_a_list_of_known_deviations_that_is_wrong_ends_with_2(kit, text, says):
    ended = kit(
        *("--codec", kit.codec(YES), "--vectors", kit.vectors(vector("one"))),
        *("--xfail", kit.file("known.txt", text)),
    )
    assert ended.status == 2 and says in one_line(ended.err)


def test_a_profile_that_a_codec_lacks_is_skipped(kit):
    """HX3-CODEC-03."""
    codec = kit.codec('say(\'{"ok":false,"code":"UNSUPPORTED"}\')')
    for profile, total in (("json-full", "1 skipped"), ("auto", "1 skipped"), ("pipe10", "1 failed")):
        ended = kit("--codec", codec, "--vectors", kit.vectors(vector("one"), profile=profile))
        assert total in ended.out and ended.status == (profile == "pipe10")


def test_a_codec_cannot_lack_a_profile_now_and_then(kit):
    """HX3-CODEC-03."""
    codec = kit.codec(
        f'if \'"two"\' in request:\n    say(\'{{"ok":false,"code":"UNSUPPORTED"}}\')\nelse:\n    {YES}'
    )
    tests = kit.vectors(vector("one"), vector("two"), profile="json-full")
    ended = kit("--codec", codec, "--vectors", tests)
    assert ended.status == 1 and "expected an answer as to other requests of json-full" in ended.out


def test_what_was_not_declared_is_skipped(kit):
    tests = kit.vectors(vector("one"), profile="json-full")
    for argv in (["--features", "json-full"], ["--pics", kit.file("pics.txt", "json-full # since 2.0\n")]):
        ended = kit("--codec", kit.codec(YES), "--vectors", tests, *argv)
        assert "1 passed" in ended.out
    ended = kit("--codec", kit.codec(YES), "--vectors", tests, "--features", "")
    assert "1 skipped" in ended.out and "feature not declared: json-full" in ended.out


def test_a_secret_in_an_answer_fails(kit):
    """HX3-CODEC-04."""
    request = {"op": "verify", "secret_hex": "ab" * 32, "wire_hex": "cd"}
    tests = kit.vectors(vector("one", request=request))
    for said, status in (("AB" * 32, 1), ("cd" * 32, 0)):
        ended = kit("--codec", kit.codec(f'say(\'{{"ok":true,"note":"{said}"}}\')'), "--vectors", tests)
        assert ended.status == status and "ab" * 32 not in ended.out


def test_cases_are_chosen_by_id_and_by_clause(kit):
    tests = kit.vectors(vector("one"), vector("two", clauses=["HX3-CODEC-02"]))
    for pattern, wanted in (("o*", "one"), ("HX3-CODEC-02", "two")):
        ended = kit("--codec", kit.codec(YES), "--vectors", tests, "--only", pattern)
        assert f"[1/1] ok      {wanted}" in ended.out
    listed = kit("--codec", "not-started", "--vectors", tests, "--list")
    assert listed.out.splitlines() == ["one  about one  (HX3-CODEC-01)", "two  about two  (HX3-CODEC-02)"]
    shown = kit("--codec", "not-started", "--vectors", tests, "--show", "one")
    assert '{"op":"reset","id":"one"}\n{"ok":true}' in shown.out
    assert "HX3-CODEC-01 A codec MUST answer every line" in shown.out


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_an_interrupt_ends_cleanly_with_the_reports_of_what_ran(kit):
    # The codec itself interrupts the kit at its second case.
    import signal

    body = f"os.kill(os.getppid(), {int(signal.SIGINT)})\n    time.sleep(60)"
    codec = kit.codec(f"if '\"two\"' in request:\n    {body}\n{YES}")
    report = kit.folder / "report.json"
    tests = kit.vectors(vector("one"), vector("two"), vector("three"))
    command = [
        sys.executable,
        "-m",
        "host_sim",
        "conformance",
        "--codec",
        codec,
        "--vectors",
        tests,
        "--json",
        report,
    ]
    ended = subprocess.run(command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 130
    assert one_line(ended.stderr).endswith("stopped after 1 of 3: interrupted\n")
    written = json.loads(report.read_text())
    assert (written["passed"], written["planned"]) == (1, 3)


def test_what_is_listed_or_shown_cannot_drive_the_terminal(kit):
    tests = kit.vectors(vector("one", comment="a NUL\0, a bell\a and an escape\x1b[2J"))
    for choice in (["--list"], ["--show", "one"]):
        told = kit("--codec", "not-started", "--vectors", tests, *choice)
        assert r"a NUL\x00, a bell\x07 and an escape\x1b[2J" in told.out
        assert told.out.replace("\n", "").isprintable()


def test_help_names_every_way_to_listen(kit):
    assert "listen:HOST:PORT" in kit("--help").out
