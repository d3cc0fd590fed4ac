"""Every test of this directory runs once for each kit."""

import pytest

from tests.contracts.kits import KITS
from tests.contracts.mounts import mounts
from tests.contracts.processes import StoreProcess
from tests.s3 import s3_server

__all__ = ["mounts", "s3_server"]


@pytest.fixture(params=[pytest.param(name, marks=kit.marks) for name, kit in KITS.items()])
def kit(request):
    return KITS[request.param](request)


@pytest.fixture
def store_factory(kit):
    """Opens the same store anew at every call; `to_json()` lets another process do it."""
    return kit.spec()


@pytest.fixture
def store(store_factory):
    return store_factory.open()


@pytest.fixture
def process(store_factory):
    """Starts other processes with the store open; kills what is left of them at the end."""
    running = []

    def start():
        running.append(StoreProcess(store_factory))
        return running[-1]

    yield start
    for each in running:
        each.kill()
