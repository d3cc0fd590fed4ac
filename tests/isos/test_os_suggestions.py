"""Suggestions: real labels, the administrators' table, osinfo-db beside it."""

import io
import re

import pytest

from isos import inspection, osinfo
from isos.models import OsVersion
from isos.os_suggestions import Suggestion, Traits, suggest
from tests import media

pytestmark = pytest.mark.django_db

INSTALLED = osinfo.DIRECTORIES

# Labels as publishers write them.
LABELS = [
    ("Debian 13.1.0 amd64 n", "debian-13"),
    ("Debian 12.11.0 arm64 1", "debian-12"),
    ("d-live 13.0.0 gn amd64", "debian-13"),
    ("Ubuntu 26.04 LTS amd64", "ubuntu-26-04"),
    ("Ubuntu-Server 24.04.3 LTS amd64", "ubuntu-24-04"),
    ("Kubuntu 24.04.1 LTS amd64", "ubuntu-24-04"),
    ("Ubuntu 22.04.5 LTS amd64", "ubuntu-22-04"),
    ("Fedora-WS-Live-44", "fedora-44"),
    ("Fedora-S-dvd-x86_64-43", "fedora-43"),
    ("Fedora-E-dvd-aarch64-42", "fedora"),
    ("RHEL-10-0-BaseOS-x86_64", "rhel-10"),
    ("RHEL-9-6-0-BaseOS-x86_64", "rhel-9"),
    ("Rocky-10-0-x86_64-dvd", "rocky-10"),
    ("Rocky-9-6-x86_64-dvd", "rocky-9"),
    ("AlmaLinux-10-0-x86_64-dvd", "almalinux-10"),
    ("AlmaLinux-9-6-x86_64-dvd", "almalinux-9"),
    ("CentOS-Stream-10-BaseOS-x86_64", "centos-stream-10"),
    ("CentOS-Stream-9-BaseOS-x86_64", "centos-stream-9"),
    ("OL-9-4-0-BaseOS-x86_64", "oracle-linux-9"),
    ("openSUSE-Leap-15.6-DVD-x86_64710", "opensuse-leap-15"),
    ("openSUSE-Tumbleweed-DVD-x86_6420", "opensuse-tumbleweed"),
    ("SLE-15-SP6-Full-x86_64158.7.001", "sles-15"),
    ("ARCH_202611", "arch"),
    ("alpine-std 3.22.1 x86_64", "alpine"),
    ("Kali Linux amd64 1", "kali"),
    ("nixos-minimal-25.11-x86_64", "nixos"),
    ("Linux Mint 22.2 Cinnamon 64-bit", "linux-mint"),
    ("VOID_LIVE", "void"),
    ("PVE", "proxmox-ve"),
    ("RESCUE1202", "systemrescue"),
    ("15_0_RELEASE_AMD64_CD", "freebsd-15"),
    ("14_3_RELEASE_AMD64_DVD", "freebsd-14"),
    ("OpenBSD/amd64   7.8 Install CD", "openbsd"),
    ("NETBSD_101", "netbsd"),
    ("pfSense", "pfsense"),
    ("OPNSENSE_INSTALL", "opnsense"),
    ("virtio-win-0.1.285", "virtio-win"),
]


@pytest.fixture(autouse=True)
def no_osinfo(monkeypatch):
    """The table alone, whatever the machine has installed; tests of osinfo-db say so."""
    monkeypatch.setattr(osinfo, "DIRECTORIES", ())


@pytest.mark.parametrize(("label", "slug"), LABELS)
def test_labels(label, slug):
    row = OsVersion.objects.get(slug=slug)
    assert suggest(Traits(label)) == Suggestion(row.os_type, row.name, slug)


@pytest.mark.parametrize("label", ["", "CDROM", "ISOIMAGE", "BACKUP_2026", "MY ARCHIVE", "DRACULA"])
def test_labels_that_say_nothing(label):
    assert suggest(Traits(label)) is None


@pytest.mark.parametrize(
    ("traits", "os_type"),
    [
        (Traits("CCCOMA_X64FRE_EN-US_DV9"), "windows"),
        (Traits("SSS_X64FREE_EN-US_DV9", publisher="MICROSOFT CORPORATION"), "windows"),
        (Traits("EXOTIC", application="SOME LINUX INSTALLER"), "linux"),
        (Traits("13_5_RELEASE_AMD64_CD", system="FreeBSD"), "bsd"),
    ],
)
def test_sometimes_only_the_type_is_known(traits, os_type):
    suggestion = suggest(traits)
    assert (suggestion.os_type, suggestion.version_slug) == (os_type, None)


@pytest.mark.parametrize(
    ("file_name", "slug"),
    [
        ("Win11_24H2_English_x64.iso", "windows-11"),
        ("Win10_22H2_German_x64.iso", "windows-10"),
        ("en-us_windows_server_2022_x64_dvd.iso", None),
        ("Windows-Server-2025.iso", "windows-server-2025"),
        ("debian-13.1.0-amd64-netinst.iso", "debian-13"),
    ],
)
def test_a_file_name_helps_where_the_image_is_silent(file_name, slug):
    suggestion = suggest(Traits("CCCOMA_X64FRE_EN-US_DV9", file_name=file_name))
    assert suggestion.version_slug == slug
    assert suggestion.os_type in ("windows", "linux")


def test_the_image_is_believed_before_the_file_name():
    assert suggest(Traits("Debian 13.1.0 amd64 n", file_name="Win11.iso")).version_slug == "debian-13"


def test_administrators_may_add_and_retire():
    OsVersion.objects.filter(slug="debian-13").update(active=False)
    OsVersion.objects.create(os_type="linux", name="House Debian", slug="house", match=r"^debian\b", position=1)
    assert suggest(Traits("Debian 13.1.0 amd64 n")).version_slug == "house"
    OsVersion.objects.filter(slug="house").delete()
    assert suggest(Traits("Debian 13.1.0 amd64 n")) is None


def test_a_pattern_that_is_no_pattern_is_passed_over(caplog):
    OsVersion.objects.create(os_type="linux", name="Broken", slug="broken", match="((", position=1)
    assert suggest(Traits("Debian 13.1.0 amd64 n")).version_slug == "debian-13"
    assert "broken" in caplog.text


def test_every_pattern_compiles_and_fits_its_own_place():
    for row in OsVersion.objects.exclude(match=""):
        re.compile(row.match)
    assert OsVersion.objects.filter(match="").count() == 4


def test_inspection_carries_the_suggestion():
    data = media.iso("Debian 13.1.0 amd64 n")
    found = inspection.inspect(io.BytesIO(data), len(data))
    assert (found.suggested_os_type, found.suggested_os_version) == ("linux", "debian-13")
    assert found.suggested_os_name == "Debian 13"


def test_a_real_image():
    data = media.real(media.IPXE)
    assert inspection.inspect(io.BytesIO(data), len(data)).suggested_os_version == "ipxe"


def test_inspection_asks_with_the_file_name_too():
    data = media.plain()
    found = inspection.inspect(io.BytesIO(data), len(data), file_name="Win11_24H2.iso")
    assert found.suggested_os_version == "windows-11"


# osinfo-db

OS = """<libosinfo version="0.0.1"><os id="http://example.org/{name}">
  <name>{name}</name><family>{family}</family>
  <media arch="x86_64"><iso>{iso}</iso></media>
</os></libosinfo>"""


@pytest.fixture
def database(tmp_path, monkeypatch):
    """A directory of osinfo-db files; returns a function that adds one."""
    monkeypatch.setattr(osinfo, "DIRECTORIES", (tmp_path / "none", tmp_path / "os"))
    osinfo.load.cache_clear()

    def add(name, family, **fields):
        place = tmp_path / "os" / "example.org"
        place.mkdir(parents=True, exist_ok=True)
        iso = "".join(f"<{key.replace('_', '-')}>{value}</{key.replace('_', '-')}>" for key, value in fields.items())
        (place / f"{name}.xml").write_text(OS.format(name=name, family=family, iso=iso))

    yield add
    osinfo.load.cache_clear()


def test_osinfo_knows_what_the_table_does_not(database):
    database("Plan 10", "linux", volume_id="^PLAN_10")
    assert suggest(Traits("PLAN_10_X")) == Suggestion("linux", "Plan 10", None)


def test_osinfo_names_a_row_of_the_table(database):
    OsVersion.objects.create(os_type="windows", name="Windows 7", slug="windows-7")
    database("Microsoft Windows 7", "winnt", volume_id="^GRMC", publisher_id="MICROSOFT CORPORATION")
    traits = Traits("GRMCULXFRER_EN_DVD", publisher="MICROSOFT CORPORATION")
    assert suggest(traits) == Suggestion("windows", "Windows 7", "windows-7")


def test_all_that_osinfo_says_must_agree(database):
    database("Plan 10", "linux", volume_id="^PLAN_10", publisher_id="^BELL$")
    assert suggest(Traits("PLAN_10_X", publisher="LABS")) is None


def test_two_releases_with_one_label_leave_the_type(database):
    database("Microsoft Windows 10", "winnt", volume_id="^CCCOMA")
    database("Microsoft Windows 11", "winnt", volume_id="^CCCOMA")
    assert suggest(Traits("CCCOMA_X64FRE_EN-US_DV9")) == Suggestion("windows", "Windows", None)


def test_the_size_of_the_volume_tells_them_apart(database):
    database("Microsoft Windows 10", "winnt", volume_id="^CCCOMA")
    database("Microsoft Windows 11", "winnt", volume_id="^CCCOMA", volume_size="4096000")
    traits = Traits("CCCOMA_X64FRE_EN-US_DV9", volume_size=4096000)
    assert suggest(traits).version_slug == "windows-11"


def test_a_volume_of_another_size_is_another_image(database):
    database("Plan 10", "linux", volume_id="^PLAN_10", volume_size="4096000")
    assert suggest(Traits("PLAN_10", volume_size=4096000)).name == "Plan 10"
    assert suggest(Traits("PLAN_10", volume_size=2048)) is None


def test_two_types_with_one_label_are_no_suggestion(database):
    database("A", "linux", volume_id="^SAME")
    database("B", "winnt", volume_id="^SAME")
    assert suggest(Traits("SAME")) is None


def test_broken_files_and_patterns_are_passed_over(database, tmp_path):
    database("Bad", "linux", volume_id="((")
    database("Nameless", "linux", publisher_id="^BELL$")
    database("Plan 10", "linux", volume_id="^PLAN_10")
    (tmp_path / "os" / "torn.xml").write_text("<libosinfo><os>")
    assert suggest(Traits("PLAN_10", publisher="BELL")).name == "Plan 10"
    assert suggest(Traits("ELSE", publisher="BELL")) is None


@pytest.mark.skipif(
    not any(directory.is_dir() for directory in INSTALLED), reason="osinfo-db is optional and not installed"
)
def test_the_installed_database(monkeypatch):
    monkeypatch.setattr(osinfo, "DIRECTORIES", INSTALLED)
    assert suggest(Traits("Debian 11.6.0 amd64 n")).name == "Debian 11"
    assert suggest(Traits("13_1_RELEASE_AMD64_CD", system="FreeBSD")).os_type == "bsd"
    windows = suggest(Traits("CCCOMA_X64FREE_EN-US_DV9", publisher="MICROSOFT CORPORATION"))
    assert windows.os_type == "windows"
