"""What the description allows, and what it does not, sent to the API: no crash, no answer that it does not describe."""

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS

from isos.models import Iso, Operation
from portal.wsgi import application
from tests.factories import MB, make_iso

schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", application)

# Whether what fits the description is accepted too: names that are taken, zones that there are not and servers that
# do not answer can't be said in it. It holds for what only reads.
SEMANTIC = CHECKS.get_one("positive_data_acceptance")
FEW = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True)
def one_connection():
    """The portal's requests see what the test wrote, on its connection; Django's own test client does the same."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def library(account, owner, stranger, zone_a, zone_b, settings):
    """ISOs in every state, of which the API may do with what it likes."""
    settings.API_REQUESTS_PER_MINUTE = settings.IMPORT_CHECKS_PER_MINUTE = 0
    settings.IMPORT_CONNECT_SECONDS = settings.IMPORT_CHECK_SECONDS = 0.5
    for here, there in [("ready", "failed"), ("receiving", "waiting"), ("failed", "failed"), ("ready", "verifying")]:
        make_iso(account, {zone_a: here, zone_b: there}, user=owner, size=MB)
    make_iso(stranger.account, {zone_a: "ready"}, is_public=True, size=MB)
    make_iso(stranger.account, {zone_a: "ready"}, size=MB)


@schema.hook
def map_path_parameters(context, path_parameters):
    """Two of three ids are those of rows, else nearly everything would be 404."""
    for name, model in (("iso_id", Iso), ("operation_id", Operation)):
        given = str((path_parameters or {}).get(name, ""))
        ids = list(model.objects.order_by("pk").values_list("public_id", flat=True))
        if ids and len(given) == 36 and int(given[0], 16) % 3:
            path_parameters[name] = str(ids[int(given[1], 16) % len(ids)])
    return path_parameters


@schema.parametrize()
@FEW
def test_it_keeps_to_its_description(case, by_owner, library):
    case.call_and_validate(headers=by_owner.headers, excluded_checks=[] if case.method == "GET" else [SEMANTIC])
