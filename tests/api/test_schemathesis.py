"""What the description allows, and what it does not, sent to the API: no crash, no answer that it does not describe."""

import uuid

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS
from schemathesis.core.parameters import ParameterLocation

from isos.models import Iso, Operation
from portal.api.api import api
from portal.wsgi import application
from tests.factories import MB, make_iso


def from_this_machine(environ, start_response):
    """The portal, asked by somebody who has an address, as every server tells it."""
    return application(environ | {"REMOTE_ADDR": "127.0.0.1"}, start_response)


schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", from_this_machine)

# Whether what fits the description is accepted too: names that are taken, zones that there are not and servers that
# do not answer can't be said in it. It holds for what only reads, unless it names a zone.
SEMANTIC = CHECKS.get_one("positive_data_acceptance")
NEGATIVE = CHECKS.get_one("negative_data_rejection")
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


def as_number(text):
    """The number of an id; 0 for what is meant to be none."""
    try:
        return uuid.UUID(text).int
    except (ValueError, AttributeError, TypeError):
        return 0


@schema.hook
def map_path_parameters(context, path_parameters):
    """Two of three ids are those of rows, else nearly everything would be 404."""
    for name, model in (("iso_id", Iso), ("operation_id", Operation)):
        given = as_number((path_parameters or {}).get(name))
        ids = list(model.objects.order_by("pk").values_list("public_id", flat=True))
        if ids and given % 3:
            path_parameters[name] = str(ids[given % len(ids)])
    return path_parameters


def beyond_description(case):
    """The checks that can't hold for this request."""
    excluded = [] if case.method == "GET" and not case.query.get("zone") else [SEMANTIC]
    header = case.meta.components.get(ParameterLocation.HEADER) if case.meta else None
    if header is not None and header.mode.is_negative:  # the token that is missing then is sent all the same
        excluded.append(NEGATIVE)
    return excluded


def keeps_to_its_description(path, method):
    """The test of one operation."""

    @schema.include(path=path, method=method).parametrize()
    @FEW
    def test(case, by_owner, library):
        response = case.call(headers=by_owner.headers)
        sent = response.request.headers.get("Authorization") == by_owner.headers["Authorization"]
        if sent and response.status_code in (401, 403):  # a token that opens nothing would keep to every description
            assert response.json()["code"] == "not_extractable"
        case.validate_response(response, headers=by_owner.headers, excluded_checks=beyond_description(case))

    return test


# Each under a name of its own: tests of one name are one test to whoever hands them out to processes.
for path, methods in api.get_openapi_schema()["paths"].items():
    for method, operation in methods.items():
        globals()[f"test_{operation['operationId']}"] = keeps_to_its_description(path, method.upper())
