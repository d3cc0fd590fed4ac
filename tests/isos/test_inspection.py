"""What inspection finds in real images, whoever wrote them."""

import io
import json
import struct
from datetime import UTC, datetime

import pycdlib
import pytest

from isos import inspection
from isos.errors import DangerousFormat, NotAnIso, Truncated
from isos.inspection.report import label_processors
from isos.inspection.volume import parse_date
from tests import media

EFI_BOOT = {"EFI/BOOT/BOOTX64.EFI": b"MZ", "EFI/BOOT/BOOTIA32.EFI": b"MZ"}


def look(data):
    return inspection.inspect(io.BytesIO(data), len(data), suggester=None)


@pytest.mark.parametrize(
    ("kind", "bios", "uefi", "hybrid", "udf", "processors"),
    [
        ("plain", False, False, False, False, []),
        ("bios", True, False, False, False, []),
        ("uefi", False, True, False, False, ["x86_64"]),
        ("hybrid", True, True, True, False, ["x86_64"]),
        ("udf_bridge", True, False, False, True, []),
    ],
)
def test_images_of_every_kind(kind, bios, uefi, hybrid, udf, processors):
    data = media.ALL[kind]()
    found = look(data)
    assert (found.boot_bios, found.boot_uefi, found.hybrid, found.udf) == (bios, uefi, hybrid, udf)
    assert found.architectures == processors
    assert found.bootable is (bios or uefi)
    assert found.complete is True
    assert found.file_size == len(data)


def test_texts_and_time():
    found = look(media.iso("Debian 13.1.0 amd64 n", publisher="THE PUBLISHER", application="THE APPLICATION"))
    assert found.volume_label == "Debian 13.1.0 amd64 n"
    assert found.publisher == "THE PUBLISHER"
    assert found.application == "THE APPLICATION"
    assert found.architectures == ["x86_64"]
    age = datetime.now(UTC) - datetime.fromisoformat(found.created)
    assert abs(age.total_seconds()) < 600


def test_it_can_be_stored_as_json():
    stored = look(media.hybrid()).as_json()
    assert json.loads(json.dumps(stored)) == stored
    assert stored["boot_uefi"] is True
    assert stored["volume_label"] == "HYBRID"


def test_the_size_that_the_volume_claims_is_pycdlibs():
    for make in media.ALL.values():
        image = pycdlib.PyCdlib()
        image.open_fp(io.BytesIO(make()))
        assert look(make()).volume_size == image.pvd.space_size * 2048
        image.close()


def test_ipxe():
    found = look(media.real(media.IPXE))
    assert (found.boot_bios, found.boot_uefi, found.hybrid) == (True, True, True)
    assert found.publisher == "HTTP://IPXE.ORG/"
    assert found.architectures == ["x86_64"]  # only a FAT image inside says so
    assert found.volume_size < found.file_size  # padding behind the volume is normal


def test_grub_rescue():
    found = look(media.real(media.GRUB_RESCUE))
    assert (found.boot_bios, found.boot_uefi, found.hybrid) == (True, False, True)
    assert found.volume_size == found.file_size


@pytest.mark.parametrize(
    ("arguments", "found_in"),
    [
        ([], "upper-case names of ISO 9660"),
        (["-R"], "Rock Ridge"),
        (["-J"], "Joliet"),
        (["-R", "-J"], "both"),
        (["-iso-level", "3", "-R"], "level 3"),
    ],
)
def test_processors_are_found_in_trees_that_xorriso_writes(arguments, found_in):
    assert look(media.xorriso(*arguments, files=EFI_BOOT)).architectures == ["x86_64", "i386"]


@pytest.mark.parametrize("arguments", [[], ["-R"], ["-J"]])
@pytest.mark.parametrize(
    ("name", "processor"),
    [("bootriscv64.efi", "riscv64"), ("BOOTAA64.EFI", "aarch64"), ("bootloongarch64.efi", "loongarch64")],
)
def test_file_names_in_either_case_and_longer_than_eight(arguments, name, processor):
    assert look(media.xorriso(*arguments, files={f"efi/boot/{name}": b"MZ"})).architectures == [processor]


def test_a_joliet_tree_is_asked_where_iso_9660_hides_the_files():
    data = bytearray(media.iso("J", efi_files=("BOOTAA64.EFI",), rock_ridge=False))
    hidden = data.replace(b"\x03EFI", b"\x03XXX")
    assert len(hidden) == len(data)
    assert hidden != data
    assert look(bytes(hidden)).architectures == ["aarch64"]


def test_a_directory_of_many_sectors():
    files = {f"AAAA{number:04}": b"." for number in range(300)} | EFI_BOOT  # sorted: /EFI comes last
    assert look(media.xorriso("-R", files=files)).architectures == ["x86_64", "i386"]


def test_uefi_first_in_the_catalogue():
    """ARM images boot by UEFI alone: their initial entry is one of platform 0xEF."""
    found = look(
        media.xorriso("-R", "-e", "efi.img", "-no-emul-boot", files={"efi.img": media.fat_image(("BOOTAA64.EFI",))})
    )
    assert (found.boot_bios, found.boot_uefi, found.architectures) == (False, True, ["aarch64"])


@pytest.mark.parametrize(
    ("label", "processors"),
    [
        ("Ubuntu 24.04.1 LTS amd64", ["x86_64"]),
        ("Fedora-S-dvd-x86_64-43", ["x86_64"]),
        ("alpine-std 3.22.0 aarch64", ["aarch64"]),
        ("CCCOMA_X64FRE_EN-US_DV9", ["x86_64"]),
        ("CCCOMA_A64FRE_EN-US_DV9", ["aarch64"]),
        ("CCSA_X86FRE_EN-US_DV5", ["i386"]),
        ("14_3_RELEASE_AMD64_CD", ["x86_64"]),
        ("Debian 12.5.0 i386 n", ["i386"]),
        ("OpenBSD/arm64   7.6 Install CD", ["aarch64"]),
        ("openSUSE-Leap-15.6-DVD-x86_64710", ["x86_64"]),
        ("ISOIMAGE", []),
        ("", []),
        ("MARX64K", []),
    ],
)
def test_processors_in_labels(label, processors):
    assert label_processors(label) == processors


@pytest.mark.parametrize(
    ("field", "moment"),
    [
        (b"2026010203040500\x00", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (b"2026010203040500\x04", datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)),
        (b"2026010203040500\xfc", datetime(2026, 1, 2, 4, 4, 5, tzinfo=UTC)),
        (b"0000000000000000\x00", None),
        (b"2026139903040500\x00", None),
        (b"0001010100000000\x34", None),
        (b"2026010203040500\x80", None),
        (b"\xff" * 17, None),
        (b"", None),
    ],
)
def test_dates(field, moment):
    assert parse_date(field) == moment


def test_text_that_a_database_or_terminal_could_choke_on():
    data = bytearray(media.plain())
    data[0x8028:0x8048] = b"A\x00B\x1b[31m\n\xff\xe2\x80\xaeC".ljust(32)
    assert look(bytes(data)).volume_label == "AB[31mC"


# Truncated and damaged images.


@pytest.mark.parametrize("kind", media.ALL)
def test_half_an_image_is_truncated(kind):
    data = media.ALL[kind]()
    size = struct.unpack_from("<I", data, 0x8050)[0] * 2048
    with pytest.raises(Truncated) as refused:
        look(data[: size - 2048])
    assert refused.value.code == "truncated"


def test_a_cut_image_names_both_sizes():
    with pytest.raises(Truncated, match="it needs 571 kB, but the file has 400 kB"):
        look(media.udf_bridge()[:400_000])


def test_a_windows_like_image_is_truncated_where_only_udf_knows_its_size():
    """ISO 9660 is a stub there that describes a few sectors; the files are in UDF."""
    data = bytearray(media.iso("WIN", udf=True, padding=200_000))
    assert look(bytes(data)).udf is True
    media._resize(data, 300)
    assert look(bytes(data)).volume_size == 300 * 2048
    with pytest.raises(Truncated):
        look(bytes(data[:700_000]))


def catalogue_of(data):
    return struct.unpack_from("<I", data, 17 * 2048 + 71)[0]


def test_a_boot_catalogue_behind_the_end_is_truncation():
    data = bytearray(media.bios())
    struct.pack_into("<I", data, 17 * 2048 + 71, 1 << 20)
    with pytest.raises(Truncated):
        look(bytes(data))


def test_a_boot_image_behind_the_end_is_truncation():
    data = bytearray(media.bios())
    struct.pack_into("<I", data, catalogue_of(data) * 2048 + 32 + 8, 0xFFFFFFFF)
    with pytest.raises(Truncated):
        look(bytes(data))


def test_a_cut_in_what_is_appended_behind_the_volume():
    """As distributions append a UEFI partition: the volume's own size says nothing of it."""
    padding = 300 * 2048
    data = bytearray(media.uefi() + bytes(padding))
    entry = catalogue_of(data) * 2048 + 32
    struct.pack_into("<I", data, entry + 8, len(media.uefi()) // 2048)
    struct.pack_into("<H", data, entry + 6, padding // 512)
    assert look(bytes(data)).boot_uefi is True
    with pytest.raises(Truncated):
        look(bytes(data[:-1]))


@pytest.mark.parametrize(("media_type", "count"), [(0, 0), (0, 0xFFFF), (4, 0x7FFF)])
def test_counts_that_mean_nothing_do_not_refuse(media_type, count):
    data = bytearray(media.bios())
    entry = catalogue_of(data) * 2048 + 32
    data[entry + 1] = media_type
    struct.pack_into("<H", data, entry + 6, count)
    assert look(bytes(data)).boot_bios is True


@pytest.mark.parametrize("at", [0, 1, 2, 28, 30, 31])
def test_a_boot_catalogue_with_a_wrong_checksum_boots_nothing(at):
    data = bytearray(media.bios())
    data[catalogue_of(data) * 2048 + at] ^= 0x55
    found = look(bytes(data))
    assert (found.boot_bios, found.boot_uefi) == (False, False)


def test_a_catalogue_that_points_to_itself():
    data = bytearray(media.bios())
    struct.pack_into("<I", data, catalogue_of(data) * 2048 + 32 + 8, catalogue_of(data))
    assert look(bytes(data)).boot_bios is True


def test_entries_that_are_not_bootable_do_not_count():
    data = bytearray(media.bios())
    data[catalogue_of(data) * 2048 + 32] = 0
    assert look(bytes(data)).bootable is False


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (0, b"\x02", "no primary volume descriptor"),
        (6, b"\x02", "no primary volume descriptor"),
        (80, b"\xff", "two copies"),
        (84, b"\xff", "two copies"),
        (120, b"\xff", "two copies"),
        (124, b"\xff", "two copies"),
        (128, b"\x01\x00\x00\x01", "block size"),
        (132, b"\xff", "two copies"),
        (80, bytes(8), "smaller than its own descriptor"),
        (156, b"\x00", "root directory record"),
        (158, b"\xff\xff\xff\x7f\x7f\xff\xff\xff", "outside the volume"),
        (158, bytes(8), "no root directory"),
        (166, bytes(8), "no root directory"),
        (181, b"\x00", "root directory record"),
    ],
)
def test_a_damaged_primary_descriptor_is_refused(at, value, reason):
    data = bytearray(media.plain())
    data[0x8000 + at : 0x8000 + at + len(value)] = value
    with pytest.raises(NotAnIso, match=f"damaged: .*{reason}"):
        look(bytes(data))


def test_a_bare_signature_is_not_enough():
    data = bytearray(200_000)
    data[0x8001:0x8006] = b"CD001"
    with pytest.raises(NotAnIso):
        look(bytes(data))


def test_a_footer_makes_a_disk_of_it():
    with pytest.raises(DangerousFormat, match="VHD"):
        look(media.plain() + b"conectix".ljust(512, b"\0"))
    with pytest.raises(DangerousFormat, match="VHD"):
        look(media.plain() + b"conectix".ljust(511, b"\0"))
