"""Reading everything back over HTTP in a fresh process: ``python -m …demo.readback``.

Reads ``{"base", "email", "password", "course_id"}`` from standard input, and prints what a tutor
sees of the course as one JSON line.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

from computor_fastapi_host.demo.api import Api, local_client


def read_back(base: str, email: str, password: str, course_id: str) -> dict[str, Any]:
    """Count artifacts, results, receipts and grades of a course, as the API tells them."""
    with local_client() as http:
        api = Api(base, http).sign_in(email, password)
        artifacts = api.all("/artifacts", course_id=course_id)
        runs = api.all("/test-runs", course_id=course_id)
        receipts = api.all("/receipts", course_id=course_id)
        grades = api.all("/grades", course_id=course_id)
        finished = [run for run in runs if run["state"] == "finished"]
        return {
            "submissions": len(artifacts),
            "receipts": len({receipt["artifact_id"] for receipt in receipts}),
            "results": len({run["artifact_id"] for run in finished}),
            "tests": len(runs),
            "graded": len(grades),
            "by_transport": dict(Counter(item["transport"] for item in artifacts)),
            "by_verdict": dict(Counter(run["verdict"] for run in finished)),
            "by_integrity": dict(Counter(run["integrity"] for run in finished)),
        }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(read_back(**json.load(sys.stdin))) + "\n")
