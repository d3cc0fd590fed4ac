"""Servers that the tests start themselves, and Fetchers that may contact exactly these."""

import sys
from ipaddress import ip_network

import pytest

from isos.actions.import_url import import_url
from isos.actions.start_upload import NewIso
from isos.fetching.guard import Fetcher
from isos.fetching.policy import STANDARD_PORTS, Policy
from isos.operations import receiving
from tests import media
from tests.isos.fetching.importing import PATH
from tests.isos.fetching.site import ADDRESS, Authority, Site, Trap

_connects = None


def _hook(event, arguments):
    if event == "socket.connect" and _connects is not None:
        _connects.append(arguments[1])


sys.addaudithook(_hook)  # can't be taken away again, so it listens only when a test asks


@pytest.fixture
def connects():
    """Every address that this process connects to, or tries to."""
    global _connects
    _connects = []
    yield _connects
    _connects = None


@pytest.fixture
def site():
    site = Site()
    yield site
    site.close()


@pytest.fixture
def trap():
    """What a forbidden connection would reach: 127.0.0.1, and with it 0.0.0.0 and localhost."""
    trap = Trap()
    yield trap
    trap.close()


@pytest.fixture
def trap6():
    try:
        trap = Trap("::1")
    except OSError:
        pytest.skip("This machine has no IPv6.")
    yield trap
    trap.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def tls_sites(authority):
    """Makes HTTPS servers: `make("mirror.example")` has a certificate for that name."""
    sites = []

    def make(*names, days=1):
        sites.append(Site(context=authority.context(*names, days=days)))
        return sites[-1]

    yield make
    for one in sites:
        one.close()


@pytest.fixture
def fetchers():
    """Makes Fetchers that may contact the test's sites: `make(site, names={"host": "127.0.0.2"})`.

    A name may also lead to a Site: then its port, too, is the site's.
    """
    made = []

    def make(*sites, names=None, ports=(), resolver=None, **rules):
        def resolve(host, port):
            place = (names or {})[host]
            if isinstance(place, Site):
                return [(place.host, place.port)]
            return [(each, port) for each in ([place] if isinstance(place, str) else place)]

        rules = {
            "ports": STANDARD_PORTS | {each.port for each in sites} | set(ports),
            "allowed_networks": (ip_network(f"{ADDRESS}/32"),),
            "connect_seconds": 5,
            "read_seconds": 5,
            "head_seconds": 5,
        } | rules
        made.append(Fetcher(Policy(**rules), resolver or resolve))
        return made[-1]

    yield make
    for one in made:
        one.close()


# --- imports from an address to Ready ---


@pytest.fixture
def operator(settings, site, monkeypatch):
    """The operator allows the test's own server; the pauses between connections are short."""
    settings.IMPORT_ALLOWED_NETWORKS = [f"{site.host}/32"]
    settings.IMPORT_PORTS = [site.port]
    settings.IMPORT_READ_SECONDS = 5
    monkeypatch.setattr(receiving, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(receiving, "PROGRESS_BYTES", 1)


@pytest.fixture
def begin(actor, zone_a, site):
    def begin(path=PATH, *, name="Image", by=None, checksum="", size=None, url="", **fields):
        new = NewIso(name=name, zone=fields.pop("zone", zone_a), **fields)
        return import_url(by or actor, new, url=url or site.url(path), checksum=checksum, size=size)

    return begin


@pytest.fixture(scope="session")
def image():
    """Large enough to be cut in pieces, small enough to be quick."""
    return media.iso("FETCHED", bios=True, padding=2_000_000)
