"""What the library's tests share: a small real ISO, and uploads that began."""

import io

import pytest
from django.test import Client

from isos.actions.start_upload import NewIso, start_upload
from isos.audit import Actor
from isos.models import Operation
from isos.operations import engine
from isos.operations.receive import receive
from tests import media


@pytest.fixture(scope="session")
def iso_bytes():
    """A small valid ISO image with a boot record, as bytes."""
    return media.hybrid()


@pytest.fixture
def actor(owner):
    return Actor(owner, "192.0.2.7")


@pytest.fixture
def start(actor, zone_a):
    """Start an upload of `size` bytes; what follows are fields of NewIso."""

    def start(size, name="Image", fingerprint="", by=None, **fields):
        new = NewIso(name=name, zone=fields.pop("zone", zone_a), source_name=f"{name}.iso", **fields)
        return start_upload(by or actor, new, size=size, fingerprint=fingerprint)

    return start


@pytest.fixture
def signed_in(owner):
    client = Client()
    client.force_login(owner)
    return client


def send(upload, data, offset=0):
    """The body of one request, as a browser sends it."""
    return receive(upload, offset, io.BytesIO(data).read, len(data), None)


def run_all():
    """Do what the workers would: run operations until none is left to run."""
    for _ in range(50):
        waiting = Operation.objects.filter(state="queued", not_before=None).order_by("id")
        if not waiting:
            return
        for operation in waiting:
            engine.run(operation.pk)
    raise AssertionError("operations keep coming back")
