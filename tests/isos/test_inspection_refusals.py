"""What is no ISO image, or not only one: every kind with the sentence that fits it."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import pytest

from isos.errors import ContentRefused, DangerousFormat, NotAnIso
from isos.inspection import HEAD_BYTES, check_head, inspect
from isos.inspection.signatures import disk_formats
from tests import media


def archived(kind):
    out, image = io.BytesIO(), media.plain()
    if kind == "zip":
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("a.iso", image)
    elif kind == "tar":
        with tarfile.open(fileobj=out, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("a.iso"))
    else:
        return {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}[kind](image)
    return out.getvalue()


def program():
    return Path("/proc/self/exe").read_bytes()[:HEAD_BYTES]


REFUSED = [
    (media.QCOW2, "a QCOW2 disk image"),
    (media.QED, "a QED disk image"),
    (media.VHD, "a VHD disk image"),
    (media.VHDX, "a VHDX disk image"),
    (media.VMDK_SPARSE, "a VMDK disk image"),
    (media.VMDK_TEXT, "a VMDK disk image"),
    (media.VDI, "a VDI disk image"),
    (media.VDI_NO_TEXT, "a VDI disk image"),
    (media.LUKS, r"an encrypted \(LUKS\) disk image"),
    (media.WINDOWS_PROGRAM, r"a Windows program \(\.exe\)"),
    (b"MZ" + bytes(600), r"a Windows program \(\.exe\)"),
    (media.WEB_PAGE, "a web page.*direct link"),
    (b"\xef\xbb\xbf<HTML lang=en>", "a web page"),
    (b"<!-- hello -->\n<!doctype html>", "a web page"),
    (b"<?xml version='1.0'?><Error/>", "an XML document"),
    (media.RAW_DISK, "a raw disk image"),
    (bytes(3) + b"NTFS    " + bytes(600), "a raw disk image"),
    (bytes(0x438) + b"\x53\xef" + bytes(3000), "a raw disk image"),
    (bytes(HEAD_BYTES), "an empty disk"),
    (b"", "an empty file"),
    (b"\x00" + b"\xff" * 10 + b"\x00" + bytes(3000), "a raw CD dump"),
    (b"#!/bin/sh\necho\n", "a script"),
    (b"%PDF-1.7\n", "a PDF document"),
    (b"a  debian.iso\n", "a text file"),
    ("Ünïcödé …".encode() * 1000, "a text file"),
    (b"d8:announce35:http://example.org", "a torrent file"),
    (b"MSWIM\0\0\0" + bytes(100), "a Windows imaging file"),
]


@pytest.mark.parametrize(("data", "sentence"), REFUSED, ids=[sentence for _, sentence in REFUSED])
def test_it_says_what_a_file_looks_like(data, sentence):
    with pytest.raises(NotAnIso, match=f"This looks like {sentence}") as refused:
        check_head(data, whole=True)
    assert refused.value.code == "not_an_iso"


LONGER = [(data, sentence) for data, sentence in REFUSED if data and sentence != "a text file"]


@pytest.mark.parametrize(("data", "sentence"), LONGER, ids=[sentence for _, sentence in LONGER])
def test_it_says_so_of_the_first_bytes_of_a_big_file(data, sentence):
    with pytest.raises(NotAnIso, match=f"This looks like {sentence}"):
        check_head(data.ljust(HEAD_BYTES, b"\0"))


@pytest.mark.parametrize("kind", ["gz", "xz", "bz2", "zip", "tar"])
def test_archives_are_to_be_unpacked(kind):
    with pytest.raises(NotAnIso, match=r"archive.*Unpack it first"):
        check_head(archived(kind)[:HEAD_BYTES], whole=True)


def test_programs():
    with pytest.raises(NotAnIso, match="a Linux program"):
        check_head(program())


def test_udf_alone_is_refused():
    """As optical discs for video are, and a few installers."""
    data = bytearray(HEAD_BYTES)
    for sector, mark in ((16, b"BEA01"), (17, b"NSR02"), (18, b"TEA01")):
        data[sector * 2048 + 1 : sector * 2048 + 6] = mark
    with pytest.raises(NotAnIso, match="a UDF disc without the ISO 9660 part"):
        check_head(bytes(data))


def test_too_few_bytes_are_no_verdict_yet():
    assert check_head(b"").volume is None
    assert check_head(media.plain()[:20_000]).volume is None


def test_too_few_bytes_may_be_enough_to_refuse():
    with pytest.raises(NotAnIso, match="a web page"):
        check_head(media.WEB_PAGE)


def test_a_head_tells_label_and_size():
    volume = check_head(media.udf_bridge()[:HEAD_BYTES]).volume
    assert (volume.label, volume.size) == ("BRIDGE", 571_392)


@pytest.mark.parametrize("kind", media.DISKS)
def test_a_disk_that_is_also_an_iso_is_dangerous(kind):
    with pytest.raises(DangerousFormat, match=r"an ISO image and an? .* disk image at once") as refused:
        check_head(media.polyglot(media.DISKS[kind])[:HEAD_BYTES])
    assert refused.value.code == "dangerous_format"


@pytest.mark.parametrize("start", [media.WEB_PAGE, media.WINDOWS_PROGRAM, archived("gz")[:900], b"%PDF-1.4"])
def test_any_other_second_nature_is_dangerous(start):
    with pytest.raises(DangerousFormat):
        check_head(media.polyglot(start)[:HEAD_BYTES])


VMDK_VARIANTS = [
    media.VMDK_TEXT[:140],  # too short for oslo.utils' inspector to see it as text
    b"# comment\n\n# Disk DescriptorFile\nversion=1\n",
    b"version=3\n",
    b"#x\r\nversion=2\r\n",
    b"\n  \nversion=1\nparentFileNameHint=/etc/passwd\n",
    media.VMDK_TEXT + "ü".encode() * 400,  # over which oslo.utils' inspector stumbles
]


@pytest.mark.parametrize("text", VMDK_VARIANTS)
def test_descriptors_that_qemu_would_take_for_a_vmdk(text):
    with pytest.raises(DangerousFormat, match="VMDK"):
        check_head(media.polyglot(text)[:HEAD_BYTES])


@pytest.mark.parametrize("kind", media.DISKS)
@pytest.mark.parametrize("make", [lambda start: start.ljust(HEAD_BYTES, b"\0"), media.polyglot])
def test_whatever_oslo_recognises_is_refused_here_too(kind, make):
    """The two judges agree: all that oslo.utils calls a disk never passes, nor did it before."""
    data = make(media.DISKS[kind])[:HEAD_BYTES]
    assert disk_formats(data) - {"iso", "gpt"}
    with pytest.raises(ContentRefused):
        check_head(data)


def test_oslo_sees_nothing_but_iso_and_gpt_in_good_images():
    images = [make() for make in media.ALL.values()] + [media.real(media.IPXE), media.real(media.GRUB_RESCUE)]
    seen = [disk_formats(data[:HEAD_BYTES]) for data in images]
    assert all(formats in ({"iso"}, {"iso", "gpt"}) for formats in seen)
    assert {"iso", "gpt"} in seen


@pytest.mark.parametrize(
    "boot_code", [b"ER\x08\x00", b"\x33\xed" + b"\x90" * 30, b"\xeb\x63\x90", b"MZ\x90\x00", b"PowerPC"]
)
def test_boot_code_of_any_kind_may_stand_before_an_iso(boot_code):
    assert check_head(media.polyglot(boot_code)[:HEAD_BYTES]).volume.label == "PLAIN"


@pytest.mark.parametrize("size", [0, 1, 511, 32_768, 32_774, 34_815, 34_816])
def test_files_cut_before_any_content(size):
    data = media.plain()[:size]
    with pytest.raises(ContentRefused):
        inspect(io.BytesIO(data), size, suggester=None)


def test_every_sentence_is_whole():
    for data, _ in REFUSED:
        with pytest.raises(NotAnIso) as refused:
            check_head(data, whole=True)
        assert refused.value.message[0].isupper()
        assert refused.value.message.endswith(".")
        assert refused.value.retryable is False
