"""What the reports say, to programs and to people, and that nothing a peer says can break them."""

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from io import StringIO
from xml.etree import ElementTree

import pytest

from host_sim.conformance import clauses
from host_sim.conformance.case import Case, Outcome, Result
from host_sim.conformance.reports import as_html, as_json, as_junit
from host_sim.conformance.reports.terminal import Terminal
from host_sim.conformance.running import MutantRow, Run

HOSTILE = "<script>alert(1)</script> & \"'\x1b[31m\x00\ufffe\ud800 ]]> \u202e"


def result(id, status, *named, message="", **changes):
    case = Case(id, f"about {id}", named, (), lambda peer: None, **changes)
    return Result(case, status, message, 0.25)


def a_run(*results, **changes):
    found = Run("codec ./vendor", len(results), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), **changes)
    found.results.extend(results)
    return found


RUN = a_run(
    result("one", Outcome.PASSED, "HX3-WIRE-01", "HX3-WIRE-02"),
    result(
        "two", Outcome.FAILED, "HX3-WIRE-01", message=HOSTILE, group="a <group>", detail='{"op":"<reset>"}'
    ),
    result("three", Outcome.SKIPPED, "HX3-VAL-08", message="feature not declared: clock"),
    result("four", Outcome.XFAILED, "HX3-WIRE-02", message="known deviation: ours"),
    facts={"firmware": "1.0 <b>"},
    features=frozenset(["pwm"]),
)


def test_json_has_the_totals_and_every_case_with_its_clauses():
    report = json.loads(as_json.text(RUN))
    assert {name: report[name] for name in ("passed", "failed", "skipped", "xfailed")} == dict.fromkeys(
        ("passed", "failed", "skipped", "xfailed"), 1
    )
    assert [case["id"] for case in report["cases"]] == ["one", "two", "three", "four"]
    assert report["cases"][0]["clauses"] == ["HX3-WIRE-01", "HX3-WIRE-02"]
    assert report["cases"][1]["message"] == HOSTILE
    assert (report["subject"], report["features"], report["exit_status"]) == ("codec ./vendor", ["pwm"], 1)
    assert report["started"] == "2026-01-02T03:04:05+00:00"


def test_junit_is_xml_with_the_same_counts():
    suite = ElementTree.fromstring(as_junit.text(RUN)).find("testsuite")
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["4", "1", "0", "2"]
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert "<script>" in cases["two"].find("failure").get("message")
    assert cases["three"].find("skipped").get("message") == "feature not declared: clock"
    assert cases["four"].find("skipped") is not None and cases["one"].find("failure") is None
    assert [p.get("value") for p in cases["one"].iter("property")] == [
        "about one",
        "HX3-WIRE-01",
        "HX3-WIRE-02",
    ]


def test_junit_says_that_a_run_was_stopped():
    suite = ElementTree.fromstring(as_junit.text(a_run(stopped="the broker is gone"))).find("testsuite")
    assert suite.get("errors") == "1" and "the broker is gone" in suite.find("system-err").text


class Page(HTMLParser):
    """The tags, links and rows of a page; an end tag of nothing that is open is an error."""

    OPEN = frozenset(("meta", "br", "th", "td", "tr"))  # what may stay open

    def __init__(self, text):
        super().__init__()
        self.tags, self.places, self.links, self.stack, self.text = [], set(), set(), [], []
        self.feed(text)
        assert not self.stack

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append((tag, found))
        if "id" in found:
            assert found["id"] not in self.places
            self.places.add(found["id"])
        if "href" in found:
            self.links.add(found["href"])
        if tag not in self.OPEN:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.OPEN:
            assert self.stack.pop() == tag

    def handle_data(self, data):
        if self.stack[-1:] != ["style"]:
            self.text.append(data)


@pytest.fixture(scope="module")
def page():
    return Page(as_html.text(RUN))


def test_html_holds_itself_together(page):
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "form", "b>"}
    assert all(not name.startswith("on") for _, found in page.tags for name in found)
    assert page.links and all(link.startswith("#") for link in page.links)
    assert {link[1:] for link in page.links} <= page.places
    text = as_html.text(RUN)
    assert "url(" not in text and "@import" not in text and "prefers-color-scheme" in text


def test_html_shows_hostile_text_as_text(page):
    text = "".join(page.text)
    assert "<script>alert(1)</script>" in text and "1.0 <b>" in text and "a <group>" in text


def test_html_encodes_whatever_a_peer_said(tmp_path):
    from host_sim.conformance import reports

    for kind in reports.WRITERS:
        reports.write(RUN, kind, str(tmp_path / kind))
        assert (tmp_path / kind).read_bytes().decode("utf-8")


def test_html_has_the_clause_matrix_in_the_order_of_the_text(page):
    text = "".join(page.text)
    rows = re.findall(
        r"(HX3-\w+-\d\d)[^✓✗–!]*?([✓✗–!])\xa0(passed|failed|skipped|xfailed)", text[text.index("Clauses") :]
    )
    assert [(id, status) for id, _, status in rows[:3]] == [
        ("HX3-WIRE-01", "failed"),
        ("HX3-WIRE-02", "xfailed"),
        ("HX3-VAL-08", "skipped"),
    ]
    assert "A message MUST be one JSON object" in text and {"one", "two", "HX3-WIRE-01"} <= page.places


def test_html_of_many_cases_opens_what_failed():
    results = [result(f"c{i}", Outcome.PASSED, "HX3-WIRE-01", group=f"g{i % 2}") for i in range(40)]
    results.append(result("bad", Outcome.FAILED, "HX3-WIRE-01", group="g1", message="no"))
    found = Page(as_html.text(a_run(*results)))
    assert [
        ("open" in attributes) for tag, attributes in found.tags if attributes.get("class") == "group"
    ] == [
        False,
        True,
    ]
    assert "1 failed, 20 passed" in "".join(found.text)


def test_reports_have_the_table_of_mutants():
    found = a_run(mutants=[MutantRow("lax", "accepts all", ["one", "two"]), MutantRow("sly", "x", [])])
    assert json.loads(as_json.text(found))["mutants"][0] == {
        "name": "lax",
        "what": "accepts all",
        "caught_by": ["one", "two"],
    }
    assert "laxaccepts allone, two" in "".join(Page(as_html.text(found)).text).replace("\n", "")
    stream = StringIO()
    Terminal(stream).close(found)
    assert re.search(r"lax +caught by one, two\n +sly +NOT CAUGHT", stream.getvalue())


def test_every_clause_of_the_text_has_its_words():
    texts = clauses.texts()
    assert len(texts) > 200 and texts["HX3-WIRE-04"].startswith("The JSON text")


class Screen(StringIO):
    def isatty(self):
        return True


def shown(stream, run, **options):
    terminal = Terminal(stream, **options)
    for number, found in enumerate(run.results, 1):
        terminal.begin(number, run.planned, found.case)
        terminal.end(number, run.planned, found)
    terminal.close(run)
    return stream.getvalue()


def test_a_log_has_a_line_a_case_and_no_control_characters():
    text = shown(StringIO(), RUN)
    assert "[1/4] ok      one: about one\n[2/4] FAILED  two: about two\n" in text
    assert "codec ./vendor: 1 passed, 1 failed, 1 skipped, 1 xfailed; 4 cases in 0.0 s\n" in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e\ud800]", text)


def test_the_closing_lines_name_what_failed_and_the_clauses_behind_it():
    text = shown(StringIO(), RUN)
    assert "\nfailed: two\nclauses that they look at: HX3-WIRE-01 (1); --show two tells more\n" in text
    both = ("HX3-WIRE-15", "HX3-WIRE-12")
    many = [result(f"case-{n}", Outcome.FAILED, *both[: 1 + (n == 0)]) for n in range(7)]
    text = shown(StringIO(), a_run(*many))
    assert "\nfailed: case-0, case-1, case-2, case-3, case-4 and 2 more\n" in text
    assert "look at: HX3-WIRE-15 (7), HX3-WIRE-12 (1); --show case-0 tells more\n" in text
    assert "failed:" not in shown(StringIO(), a_run(result("one", Outcome.PASSED)))


def test_a_terminal_keeps_lines_of_what_did_not_pass():
    text = shown(Screen(), RUN)
    kept = [re.sub(r"\x1b\[[0-9;]*[mK]|\r", "", line) for line in text.split("\n")]
    assert any("FAILED  two" in line for line in kept) and any("xfailed four" in line for line in kept)
    assert not any("ok      one" in line for line in kept)
    assert "ok      one" in re.sub(r"\x1b\[[0-9;]*m", "", shown(Screen(), RUN, verbose=True))
