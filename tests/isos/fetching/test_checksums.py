"""Digests and checksum files: what is taken for one, and what never is."""

import hashlib

import pytest

from isos.fetching.checksums import Checksum, discover, fetch, find_in, is_address, parse_digest
from isos.fetching.errors import BadChecksum
from tests.isos.fetching.site import File

NAME = "debian-13.iso"
SHA256 = hashlib.sha256(b"iso").hexdigest()
SHA512 = hashlib.sha512(b"iso").hexdigest()
SHA1 = hashlib.sha1(b"iso").hexdigest()
MD5 = hashlib.md5(b"iso").hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()


@pytest.mark.parametrize(
    ("text", "algorithm", "digest"),
    [
        (SHA256, "sha256", SHA256),
        (f"  {SHA256.upper()}\n", "sha256", SHA256),
        (f"sha256:{SHA256}", "sha256", SHA256),
        (f"SHA-256 = {SHA256}", "sha256", SHA256),
        (f"{SHA256}  {NAME}", "sha256", SHA256),
        (f"SHA256 ({NAME}) = {SHA256}", "sha256", SHA256),
        (SHA512, "sha512", SHA512),
        (f"sha-512: {SHA512}", "sha512", SHA512),
        (SHA1, "sha1", SHA1),
        (f"MD5:{MD5}", "md5", MD5),
    ],
)
def test_a_pasted_digest(text, algorithm, digest):
    checksum = parse_digest(text)
    assert checksum == Checksum(algorithm, digest)
    assert checksum.is_weak is (algorithm in ("sha1", "md5"))
    assert parse_digest(str(checksum)) == checksum
    assert len(str(checksum)) <= 140
    assert checksum.new_hash().name == algorithm


@pytest.mark.parametrize("text", ["", "   ", "abc", SHA256[:-1], SHA256 + "0", "g" * 64, "sha256:", NAME, "٠" * 64])
def test_no_digest(text):
    with pytest.raises(BadChecksum, match="64 characters") as error:
        parse_digest(text)
    assert error.value.field == "checksum"


def test_a_digest_of_another_length_than_its_name():
    with pytest.raises(BadChecksum, match="not a SHA-512 checksum: it has the length of a SHA-256"):
        parse_digest(f"sha512:{SHA256}")


def test_addresses():
    assert is_address("https://mirror.example/SHA256SUMS")
    assert not is_address(f"sha256:{SHA256}")


FILES = {
    "SHA256SUMS": f"{OTHER}  other.iso\n{SHA256}  {NAME}\n",
    "binary mark": f"{OTHER} *other.iso\n{SHA256} *{NAME}\n",
    "with folders": f"{OTHER}  ./a/other.iso\n{SHA256}  ./iso-cd/{NAME}\n",
    "one digest alone": f"{SHA256}\n",
    "one line with the name": f"{SHA256}  {NAME}\n",
    "BSD": f"SHA256 (other.iso) = {OTHER}\nSHA256 ({NAME}) = {SHA256}\n",
    "Fedora": f"# {NAME}: 123 bytes\nSHA256 ({NAME}) = {SHA256}\n",
    "signed": f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{SHA256}  {NAME}\n-----BEGIN PGP SIGNATURE-----\n",
    "several algorithms": f"MD5 ({NAME}) = {MD5}\nSHA1 ({NAME}) = {SHA1}\nSHA256 ({NAME}) = {SHA256}\n",
    "Windows lines": f"{OTHER}  other.iso\r\n{SHA256}  {NAME}\r\n",
    "upper case": f"{SHA256.upper()}  {NAME}\n",
}


@pytest.mark.parametrize("case", FILES)
def test_a_checksum_file(case):
    assert find_in(FILES[case], [NAME]) == Checksum("sha256", SHA256)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html><body>404</body></html>",
        f"{SHA256}  other.iso\n",
        f"{SHA256}  {NAME}.sig\n",
        f"{SHA256}  x{NAME}\n",
        f"{SHA256}\n{OTHER}\n",
        f"{SHA256}\n{OTHER}  other.iso\n",
        f"SHA512 ({NAME}) = {SHA256}\n",
        f"{SHA256[:-2]}  {NAME}\n",
    ],
)
def test_a_file_that_says_nothing_of_the_image(text):
    assert find_in(text, [NAME, ""]) is None


def test_another_algorithm_where_there_is_no_better():
    assert find_in(f"{SHA512}  {NAME}\n", [NAME]).algorithm == "sha512"
    assert find_in(f"{MD5}  {NAME}\n", [NAME]).is_weak


def test_a_given_file(fetchers, site):
    site.routes["/sums?key=secret"] = File(FILES["SHA256SUMS"].encode())
    found = fetch(fetchers(site), site.url("/sums?key=secret"), ["wrong.iso", NAME])
    assert found.checksum == Checksum("sha256", SHA256)
    assert found.url == site.url("/sums?key=…")


@pytest.mark.parametrize(
    ("answer", "code", "retryable"),
    [
        (File(b"nothing of use"), "bad_checksum", False),
        (File(b"\0" * 100), "bad_checksum", False),
        (File(b"a line\n" * 200_000), "bad_checksum", False),
        (None, "source_missing", False),
        (lambda request: request.answer(b"", "503 Busy", Retry_After="9"), "source_busy", True),
        (File(b"<!DOCTYPE html><html>sums</html>"), "source_page", False),
    ],
)
def test_a_given_file_that_is_of_no_use(fetchers, site, answer, code, retryable):
    if answer:
        site.routes["/sums"] = answer
    with pytest.raises(BadChecksum) as error:
        fetch(fetchers(site), site.url("/sums"), [NAME])
    assert (error.value.code, error.value.retryable, error.value.field) == (code, retryable, "checksum")
    assert "hecksum" in error.value.message


@pytest.mark.parametrize("where", ["SHA256SUMS", f"{NAME}.sha256", "sha256sum.txt", "CHECKSUM"])
def test_found_beside_the_image(fetchers, site, where):
    site.routes[f"/cd/{where}"] = File(FILES["SHA256SUMS"].encode())
    found = discover(fetchers(site), [site.url(f"/cd/{NAME}")], [NAME])
    assert (found.checksum.digest, found.url) == (SHA256, site.url(f"/cd/{where}"))


def test_found_where_the_redirect_led(fetchers, site):
    site.routes["/real/SHA256SUMS"] = File(FILES["SHA256SUMS"].encode())
    urls = [site.url("/get/latest.iso"), site.url(f"/real/{NAME}")]
    assert discover(fetchers(site), urls, ["latest.iso", NAME]).url == site.url("/real/SHA256SUMS")


def test_nothing_beside_the_image(fetchers, site):
    site.routes["/cd/SHA256SUMS"] = File(f"{OTHER}  other.iso\n".encode())
    site.routes["/cd/CHECKSUM"] = File(f"{MD5}  {NAME}\n".encode())  # nobody asked for a weak one
    assert discover(fetchers(site), [site.url(f"/cd/{NAME}")], [NAME]) is None
    assert len(site.requests) == 5


def test_a_signed_address_has_nothing_beside_it(fetchers, site):
    assert discover(fetchers(site), [site.url(f"/{NAME}?signature=secret"), site.url("/")], [NAME]) is None
    assert site.requests == []


def test_the_search_is_bounded_in_time(fetchers, site, settings):
    settings.IMPORT_CHECKSUM_SECONDS = 0.4
    site.routes["*"] = lambda request: request.wait()
    assert discover(fetchers(site), [site.url(f"/{NAME}")], [NAME]) is None
    assert len(site.requests) == 1
