"""The diagram that people read is the table that runs."""

from tools import state_diagram


def test_the_page_of_the_session_is_made_from_the_table():
    assert state_diagram.PAGE.read_text() == state_diagram.page()
    assert state_diagram.main(["--check"]) == 0


def test_a_page_that_is_out_of_date_is_told(monkeypatch, tmp_path, capsys):
    stale = tmp_path / "session-states.md"
    stale.write_text("old")
    monkeypatch.setattr(state_diagram, "PAGE", stale)
    monkeypatch.setattr(state_diagram, "ROOT", tmp_path)
    assert state_diagram.main(["--check"]) == 1
    assert "out of date" in capsys.readouterr().err
    assert state_diagram.main([]) == 0 and state_diagram.main(["--check"]) == 0
