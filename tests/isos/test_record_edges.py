"""Edges of the trail and of notices: what must be written down, what must not be told."""

from datetime import timedelta

from django.core import mail as outbox
from django.urls import reverse
from django.utils import timezone

from isos import mail
from isos.audit import Actor, record
from isos.models import Event, Notice, NoticeChoice
from quotas.models import QuotaLimit
from tests.factories import make_iso, make_version

V = Event.Verb


def test_the_last_of_all_days_is_a_day(client, owner):
    client.force_login(owner)
    assert client.get("/activity/?last_day=9999-12-31").status_code < 500


def test_a_users_former_account_is_not_named_to_the_new_one(admin_client, owner, client, stranger):
    form = admin_client.get(reverse("admin:accounts_user_change", args=[owner.pk])).context["adminform"].form
    data = {k: (form.initial.get(k) or "") for k in form.fields if k not in ("password", "groups", "user_permissions")}
    data |= {"emailaddress_set-TOTAL_FORMS": 0}
    data = {k: v for k, v in data.items() if isinstance(v, (str, int)) and v is not False}
    data["account"] = stranger.account_id
    for k in ("date_joined", "last_login"):
        data[k + "_0"], data[k + "_1"] = ("2026-01-01", "10:00:00")
    response = admin_client.post(reverse("admin:accounts_user_change", args=[owner.pk]), data)
    assert response.status_code == 302
    assert Event.objects.filter(verb="set", account=None, data__field="account", data__before="Demo").exists()
    client.force_login(stranger)
    assert "Demo" not in client.get("/activity/").content.decode()


def test_limits_set_on_their_own_page_are_written_down(admin_client, account):
    response = admin_client.post(
        reverse("admin:quotas_quotalimit_add"),
        {
            "account": account.pk,
            "max_isos": "5",
            "max_bytes": "",
            "max_iso_bytes": "",
            "max_uploads": "",
        },
    )
    assert response.status_code == 302
    assert QuotaLimit.objects.count() == 1
    assert Event.objects.filter(verb="set").count() >= 1


def test_mail_that_is_due_is_not_sent_any_more_when_it_is_turned_off(settings, account, owner, zone_a, client):
    settings.MAIL_WORKS, settings.MAIL_AFTER_SECONDS = True, 0
    NoticeChoice.objects.create(user=owner, by_mail=True)
    iso = make_iso(account, {zone_a: "ready"}, "Debian", user=owner)
    record(V.UPLOAD_STARTED, iso, Actor(owner), zone=zone_a)
    record(V.READY, iso, zone=zone_a)
    Notice.objects.update(mail_at=timezone.now() - timedelta(seconds=1))
    client.force_login(owner)
    client.post(reverse("record:choice"), {})
    assert not NoticeChoice.objects.get().by_mail
    mail.send_to(owner.pk)
    assert not outbox.outbox


def test_an_os_version_is_named_before_and_after(admin_client, account, owner, zone_a):
    old, new = make_version("Debian 12", "d12"), make_version("Debian 13", "d13")
    iso = make_iso(account, {zone_a: "ready"}, "Debian", user=owner, os_version=old)
    response = admin_client.post(
        reverse("admin:isos_iso_change", args=[iso.pk]),
        {
            "name": "Debian",
            "description": "",
            "os_type": "linux",
            "os_version": new.pk,
            "replicas-TOTAL_FORMS": 0,
            "replicas-INITIAL_FORMS": 0,
        },
    )
    assert response.status_code == 302
    event = Event.objects.filter(verb="edited").get()
    assert (event.data["before"], event.data["after"]) == ("Debian 12", "Debian 13")
