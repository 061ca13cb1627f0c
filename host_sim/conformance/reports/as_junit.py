"""The report that CI servers show: JUnit's XML. A known deviation counts as skipped there, with a reason."""

import re
from xml.etree import ElementTree as xml

from host_sim.conformance.case import Outcome, Result
from host_sim.conformance.running import Run

# What XML 1.0 cannot hold in any spelling.
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text(run: Run) -> str:
    totals = run.totals()
    counts = {
        "tests": str(len(run.results)),
        "failures": str(totals["failed"]),
        "errors": "1" if run.stopped else "0",
        "skipped": str(totals["skipped"] + totals["xfailed"]),
        "time": f"{run.seconds:.3f}",
    }
    root = xml.Element("testsuites", name="HxTP conformance", **counts)
    stamp = run.started.isoformat(timespec="seconds")
    suite = xml.SubElement(root, "testsuite", name=_clean(run.subject), timestamp=stamp, **counts)
    properties = xml.SubElement(suite, "properties")
    for name, value in run.facts.items():
        xml.SubElement(properties, "property", name=_clean(name), value=_clean(value))
    for result in run.results:
        _case(suite, result)
    if run.stopped:
        xml.SubElement(suite, "system-err").text = _clean(
            f"stopped after {len(run.results)} of {run.planned}: {run.stopped}"
        )
    xml.indent(root)
    return xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: xml.Element, result: Result) -> None:
    entry = xml.SubElement(
        suite,
        "testcase",
        classname=_clean(f"hxtp.{result.case.group or 'conformance'}"),
        name=_clean(result.case.id),
        time=f"{result.seconds:.3f}",
    )
    properties = xml.SubElement(entry, "properties")
    xml.SubElement(properties, "property", name="title", value=_clean(result.case.title))
    for clause in result.case.clauses:
        xml.SubElement(properties, "property", name="clause", value=clause)
    if result.status is Outcome.FAILED:
        xml.SubElement(entry, "failure", message=_clean(result.message))
    elif result.status in (Outcome.SKIPPED, Outcome.XFAILED):
        xml.SubElement(entry, "skipped", message=_clean(result.message))


def _clean(value: str) -> str:
    return FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", value)
