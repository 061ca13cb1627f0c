"""The report for programs: totals, and every case with its clauses."""

import json

from host_sim.conformance.running import Run


def text(run: Run) -> str:
    return json.dumps(document(run), indent=1, ensure_ascii=True) + "\n"


def document(run: Run) -> dict:
    return {
        "kit": "hxtp-conformance",
        "protocol": "HxTP/3.0",
        "subject": run.subject,
        "facts": run.facts,
        "features": None if run.features is None else sorted(run.features),
        "started": run.started.isoformat(timespec="seconds"),
        "seconds": round(run.seconds, 3),
        "planned": run.planned,
        "stopped": run.stopped,
        "exit_status": run.exit_status,
        **run.totals(),
        "cases": [
            {
                "id": result.case.id,
                "title": result.case.title,
                "group": result.case.group,
                "clauses": list(result.case.clauses),
                "needs": list(result.case.needs),
                "status": result.status.value,
                "message": result.message,
                "seconds": round(result.seconds, 3),
            }
            for result in run.results
        ],
        "mutants": [{"name": row.name, "what": row.what, "caught_by": row.caught_by} for row in run.mutants],
    }
