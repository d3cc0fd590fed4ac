"""What inspection says of BIOS boot, against a real BIOS: QEMU's SeaBIOS tries to start the image."""

import subprocess

import pytest

from isos.inspection import inspect
from tests import media, services

pytestmark = pytest.mark.services
STARTED, REFUSED = "Booting from 0000:7c00", "No bootable device"


def seabios_starts(path):
    """Whether SeaBIOS jumps into the image's boot code; it tells on its debug port."""
    machine = [
        services.qemu_path(), "-accel", "tcg", "-m", "64", "-display", "none", "-nodefaults", "-nic", "none",
        "-no-reboot", "-boot", "d", "-drive", f"file={path},format=raw,media=cdrom,readonly=on",
        "-chardev", "stdio,id=log", "-device", "isa-debugcon,iobase=0x402,chardev=log",
    ]  # fmt: skip
    with subprocess.Popen(machine, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as qemu:
        try:
            verdicts = (line for line in qemu.stdout if STARTED in line or REFUSED in line)
            return STARTED in next(verdicts)
        finally:
            qemu.kill()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["plain", "bios", "uefi", "hybrid", "ipxe", "grub-rescue"])
def test_inspection_and_a_real_bios_agree(tmp_path, name):
    real = {"ipxe": media.IPXE, "grub-rescue": media.GRUB_RESCUE}
    data = media.real(real[name]) if name in real else getattr(media, name)()
    path = media.write(tmp_path / "image.iso", data)
    with path.open("rb") as reader:
        said = inspect(reader, len(data), suggester=None).boot_bios
    assert seabios_starts(path) is said
