"""Share links and object addresses, and what their sites answer."""

import pytest

from isos.fetching.errors import BadUrl, Busy, Folder, Private, WebPage
from isos.fetching.locations import PrivateObject, PrivateShare, download_address
from isos.fetching.preflight import check
from tests.isos.fetching.site import File, redirect

DRIVE = "https://drive.usercontent.google.com/download"
ID = "1a2B3c4D5e6F7g8H9i0J-kL_mN"

REWRITTEN = {
    f"https://drive.google.com/file/d/{ID}/view?usp=sharing": f"{DRIVE}?id={ID}&export=download&confirm=t",
    f"https://drive.google.com/file/d/{ID}": f"{DRIVE}?id={ID}&export=download&confirm=t",
    f"https://drive.google.com/a/example.org/file/d/{ID}/edit": f"{DRIVE}?id={ID}&export=download&confirm=t",
    f"https://drive.google.com/open?id={ID}": f"{DRIVE}?id={ID}&export=download&confirm=t",
    f"http://docs.google.com/uc?export=download&id={ID}": f"{DRIVE}?id={ID}&export=download&confirm=t",
    f"https://drive.google.com/file/d/{ID}/view?resourcekey=0-abc": (
        f"{DRIVE}?id={ID}&export=download&confirm=t&resourcekey=0-abc"
    ),
    "s3://isos/debian/13.iso": "https://isos.s3.amazonaws.com/debian/13.iso",
    " S3://isos/a b+c%/ü.iso ": "https://isos.s3.amazonaws.com/a%20b%2Bc%25/%C3%BC.iso",
    "s3://my.bucket.eu/x.iso": "https://s3.amazonaws.com/my.bucket.eu/x.iso",
    "https://isos.s3.eu-central-1.amazonaws.com/x.iso": "https://isos.s3.eu-central-1.amazonaws.com/x.iso",
    "https://s3.eu-central-1.amazonaws.com/isos/x.iso": "https://s3.eu-central-1.amazonaws.com/isos/x.iso",
    "https://mirror.example/a.iso#part": "https://mirror.example/a.iso",
    f"https://drive.google.com.evil.example/file/d/{ID}/view": f"https://drive.google.com.evil.example/file/d/{ID}/view",
}


@pytest.mark.parametrize("url", REWRITTEN)
def test_rewritten(url):
    assert download_address(url) == REWRITTEN[url]


@pytest.mark.parametrize(
    "url", ["s3://bucket", "s3://bucket/", "s3://a/x", "s3:///key", "s3://b@d/key", "s3://127.0.0.1:80/x"]
)
def test_no_s3_address(url):
    with pytest.raises(BadUrl, match="s3://"):
        download_address(url)


@pytest.mark.parametrize("url", ["s3://bucket/folder/", "https://drive.google.com/drive/folders/abc?usp=sharing"])
def test_folders(url):
    with pytest.raises(Folder):
        download_address(url)


# Pages as these sites send them, shortened.
SCAN_PAGE = f"""<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head><body>
<p>Google Drive can't scan this file for viruses.</p>
<form id="download-form" action="{DRIVE}" method="get"><input type="submit" value="Download anyway"/>
<input type="hidden" name="id" value="{ID}"><input type="hidden" name="export" value="download">
<input type="hidden" name="confirm" value="t"><input type="hidden" name="uuid" value="1-2&amp;3"></form>
</body></html>"""
QUOTA_PAGE = "<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head><body></body></html>"
SIGN_IN_PAGE = "<!doctype html><html><body><form><input name=p type='password'></form></body></html>"
HOSTS = ("drive.usercontent.google.com", "accounts.google.com", "drive.google.com")


@pytest.fixture
def google(tls_sites, fetchers, authority):
    """Google's hosts as one site of the test's own, with a certificate for their names."""
    site = tls_sites(*HOSTS)
    return site, fetchers(site, names=dict.fromkeys(HOSTS, site), ca_file=str(authority.ca_file))


def page(html, status="200 OK"):
    return lambda request: request.answer(html.encode(), status, Content_Type="text/html; charset=utf-8")


def test_a_share_link_behind_the_virus_scan_page(google, iso_bytes):
    site, fetcher = google
    first = f"/download?id={ID}&export=download&confirm=t"
    site.routes[first] = page(SCAN_PAGE)
    site.routes[f"{first}&uuid=1-2%263"] = File(
        iso_bytes, headers={"Content_Disposition": 'attachment; filename="d.iso"'}
    )
    found = check(f"https://drive.google.com/file/d/{ID}/view", fetcher=fetcher)
    assert (found.name, found.size, found.final_host) == ("d.iso", len(iso_bytes), HOSTS[0])
    assert site.paths() == [first, f"{first}&uuid=1-2%263"]


def test_a_private_share_says_how_to_share_it(google):
    site, fetcher = google
    site.routes["*"] = redirect("https://accounts.google.com/ServiceLogin?continue=x")
    site.routes["/ServiceLogin?continue=x"] = page(SIGN_IN_PAGE)
    with pytest.raises(PrivateShare, match="Anyone with the link"):
        check(f"https://drive.google.com/file/d/{ID}/view", fetcher=fetcher)
    site.routes["*"] = page("<html>no</html>", "403 Forbidden")
    with pytest.raises(PrivateShare):
        check(f"https://drive.google.com/file/d/{ID}/view", fetcher=fetcher)


def test_a_share_that_was_downloaded_too_often(google):
    site, fetcher = google
    site.routes["*"] = page(QUOTA_PAGE)
    with pytest.raises(Busy, match="tomorrow"):
        check(f"https://drive.google.com/file/d/{ID}/view", fetcher=fetcher)


@pytest.mark.parametrize(
    "form",
    ["", '<form id="download-form" action="https://evil.example/"></form>', '<form id="other" action="/x"></form>'],
)
def test_a_drive_page_without_the_download(google, form):
    site, fetcher = google
    site.routes["*"] = page(f"<!DOCTYPE html><html><body>{form}</body></html>")
    with pytest.raises(WebPage):
        check(f"https://drive.google.com/file/d/{ID}/view", fetcher=fetcher)
    assert len(site.requests) == 1


def test_a_scan_page_without_an_end(google):
    site, fetcher = google
    site.routes["*"] = page(SCAN_PAGE)
    with pytest.raises(WebPage):
        check(f"https://drive.google.com/file/d/{ID}/view", fetcher=fetcher)
    assert len(site.requests) == 2


GLOBAL, REGIONAL = "s3.amazonaws.com", "s3.eu-west-1.amazonaws.com"
S3_HOSTS = (f"isos.{GLOBAL}", f"isos.{REGIONAL}", GLOBAL, REGIONAL)


@pytest.fixture
def amazon(tls_sites, fetchers, authority):
    site = tls_sites(*S3_HOSTS)
    return site, fetchers(site, names=dict.fromkeys(S3_HOSTS, site), ca_file=str(authority.ca_file))


@pytest.mark.parametrize(
    ("url", "first", "then"),
    [
        ("s3://isos/x.iso", (f"isos.{GLOBAL}", "/x.iso"), (f"isos.{REGIONAL}", "/x.iso")),
        ("s3://my.isos/x.iso", (GLOBAL, "/my.isos/x.iso"), (REGIONAL, "/my.isos/x.iso")),
    ],
)
def test_a_bucket_of_another_region(amazon, iso_bytes, url, first, then):
    """S3 answers 301 without a Location and names the region in a header."""
    site, fetcher = amazon

    def answer(request):
        if request.headers["host"] == first[0]:
            headers = {"x-amz-bucket-region": "eu-west-1", "Content_Type": "application/xml"}
            request.answer(b"<Error><Code>PermanentRedirect</Code></Error>", "301 Moved Permanently", **headers)
        else:
            File(iso_bytes)(request)

    site.routes["*"] = answer
    assert check(url, fetcher=fetcher).final_host == then[0]
    assert [(request.headers["host"], request.path) for request in site.requests] == [first, then]


def test_a_region_that_is_none_leads_nowhere(amazon):
    site, fetcher = amazon
    site.routes["*"] = lambda request: request.answer(status="301 Moved", **{"x-amz-bucket-region": "evil.example/#"})
    with pytest.raises(Exception, match="HTTP 301"):
        check("s3://isos/x.iso", fetcher=fetcher)
    assert len(site.requests) == 1


def test_a_private_object(amazon):
    site, fetcher = amazon
    site.routes["*"] = lambda request: request.answer(b"<Error/>", "403 Forbidden", Content_Type="application/xml")
    with pytest.raises(PrivateObject, match="presigned"):
        check("s3://isos/x.iso", fetcher=fetcher)
    assert issubclass(PrivateObject, Private)
