"""The operating systems that a new portal knows. Administrators add, change and retire rows later."""

from django.db import migrations

# (slug, name, icon, what an image of it says). The pattern is searched, ignoring case, in the
# volume label, the publisher and the application, a line each, and at last in the file's name.
# Real labels stand in tests/isos/test_os_suggestions.py. The first pattern that fits wins, in
# this order, so general ones come after particular ones.
LINUX = [
    ("debian-13", "Debian 13", "brand-debian", r"^debian(-live)?[- ]13(?!\d)|^d-live 13\."),
    ("debian-12", "Debian 12", "brand-debian", r"^debian(-live)?[- ]12(?!\d)|^d-live 12\."),
    ("ubuntu-26-04", "Ubuntu 26.04 LTS", "brand-ubuntu", r"ubuntu(-server|-budgie|-mate)?[- ]26\.04"),
    ("ubuntu-24-04", "Ubuntu 24.04 LTS", "brand-ubuntu", r"ubuntu(-server|-budgie|-mate)?[- ]24\.04"),
    ("ubuntu-22-04", "Ubuntu 22.04 LTS", "brand-ubuntu", r"ubuntu(-server|-budgie|-mate)?[- ]22\.04"),
    ("fedora-44", "Fedora 44", "", r"^fedora-.*\b44\b"),
    ("fedora-43", "Fedora 43", "", r"^fedora-.*\b43\b"),
    ("fedora", "Fedora (other version)", "", r"^fedora\b"),
    ("rhel-10", "Red Hat Enterprise Linux 10", "brand-redhat", r"^rhel[-_ ]10(?!\d)"),
    ("rhel-9", "Red Hat Enterprise Linux 9", "brand-redhat", r"^rhel[-_ ]9(?!\d)"),
    ("rocky-10", "Rocky Linux 10", "", r"^rocky\D*[-_ ]10(?!\d)"),
    ("rocky-9", "Rocky Linux 9", "", r"^rocky\D*[-_ ]9(?!\d)"),
    ("almalinux-10", "AlmaLinux 10", "", r"^almalinux\D*[-_ ]10(?!\d)"),
    ("almalinux-9", "AlmaLinux 9", "", r"^almalinux\D*[-_ ]9(?!\d)"),
    ("centos-stream-10", "CentOS Stream 10", "", r"^centos[-_ ]stream[-_ ]10(?!\d)"),
    ("centos-stream-9", "CentOS Stream 9", "", r"^centos[-_ ]stream[-_ ]9(?!\d)"),
    ("oracle-linux-10", "Oracle Linux 10", "", r"^ol-10(?!\d)|^oraclelinux-r10(?!\d)"),
    ("oracle-linux-9", "Oracle Linux 9", "", r"^ol-9(?!\d)|^oraclelinux-r9(?!\d)"),
    ("opensuse-leap-16", "openSUSE Leap 16", "", r"\bleap[-_ ]16(?!\d)"),
    ("opensuse-leap-15", "openSUSE Leap 15", "", r"\bleap[-_ ]15(?!\d)"),
    ("opensuse-tumbleweed", "openSUSE Tumbleweed", "", r"^opensuse[-_ ]tumbleweed"),
    ("sles-16", "SUSE Linux Enterprise Server 16", "", r"^sle[sd]?[-_ ]?16(?!\d)"),
    ("sles-15", "SUSE Linux Enterprise Server 15", "", r"^sle[sd]?[-_ ]?15(?!\d)"),
    ("arch", "Arch Linux", "", r"^arch_\d{6}|^archlinux-"),
    ("alpine", "Alpine Linux", "", r"^alpine-"),
    ("kali", "Kali Linux", "", r"^kali[- ]"),
    ("nixos", "NixOS", "", r"^nixos-"),
    ("linux-mint", "Linux Mint", "", r"^linux ?mint"),
    ("gentoo", "Gentoo", "", r"^gentoo |^install-amd64-minimal-"),
    ("void", "Void Linux", "", r"^void[-_]live"),
    ("proxmox-ve", "Proxmox VE", "", r"^pve$|^proxmox-ve"),
    ("truenas", "TrueNAS", "", r"^truenas"),
    ("systemrescue", "SystemRescue", "", r"^rescue\d{3,4}$|^systemrescue"),
    ("other-linux", "Other Linux", "", ""),
]
WINDOWS = [
    ("windows-11", "Windows 11", "brand-windows", r"\bwin(dows)?[-_ ]?11(?!\d)"),
    ("windows-10", "Windows 10", "brand-windows", r"\bwin(dows)?[-_ ]?10(?!\d)"),
    ("windows-server-2025", "Windows Server 2025", "brand-windows", r"\b(server|ws)[-_ ]?2025"),
    ("windows-server-2022", "Windows Server 2022", "brand-windows", r"\b(server|ws)[-_ ]?2022"),
    ("windows-server-2019", "Windows Server 2019", "brand-windows", r"\b(server|ws)[-_ ]?2019"),
    ("other-windows", "Other Windows", "brand-windows", ""),
]
BSD = [
    ("freebsd-15", "FreeBSD 15", "", r"^15_\d_[a-z]+\d*_|^freebsd-15(?!\d)"),
    ("freebsd-14", "FreeBSD 14", "", r"^14_\d_[a-z]+\d*_|^freebsd-14(?!\d)"),
    ("openbsd", "OpenBSD", "", r"^openbsd\b"),
    ("netbsd", "NetBSD", "", r"^netbsd"),
    ("pfsense", "pfSense", "", r"^(netgate-installer|pfsense)"),
    ("opnsense", "OPNsense", "", r"^opnsense"),
    ("other-bsd", "Other BSD", "", ""),
]
OTHER = [
    ("virtio-win", "VirtIO drivers for Windows", "", r"^virtio-win"),
    ("freedos", "FreeDOS", "", r"^fd\d\d|^freedos"),
    ("ipxe", "iPXE network boot", "", r"\bipxe\.org\b"),
    ("other", "Other", "", ""),
]


def add(apps, schema_editor):
    os_version = apps.get_model("isos", "OsVersion")
    for os_type, rows in (("linux", LINUX), ("windows", WINDOWS), ("bsd", BSD), ("other", OTHER)):
        for number, (slug, name, icon, match) in enumerate(rows, 1):
            os_version.objects.get_or_create(
                slug=slug,
                defaults={"os_type": os_type, "name": name, "icon": icon, "match": match, "position": number * 10},
            )


class Migration(migrations.Migration):
    dependencies = [("isos", "0002_operation_is_doomed")]

    # Undone, the rows stay: images may point to them.
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
