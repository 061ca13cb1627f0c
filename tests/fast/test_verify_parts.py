"""Where the time of a verified command goes."""

from tools import verify_parts


def test_each_step_does_its_work_with_every_message():
    steps = verify_parts.steps()
    for what, step in steps.items():
        done = step()
        if what.strip() == "judge":
            assert {message.code for message in done} == {None} and len(done) == verify_parts.verify.COUNT
        if what.strip().startswith("scan"):
            assert all(b"params" in members for members in done)
    assert next(iter(steps)).startswith("all")


def test_they_are_shown_beside_their_share(monkeypatch, capsys):
    monkeypatch.setattr(verify_parts.timing, "interleaved", lambda work: dict.fromkeys(work, 0.01))
    assert verify_parts.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(verify_parts.steps()) and all(
        line.startswith("  20.0 us  100%") for line in lines
    )
