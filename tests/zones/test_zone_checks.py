"""What `manage.py check` says about zones."""

import shutil
from io import StringIO

import pytest
from django.conf import settings as django_settings
from django.core.checks import run_checks
from django.core.management import call_command

from zones.checks import check_salts
from zones.health import probe_zone
from zones.models import Zone
from zones.stores import open_store
from zones.stores.base import StoreRefused


def found(**kwargs):
    return {message.id: message for message in run_checks(databases=["default"]) if message.id.startswith("zones.")}


def test_working_zones_are_not_mentioned(zone_a, zone_b):
    assert found() == {}


def test_a_backend_that_is_gone_is_told_with_a_hint(zone_a):
    Zone.objects.update(backend="gone.Backend")
    message = found()["zones.W001"]
    assert "can't be imported" in message.msg
    assert "admin" in message.hint


def test_a_directory_that_is_not_mounted_is_told(zone_a, tmp_path):
    shutil.rmtree(tmp_path / "zone-a")
    assert "does not exist here" in found()["zones.W002"].msg
    Zone.objects.update(state=Zone.State.DISABLED)
    assert found() == {}


def test_an_empty_mount_point_is_told(zone_a, tmp_path):
    (tmp_path / "zone-a/.zone").unlink()
    message = found()["zones.W004"]
    assert str(zone_a.public_id) in message.msg
    assert "mark_zone" in message.hint
    assert not (tmp_path / "zone-a/.zone").exists()


@pytest.fixture
def zone_of_another_key(zone_a):
    zone_a.secret_options = '{"base_url": "hidden"}'
    zone_a.save()
    field = Zone._meta.get_field("secret_options")
    kept = {name: field.__dict__.pop(name) for name in ("keys", "f") if name in field.__dict__}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(django_settings, "SECRET_KEY", "another-key-" * 5)
        yield Zone.objects.get()
    for name in ("keys", "f"):
        field.__dict__.pop(name, None)
    field.__dict__.update(kept)


def test_secrets_of_another_key_are_told_and_refused_without_showing_them(zone_of_another_key):
    zone = zone_of_another_key
    assert "SECRET_KEY_FALLBACKS" in found()["zones.W003"].hint
    with pytest.raises(StoreRefused) as refusal:
        open_store(zone)
    assert "SECRET_KEY" in refusal.value.reason
    assert "gAAAA" not in refusal.value.reason
    assert not probe_zone(zone).ok
    zone.secret_options = '{"base_url": "entered again"}'
    zone.full_clean()


def test_a_missing_variable_is_named_to_administrators_only(zone_a):
    zone_a.options = {"location": "env:NO_SUCH_NAME"}
    with pytest.raises(StoreRefused) as refusal:
        open_store(zone_a)
    assert "NO_SUCH_NAME" in refusal.value.reason
    assert "NO_SUCH_NAME" not in refusal.value.message
    assert "NO_SUCH_NAME" in probe_zone(zone_a).message


@pytest.mark.parametrize("salts", [[], [""], ""])
def test_secrets_need_a_salt(settings, salts):
    settings.SALT_KEY = salts
    assert [message.id for message in check_salts(None)] == ["zones.E001"]


def test_the_command_runs_them(zone_a, tmp_path):
    shutil.rmtree(tmp_path / "zone-a")
    out = StringIO()
    call_command("check", databases=["default"], stderr=out, stdout=out)
    assert "zones.W002" in out.getvalue()
