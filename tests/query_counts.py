"""How many queries a page costs, against a baseline that is committed.

`UPDATE_QUERY_COUNTS=1` writes what is measured into query_counts.json instead of comparing.
"""

import json
import os
from contextlib import contextmanager
from pathlib import Path

from django.db import connection
from django.test.utils import CaptureQueriesContext

BASELINES = Path(__file__).with_name("query_counts.json")


@contextmanager
def counted(name):
    """The queries inside the block must be as many as `name` has in the baseline."""
    with CaptureQueriesContext(connection) as captured:
        yield
    baselines = json.loads(BASELINES.read_text()) if BASELINES.exists() else {}
    if os.environ.get("UPDATE_QUERY_COUNTS") == "1":
        baselines[name] = len(captured)
        BASELINES.write_text(json.dumps(dict(sorted(baselines.items())), indent=2) + "\n")
        return
    listing = "\n".join(query["sql"][:200] for query in captured.captured_queries)
    assert name in baselines, f"{name} has no baseline; run once with UPDATE_QUERY_COUNTS=1"
    assert len(captured) == baselines[name], f"{name}: {len(captured)} queries, not {baselines[name]}:\n{listing}"
