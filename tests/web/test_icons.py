"""Every icon that code or rows name is in the sprite: a missing one shows nothing and raises nothing."""

import pytest

from isos.models import OsVersion
from isos.views import activity
from portal.assets import CODE_ICONS, OS_ICONS, template_icons
from portal.templatetags import ui


def test_icons_of_operating_systems(db):
    named = set(OsVersion.objects.exclude(icon="").values_list("icon", flat=True)) | set(ui.OS_ICONS.values())
    assert named <= OS_ICONS


def test_icons_of_activity_lines():
    named = {icon for icon, _ in activity._LINES.values()} | {"info-circle"}
    assert named <= CODE_ICONS | template_icons()


@pytest.mark.parametrize(("icon", "taken"), [("brand-debian", True), ("no-such-icon", False)])
def test_admin_offers_only_those(admin_client, icon, taken):
    release = {"name": "New 1", "slug": "new-1", "os_type": "other", "match": "", "position": "0", "active": "on"}
    admin_client.post("/admin/isos/osversion/add/", release | {"icon": icon})
    assert OsVersion.objects.filter(slug="new-1").exists() is taken
