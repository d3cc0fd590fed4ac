"""Who may be contacted. What counts is not the message but that no connection was tried."""

import ipaddress
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isos.fetching.addresses import is_public, may_contact
from isos.fetching.errors import (
    BadAnswer,
    BadUrl,
    Broken,
    FetchError,
    InsecureRedirect,
    NameNotFound,
    RedirectProblem,
    RefusedAddress,
    TimedOut,
    TlsProblem,
    Unreachable,
)
from isos.fetching.guard import MAX_REDIRECTS, Fetcher, resolve
from isos.fetching.policy import Policy
from isos.fetching.urls import redact
from tests.isos.fetching.site import ADDRESS, Site, redirect

# Every one leads, or would lead on some network, to a machine that is nobody's business.
PRIVATE = [
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "168.63.129.16",
    "172.16.0.1",
    "192.0.0.9",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:0.0.0.0",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::127.0.0.1",
    "64:ff9b:1::8.8.8.8",
    "100::1",
    "2001::7f00:1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2002:808:808::",
    "2a00:1450:4001::5efe:127.0.0.1",
    "2a00:1450:4001:0:200:5efe:10.0.0.1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]

# Spellings that some parser takes for an address, and names of this machine.
ODD = [
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7F.1",
    "127.1",
    "127.0.1",
    "0177.0.0.1",
    "127.0.0.0x1",
    "127.000.000.001",
    "0",
    "00",
    "127.0.0.1.",
    "127.0.0.1..",
    "①②⑦.⓪.⓪.①",
    "１２７.0.0.1",
    "127。0。0。1",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "ｌｏｃａｌｈｏｓｔ",
    "anything.localhost",
    "localhost.localdomain",
    "ip6-localhost",
    "[::1%25lo]",
    "[::1%lo]",
    "[fe80::1%25eth0]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::ffff:7f00:0001]",
    "[::ffff:0x7f.1]",
    "%31%32%37.0.0.1",
    "127.0.0.1%00.example.org",
    "user@127.0.0.1",
    "user:secret@127.0.0.1",
    "example.org@127.0.0.1",
    "127.0.0.1\\@example.org",
    "127.0.0.1\t",
    "127.0.0.1 .example.org",
    "",
]


def bracketed(address):
    return f"[{address}]" if ":" in address else address


def refused(connects, act):
    """Nothing is contacted, and what is said is final and tells nothing of what is there."""
    before = len(connects)
    with pytest.raises(FetchError) as error:
        act()
    assert connects[before:] == []
    assert not error.value.retryable
    return error.value


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_written_out(address, fetchers, trap, connects):
    error = refused(connects, lambda: fetchers(ports=[trap.port]).open(f"http://{bracketed(address)}:{trap.port}/"))
    assert isinstance(error, RefusedAddress)
    assert not trap.was_contacted()


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_to_it(address, fetchers, trap, connects):
    fetcher = fetchers(ports=[trap.port], names={"evil.example": address})
    assert isinstance(refused(connects, lambda: fetcher.open(f"http://evil.example:{trap.port}/")), RefusedAddress)
    assert not trap.was_contacted()


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_with_one_good_and_one_bad_answer(address, fetchers, site, trap, connects):
    """The good one is not used either: whoever mixes them means the other."""
    for answers in ([ADDRESS, address], [address, ADDRESS]):
        fetcher = fetchers(site, names={"evil.example": answers})
        refused(connects, lambda fetcher=fetcher: fetcher.open(f"http://evil.example:{site.port}/"))
    assert site.connections == 0


@pytest.mark.parametrize("address", PRIVATE)
def test_a_redirect_to_it(address, fetchers, site, trap, connects):
    site.routes["/"] = redirect(f"http://{bracketed(address)}:{trap.port}/")
    site.routes["/name"] = redirect(f"http://evil.example:{trap.port}/")
    fetcher = fetchers(site, ports=[trap.port], names={"evil.example": address})
    for path in ("/", "/name"):
        with pytest.raises(RefusedAddress):
            fetcher.open(site.url(path))
    assert connects == [(ADDRESS, site.port)] * 2
    assert not trap.was_contacted()


@pytest.mark.parametrize("host", ODD)
def test_an_odd_spelling_written_out(host, trap, connects):
    """With the system's own resolver, which knows all these spellings."""
    with Fetcher(Policy(ports=frozenset({trap.port}))) as fetcher:
        refused(connects, lambda: fetcher.open(f"http://{host}:{trap.port}/"))
    assert not trap.was_contacted()


@pytest.mark.parametrize("host", ODD)
def test_a_redirect_to_an_odd_spelling(host, site, trap, connects):
    site.routes["/"] = lambda request: request.send(
        f"HTTP/1.1 302 Found\r\nLocation: http://{host}:{trap.port}/\r\nContent-Length: 0\r\n\r\n".encode()
    )
    rules = Policy(ports=frozenset({trap.port, site.port}), allowed_networks=(ipaddress.ip_network(f"{ADDRESS}/32"),))
    with Fetcher(rules) as fetcher, pytest.raises(FetchError):
        fetcher.open(site.url("/"))
    assert connects == [(ADDRESS, site.port)]
    assert not trap.was_contacted()


# All of them are ::1, or this machine's IPv4 loopback inside an IPv6 address, to one parser or another.
LOOPBACK_V6 = [
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::0.0.0.1]",
    "[::1%25lo]",
    "[::1%lo]",
    "[::1%251]",
    "[::1%1]",
    "[::1].",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:0.0.0.0]",
    "six.example",
    "six.example.",
    "SIX.example",
    "ｓｉｘ。example",
]


def v6_loopback(host, port):
    """The test's own DNS: every name is ::1; what the system takes for an address, it is."""
    try:
        return resolve(host, port)
    except OSError:
        return [("::1", port)]


@pytest.mark.parametrize("host", LOOPBACK_V6)
def test_loopback_over_ipv6(host, trap6, connects):
    with Fetcher(Policy(ports=frozenset({trap6.port})), v6_loopback) as fetcher:
        refused(connects, lambda: fetcher.open(f"http://{host}:{trap6.port}/"))
    assert not trap6.was_contacted()


@pytest.mark.parametrize("host", LOOPBACK_V6)
def test_a_redirect_to_loopback_over_ipv6(host, site, trap6, connects):
    answer = f"HTTP/1.1 307 Temporary\r\nLocation: http://{host}:{trap6.port}/\r\nContent-Length: 0\r\n\r\n"
    site.routes["/"] = lambda request: request.send(answer.encode())
    rules = Policy(ports=frozenset({trap6.port, site.port}), allowed_networks=(ipaddress.ip_network(f"{ADDRESS}/32"),))
    with Fetcher(rules, v6_loopback) as fetcher, pytest.raises(FetchError):
        fetcher.open(site.url("/"))
    assert connects == [(ADDRESS, site.port)]
    assert not trap6.was_contacted()


def test_the_ipv6_trap_can_be_contacted(trap6):
    """And by these names: else nothing above would prove anything."""
    rules = Policy(ports=frozenset({trap6.port}), allowed_networks=(ipaddress.ip_network("::1/128"),), read_seconds=0.2)
    for host in ("[::1]", "six.example", "ｓｉｘ。example"):
        with Fetcher(rules, v6_loopback) as fetcher, pytest.raises(TimedOut):
            fetcher.open(f"http://{host}:{trap6.port}/")
        assert trap6.was_contacted()


def test_the_traps_can_be_contacted(fetchers, trap, connects):
    """Else nothing above would prove anything."""
    fetcher = fetchers(ports=[trap.port], allowed_networks=(ipaddress.ip_network("127.0.0.1/32"),), read_seconds=0.2)
    with pytest.raises(TimedOut):
        fetcher.open(f"http://127.0.0.1:{trap.port}/")
    assert connects == [("127.0.0.1", trap.port)]
    assert trap.was_contacted()


def test_an_answer_that_changes_between_check_and_use(fetchers, site, trap, connects):
    """Asked once, and what was answered then is what is contacted."""
    told = [[(ADDRESS, site.port)], [("127.0.0.1", trap.port)]]
    asked = []

    def rebinding(host, port):
        asked.append(host)
        return told[len(asked) - 1]

    site.routes["/"] = lambda request: request.answer(b"fine")
    fetcher = fetchers(site, ports=[trap.port], resolver=rebinding)
    assert fetcher.open(f"http://rebind.example:{site.port}/").status_code == 200
    assert asked == ["rebind.example"]
    with pytest.raises(RefusedAddress):
        fetcher.open(f"http://rebind.example:{site.port}/")
    assert len(asked) == 2
    assert connects == [(ADDRESS, site.port)]
    assert not trap.was_contacted()


def test_what_a_resolver_says_is_not_trusted(fetchers, connects):
    for nonsense in ("localhost", "127.1", "fe80::1%lo", ""):
        fetcher = fetchers(names={"odd.example": [nonsense]})
        refused(connects, lambda fetcher=fetcher: fetcher.open("http://odd.example/"))


def test_the_host_header_is_the_name(fetchers, site):
    site.routes["/"] = lambda request: request.answer(b"")
    fetchers(site, names={"xn--bcher-kva.example": ADDRESS}).open(f"http://Bücher.example.:{site.port}/")
    assert site.requests[0].headers["host"] == f"xn--bcher-kva.example:{site.port}"


# --- ports, schemes, rules of the operator ---


@pytest.mark.parametrize("port", [1, 22, 25, 79, 81, 6379, 8080, 65535])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_other_ports(scheme, port, connects):
    with Fetcher(Policy(), lambda host, port: [("93.184.215.14", port)]) as fetcher:
        assert isinstance(refused(connects, lambda: fetcher.open(f"{scheme}://mirror.example:{port}/")), RefusedAddress)


def test_a_url_without_a_port_counts_with_its_default(connects):
    with Fetcher(Policy(ports=frozenset({443})), lambda host, port: [("93.184.215.14", port)]) as fetcher:
        assert isinstance(refused(connects, lambda: fetcher.open("http://mirror.example/")), RefusedAddress)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://mirror.example/image.iso", "file:///etc/passwd", "gopher://mirror.example/", "data:text/plain,hello",
        "javascript:alert(1)", "//mirror.example/", "mirror.example/image.iso", "http:/mirror.example", "http://",
        "https:mirror.example", "", "http://mirror.example:0/", "http://mirror.example:99999/", "http://[::1",
        "http://mirror.example:80:80/", "http://a..b/", "http://-a.example/", "http://" + "a" * 64 + ".example/",
        "http://mirror.example/\r\nX-Evil: 1", "http://mirror\u2028.example/", "http://ex*mple.org/",
        "http://mirror.example/" + "x" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_web_address(url, connects):
    with Fetcher(Policy()) as fetcher:
        assert isinstance(refused(connects, lambda: fetcher.open(url)), BadUrl)


@pytest.mark.parametrize("url", ["ftp://{}/", "file:///etc/passwd", "gopher://{}/"])
def test_a_redirect_to_another_scheme(url, fetchers, site):
    site.routes["/"] = redirect(url.format(site.host))
    with pytest.raises(BadUrl):
        fetchers(site).open(site.url("/"))


def test_denied_hosts_and_networks(settings, connects):
    settings.IMPORT_DENIED_HOSTS = ["evil.example", "*.Bücher.example", "93.184.0.0/16", "1.1.1.1"]
    policy = Policy.from_settings()
    with Fetcher(policy, lambda host, port: [("93.184.215.14", port)]) as fetcher:
        for host in ("evil.example", "EVIL.example.", "a.b.evil.example", "bücher.example", "www.xn--bcher-kva.example",
                     "innocent.example", "1.1.1.1", "[64:ff9b::1.1.1.1]"):  # fmt: skip
            assert isinstance(refused(connects, lambda host=host: fetcher.open(f"http://{host}/")), RefusedAddress)
    assert policy.denied_hosts == ("evil.example", "xn--bcher-kva.example")


def test_the_operators_networks_from_settings(settings, site):
    site.routes["/"] = lambda request: request.answer(b"mirror")
    settings.IMPORT_ALLOWED_NETWORKS = [f"{ADDRESS}/32"]
    settings.IMPORT_PORTS = [site.port]
    with Fetcher() as fetcher:
        assert fetcher.open(site.url("/")).raw.read() == b"mirror"


@pytest.mark.parametrize(
    ("address", "network", "allowed"),
    [
        ("10.1.2.3", "10.1.0.0/16", True),
        ("10.2.2.3", "10.1.0.0/16", False),
        ("::1", "::1/128", True),
        ("fd00::1", "fd00::/8", True),
        ("::ffff:10.1.2.3", "10.1.0.0/16", False),  # another way to write it is not what was named
        ("64:ff9b::a01:203", "10.1.0.0/16", False),
        ("0.0.0.0", "0.0.0.0/8", False),
        ("224.0.0.1", "224.0.0.0/4", False),
        ("ff02::1", "ff00::/8", False),
        ("::", "::/127", False),
        ("fe80::1%eth0", "fe80::/10", False),
    ],
)
def test_what_an_allowed_network_allows(address, network, allowed):
    assert may_contact(ipaddress.ip_address(address), [ipaddress.ip_network(network)], []) is allowed


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "64:ff9b::8.8.8.8", "2a00:1450::1"])
def test_public_addresses(address):
    assert is_public(ipaddress.ip_address(address))


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_in_every_disguise(inner):
    number = int(inner)
    for disguise in (0, 0xFFFF << 32, 0x64FF9B << 96, 0x64FF9B0001 << 80, (0x20020000 << 96) | number << 80):
        dressed = ipaddress.IPv6Address(disguise | number)
        if not is_public(inner):
            assert not is_public(dressed), dressed
    assert not is_public(ipaddress.IPv6Address((0x2A00 << 112) | 0x5EFE << 32 | number)) or is_public(inner)


# --- redirects ---


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_redirects_are_followed(status, fetchers, site):
    site.routes["/a"] = redirect("b?x=1", status)
    site.routes["/b?x=1"] = redirect(site.url("/c"), status)
    site.routes["/c"] = lambda request: request.answer(b"here")
    response = fetchers(site).open(site.url("/a"), {"Range": "bytes=0-9"})
    assert (response.raw.read(), response.url) == (b"here", site.url("/c"))
    assert [request.headers["range"] for request in site.requests] == ["bytes=0-9"] * 3


@pytest.mark.parametrize(("hops", "fine"), [(MAX_REDIRECTS, True), (MAX_REDIRECTS + 1, False)])
def test_how_many_redirects(hops, fine, fetchers, site):
    for hop in range(hops):
        site.routes[f"/{hop}"] = redirect(f"/{hop + 1}")
    site.routes[f"/{hops}"] = lambda request: request.answer(b"at last")
    if fine:
        assert fetchers(site).open(site.url("/0")).raw.read() == b"at last"
        return
    with pytest.raises(RedirectProblem):
        fetchers(site).open(site.url("/0"))
    assert len(site.requests) == MAX_REDIRECTS + 1


def test_a_chain_of_different_redirects(fetchers, site):
    statuses = ["301 Moved", "302 Found", "307 Temporary", "308 Permanent", "303 See Other"]
    for number, status in enumerate(statuses):
        site.routes[f"/{number}"] = redirect(f"/{number + 1}", status)
    site.routes["/5"] = lambda request: request.answer(b"here")
    assert fetchers(site).open(site.url("/0")).raw.read() == b"here"
    assert site.paths() == [f"/{number}" for number in range(6)]


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_redirect_loops(status, fetchers, site):
    site.routes["/a"] = redirect("/b", status)
    site.routes["/b"] = redirect("/a", status)
    with pytest.raises(RedirectProblem, match="circle"):
        fetchers(site).open(site.url("/a"))
    assert len(site.requests) == 2


def test_never_from_https_to_http(fetchers, site, tls_sites, authority):
    secure = tls_sites(ADDRESS)
    secure.routes["/"] = redirect(site.url("/"))
    secure.routes["/odd"] = redirect(site.url("/").replace("http:", "hTTp:"))
    for path in ("/", "/odd"):
        with pytest.raises(InsecureRedirect):
            fetchers(site, secure, ca_file=str(authority.ca_file)).open(secure.url(path))
    assert site.connections == 0


def test_nothing_is_carried_from_host_to_host(fetchers, site, monkeypatch, tmp_path):
    """No cookies, no credentials of a netrc, no Referer."""
    (tmp_path / "netrc").write_text(f"machine {site.host} login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    other = Site()
    site.routes["/"] = lambda request: request.answer(
        status="302 Found", Location=other.url("/"), Set_Cookie="session=1; Path=/"
    )
    other.routes["/"] = redirect(site.url("/back"))
    site.routes["/back"] = lambda request: request.answer(b"back")
    assert fetchers(site, other).open(site.url("/")).raw.read() == b"back"
    other.close()
    for request in [*site.requests, *other.requests]:
        assert set(request.headers) == {"host", "user-agent", "accept", "accept-encoding", "connection"} - (
            {"connection"} - set(request.headers)
        )
        assert request.headers["accept-encoding"] == "identity"


def test_the_body_of_a_redirect_is_not_read(fetchers, site):
    """requests would read all of it, however long it is."""

    def endless(request):
        request.head("302 Found", Location="/there", Transfer_Encoding="chunked")
        while True:
            request.send(b"10000\r\n" + bytes(65536) + b"\r\n")

    site.routes["/"] = endless
    site.routes["/there"] = lambda request: request.answer(b"there")
    assert fetchers(site).open(site.url("/")).raw.read() == b"there"


# --- the line ---


def test_proxies_of_the_environment_are_ignored(fetchers, site, trap, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{trap.port}")
    site.routes["/"] = lambda request: request.answer(b"direct")
    assert fetchers(site).open(site.url("/")).raw.read() == b"direct"
    assert not trap.was_contacted()


def test_the_operators_proxy(fetchers):
    """It resolves names; addresses that are written out and local names are still refused."""
    proxy = Site("127.0.0.1")
    proxy.routes["*"] = lambda request: request.answer(b"by proxy")
    fetcher = fetchers(proxy=f"http://127.0.0.1:{proxy.port}")
    assert fetcher.open("http://mirror.example/image.iso").raw.read() == b"by proxy"
    assert proxy.paths() == ["http://mirror.example/image.iso"]
    for host in ("127.0.0.1", "10.0.0.1", "[::1]", "localhost", "intranet", "wiki.corp", "metadata.google.internal"):
        with pytest.raises(RefusedAddress):
            fetcher.open(f"http://{host}/")
    assert len(proxy.requests) == 1
    proxy.close()


def test_https_through_the_proxy_is_a_tunnel(fetchers, tls_sites, authority):
    secure = tls_sites("mirror.example")
    secure.routes["/"] = lambda request: request.answer(b"through the tunnel")
    proxy = Site("127.0.0.1")

    def tunnel(request):
        request.send(b"HTTP/1.1 200 Connected\r\n\r\n")
        with socket.create_connection((secure.host, secure.port)) as onward:
            pump(request.line, onward)

    proxy.routes["mirror.example:443"] = tunnel
    fetcher = fetchers(proxy=f"http://127.0.0.1:{proxy.port}", ca_file=str(authority.ca_file))
    assert fetcher.open("https://mirror.example/").raw.read() == b"through the tunnel"
    proxy.close()


def pump(one, other):
    """Carry bytes both ways until both have ended."""
    import selectors

    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while selector.get_map():
            for key, _ in selector.select(10):
                data = key.fileobj.recv(65536)
                if data:
                    key.data.sendall(data)
                else:
                    selector.unregister(key.fileobj)
                    key.data.shutdown(socket.SHUT_WR)


def test_a_proxy_that_is_away(fetchers, trap):
    trap.close()
    with pytest.raises(FetchError) as error:
        fetchers(proxy=f"http://127.0.0.1:{trap.port}").open("http://mirror.example/")
    assert (error.value.code, error.value.retryable) == ("proxy_trouble", True)


def test_tls_checks_the_name_not_the_address(fetchers, tls_sites, authority):
    secure = tls_sites("mirror.example")
    secure.routes["/"] = lambda request: request.answer(b"trusted")
    rules = {"ca_file": str(authority.ca_file), "names": {"mirror.example": secure, "other.example": secure}}
    assert fetchers(secure, **rules).open("https://mirror.example/").raw.read() == b"trusted"
    with pytest.raises(TlsProblem, match=r"other\.example"):
        fetchers(secure, **rules).open("https://other.example/")
    assert len(secure.requests) == 1


def test_tls_of_an_unknown_authority_or_past_its_time(fetchers, tls_sites, authority):
    unknown, old = tls_sites("mirror.example"), tls_sites("mirror.example", days=-1)
    with pytest.raises(TlsProblem):
        fetchers(unknown, names={"mirror.example": unknown}).open("https://mirror.example/")
    with pytest.raises(TlsProblem):
        fetchers(old, names={"mirror.example": old}, ca_file=str(authority.ca_file)).open("https://mirror.example/")
    assert unknown.requests == old.requests == []


def test_plain_http_where_tls_is_expected(fetchers, site):
    with pytest.raises(FetchError) as error:
        fetchers(site).open(site.url("/").replace("http:", "https:"))
    assert error.value.code in ("tls_problem", "source_broken")


def test_names_that_do_not_exist(connects):
    def unknown(host, port):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    with Fetcher(Policy(), unknown) as fetcher:
        assert isinstance(refused(connects, lambda: fetcher.open("http://mirror.exmaple/")), NameNotFound)


def test_a_resolver_that_is_away(connects):
    def away(host, port):
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    with Fetcher(Policy(), away) as fetcher, pytest.raises(Unreachable) as error:
        fetcher.open("http://mirror.example/")
    assert error.value.retryable


def test_the_systems_resolver():
    assert ("127.0.0.1", 80) in resolve("localhost", 80)
    with pytest.raises(OSError):  # noqa: PT011 -- a gaierror, whichever code the system gives
        resolve("does-not-exist.invalid", 80)


def test_nobody_listens(fetchers, trap):
    trap.close()
    fetcher = fetchers(ports=[trap.port], allowed_networks=(ipaddress.ip_network("127.0.0.1/32"),))
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
        fetcher.open(f"http://127.0.0.1:{trap.port}/")


def test_the_next_address_is_tried(fetchers, site, connects):
    """Of a name's addresses one may be down."""
    site.routes["/"] = lambda request: request.answer(b"second")
    fetcher = fetchers(
        site,
        names={"mirror.example": ["127.0.0.3", ADDRESS]},
        allowed_networks=(ipaddress.ip_network("127.0.0.2/31"),),
    )
    assert fetcher.open(f"http://mirror.example:{site.port}/").raw.read() == b"second"
    assert connects == [("127.0.0.3", site.port), (ADDRESS, site.port)]


# --- headers ---


def drip(request, data, pause=0.05):
    for at in range(len(data)):
        request.send(data[at : at + 1])
        request.wait(pause)


HOSTILE = {
    "many headers": lambda request: request.send(
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(500)) + b"\r\n"
    ),
    "one long header": lambda request: request.send(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n"),
    "headers of 40 kB": lambda request: request.send(
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 1000) for n in range(40)) + b"\r\n"
    ),
    "no HTTP": lambda request: request.send(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "two lengths": lambda request: request.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_headers(case, fetchers, site):
    site.routes["/"] = HOSTILE[case]
    with pytest.raises(BadAnswer):
        fetchers(site).open(site.url("/"))


def test_a_server_that_hangs_up(fetchers, site):
    site.routes["/"] = lambda request: None
    with pytest.raises(Broken):
        fetchers(site).open(site.url("/"))


def test_a_silent_server(fetchers, site):
    site.routes["/"] = lambda request: request.wait()
    with pytest.raises(TimedOut):
        fetchers(site, read_seconds=0.3).open(site.url("/"))


@pytest.mark.parametrize("what", [b"HTTP/1.1 200 OK\r\nX: " + b"a" * 3000, b"HTTP/1.1 100 Continue\r\n\r\n" * 200])
def test_headers_that_drip(what, fetchers, site):
    """Each byte comes in time, the whole never would."""
    site.routes["/"] = lambda request: drip(request, what)
    began = time.monotonic()
    with pytest.raises(TimedOut):
        fetchers(site, head_seconds=0.5).open(site.url("/"))
    assert time.monotonic() - began < 10


def test_a_deadline_over_everything(fetchers, site):
    for hop in range(4):
        site.routes[f"/{hop}"] = lambda request, hop=hop: (request.wait(0.3), redirect(f"/{hop + 1}")(request))
    site.routes["/quick"] = lambda request: request.answer(b"quick")
    fetcher = fetchers(site)
    with pytest.raises(TimedOut), fetcher.deadline(0.5):
        fetcher.open(site.url("/0"))
    assert fetcher.open(site.url("/quick")).raw.read() == b"quick"  # it is over with the block


# --- what is shown ---


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://mirror.example/a/b.iso", "https://mirror.example/a/b.iso"),
        ("https://user:secret@mirror.example:8443/b.iso", "https://mirror.example:8443/b.iso"),
        ("https://b.s3.amazonaws.com/k?X-Amz-Signature=abc&X-Amz-Date=1", "https://b.s3.amazonaws.com/k?X-Amz-Signature=…&X-Amz-Date=…"),
        ("https://mirror.example/?secrettoken", "https://mirror.example/?…"),
        ("https://mirror.example/?a=1&bare", "https://mirror.example/?a=…&…"),
        ("https://mirror.example/?c2VjcmV0dG9rZW4=", "https://mirror.example/?…"),
        ("https://mirror.example/?abc&xabc=1", "https://mirror.example/?…&xabc=…"),
        ("https://mirror.example/a;jsessionid=secret;v=1/b.iso", "https://mirror.example/a;jsessionid=…;v=…/b.iso"),
        ("https://mirror.example/x#secret", "https://mirror.example/x"),
        ("https://mirr\u043er.example/Übung.iso", "https://xn--mirrr-mye.example/Übung.iso"),
        ("https://mirror.example/\u202eosi.a b\u200b", "https://mirror.example/%E2%80%AEosi.a%20b%E2%80%8B"),
        ("https://[2001:db8::1]:8080/x", "https://[2001:db8::1]:8080/x"),
        ("http://[broken", "…"),
        ("no address at all secret", "…"),
    ],
)  # fmt: skip
def test_redacted(url, shown):
    assert redact(url) == shown
