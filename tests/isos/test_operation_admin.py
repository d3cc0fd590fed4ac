"""Operations in admin: Retry and Cancel act as users' own do, as the administrator who chose them."""

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from isos.actions.copy_to_zones import copy_to_zones
from isos.models import Event, Operation, Replica
from portal.accounts.models import Account, User
from tests.isos.conftest import run_all, send
from tests.isos.copies import uploaded

LIST = "/admin/isos/operation/"


@pytest.fixture
def do(admin_client):
    """`do(action, operations)`: what the page says after the action."""

    def run(action, operations, client=admin_client):
        chosen = {"action": action, "_selected_action": [operation.pk for operation in operations]}
        answer = client.post(LIST, chosen, follow=True)
        assert answer.status_code == 200
        return [str(message) for message in answer.context["messages"]]

    return run


@pytest.fixture
def failed_copy(start, iso_bytes, actor, zone_a, zone_b):
    """The operation of a copy that failed and can be tried again."""
    iso = uploaded(start, iso_bytes, zone_a)
    [operation] = copy_to_zones(actor, iso, [zone_b])
    Operation.objects.filter(pk=operation.pk).update(state="failed", error_code="store", error_message="Full.")
    Replica.objects.filter(pk=operation.replica_id).update(state="failed", error_message="Full.")
    return operation


def test_retry_goes_on_as_the_administrator(do, failed_copy, admin_user, account):
    assert do("retry_failed", [failed_copy]) == ["1 tried again."]
    assert Replica.objects.get(pk=failed_copy.replica_id).state == "queued"
    event = Event.objects.get(verb="retried")
    assert (event.actor, event.by_staff, event.account) == (admin_user, True, account)
    assert event.address == "127.0.0.1"
    run_all()
    assert Replica.objects.get(pk=failed_copy.replica_id).state == "ready"


def test_each_replica_is_tried_once(do, failed_copy):
    other = Operation.objects.get(pk=failed_copy.pk)
    other.pk, other.public_id = None, "00000000-0000-4000-8000-000000000001"
    other.save()
    assert do("retry_failed", [failed_copy, other]) == ["1 tried again."]
    assert Event.objects.filter(verb="retried").count() == 1


def test_what_only_the_user_can_send_again_changes_nothing(do, start, admin_user):
    upload = start(4000, name="Broken")
    send(upload, b"x" * 4000)
    run_all()
    operation = Operation.objects.get()
    assert upload.replica.iso.replicas.get().state == "failed"
    before = Event.objects.count()
    assert do("retry_failed", [operation]) == [
        "Broken in zone-a: The file has to be sent again, which only the user can do, by Retry on the ISO’s page."
    ]
    upload.refresh_from_db()
    assert (upload.user.username, upload.replica.state, Event.objects.count()) == ("owner", "failed", before)


def test_cancel_stops_what_is_under_way(do, start, iso_bytes, actor, zone_a, zone_b, admin_user):
    iso = uploaded(start, iso_bytes, zone_a)
    [operation] = copy_to_zones(actor, iso, [zone_b])
    assert do("cancel_unfinished", [operation]) == ["1 cancelled."]
    event = Event.objects.get(verb="cancelled")
    assert (event.actor, event.zone_name) == (admin_user, "zone-b")
    run_all()
    assert [replica.zone for replica in iso.replicas.all()] == [zone_a]


def test_what_can_not_be_done_is_said_and_the_rest_goes_on(do, failed_copy):
    ready = Operation.objects.get(kind="ingest")
    said = do("retry_failed", [ready, failed_copy])
    assert sorted(said) == ["1 tried again.", "Image in zone-a: Only what failed can be tried again."]
    assert "not under way any more" in do("cancel_unfinished", [ready])[0]
    Operation.objects.filter(pk=ready.pk).update(replica=None)
    assert do("retry_failed", [ready]) == ["Image in zone-a: What it worked on is gone."]


def test_whoever_may_only_look_has_no_actions(do, failed_copy):
    account = Account.objects.create(name="Support")
    looker = User.objects.create_user("looker", password="x", account=account, is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_operation"))
    client = Client()
    client.force_login(looker)
    assert client.get(LIST).status_code == 200
    assert not any("tried again" in said for said in do("retry_failed", [failed_copy], client))
    assert Replica.objects.get(pk=failed_copy.replica_id).state == "failed"


def test_the_list_needs_no_more_queries_for_more_rows(admin_client, failed_copy, account, zone_a):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert admin_client.get(LIST).status_code == 200
        return len(captured)

    queries()
    few = queries()
    for number in range(20):
        Operation.objects.create(
            replica=failed_copy.replica, account=account, zone=zone_a, iso_name=str(number), kind="copy", state="failed"
        )
    assert queries() == few
