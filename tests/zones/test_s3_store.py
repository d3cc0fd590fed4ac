"""What is special about a zone in a bucket, tried on a real Ceph."""

import io
import socket
import ssl
import threading
import urllib.request
import uuid
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from botocore.awsrequest import AWSResponse
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.contracts.kits import S3Kit, Spec
from tests.contracts.pattern import pattern
from tests.s3 import client
from tests.tools.proxy import proxy
from zones.stores.base import ObjectMissing, StagedBusy, StoreError, StoreFull, StoreRefused, StoreUnreachable
from zones.stores.s3_ahead import AT_ONCE
from zones.stores.s3_errors import _of_answer
from zones.stores.s3_manifest import ManifestFile
from zones.stores.s3_reader import LAST_WINDOW
from zones.stores.s3_staged import MIB, PART_BYTES, part_bytes

pytestmark = pytest.mark.services
KEY = "isos/one/1.iso"
TOKEN = "token"


@pytest.fixture
def spec(request):
    return S3Kit(request).spec()


@pytest.fixture
def store(spec):
    return spec.open()


@pytest.fixture
def elsewhere(settings, tmp_path):
    """The same store as another machine sees it: without this machine's locks."""

    def move(name):
        settings.DATA_DIR = tmp_path / name

    return move


def changed(spec, **options):
    return Spec(spec.backend, {**spec.options, **options}).open()


def put(store, key, content, token="put"):
    staged = store.stage(token, key)
    staged.append(content)
    staged.commit()


def read(store, key, offset=0):
    with store.open(key, offset) as reader:
        return reader.read()


def uploads(store):
    answer = store.client.list_multipart_uploads(Bucket=store.bucket, Prefix=store.name(""))
    return [upload["UploadId"] for upload in answer.get("Uploads", [])]


# --- errors ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"access_key": "nobody"}, "the access key is not known"),
        ({"secret_key": "wrong-secret"}, "the secret key is wrong"),
        ({"bucket_name": "no-such-bucket"}, "the bucket does not exist"),
    ],
)
def test_wrong_options_are_refused_with_what_to_look_at(spec, options, words):
    store = changed(spec, **options)
    for attempt in (lambda: put(store, KEY, b"x"), lambda: store.stage(TOKEN, KEY), lambda: list(store.list())):
        with pytest.raises(StoreRefused) as error:
            attempt()
        assert words in error.value.reason
    probe = store.probe()
    assert words in probe.message
    for secret in (*options.values(), spec.options["access_key"], spec.options["secret_key"]):
        assert secret not in probe.message + error.value.message


def test_a_clock_that_is_wrong_is_told(spec):
    store = spec.open()
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=2)):
        probe = store.probe()
    assert "the clocks of the portal and the storage differ" in probe.message


def test_a_bucket_is_needed(spec):
    with pytest.raises(StoreRefused) as error:
        changed(spec, bucket_name="")
    assert "bucket_name" in error.value.reason


def test_a_missing_bucket_is_not_a_missing_object(spec):
    with pytest.raises(StoreRefused):
        changed(spec, bucket_name="no-such-bucket").size(KEY)
    with pytest.raises(ObjectMissing):
        spec.open().size(KEY)


@pytest.fixture
def untrusted_tls(tmp_path):
    """A server with a certificate that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "server.pem"
    path.write_bytes(private + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with suppress(OSError), connection:
                    context.wrap_socket(connection, server_side=True).close()

    threading.Thread(target=serve, daemon=True).start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


def test_an_untrusted_certificate_is_refused(spec, untrusted_tls):
    probe = changed(spec, endpoint_url=untrusted_tls).probe()
    assert probe.message == "The storage refuses access: the server's certificate is not trusted."


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("QuotaExceeded", 403, StoreFull),
        ("XMinioStorageFull", 507, StoreFull),
        ("Whatever", 507, StoreFull),
        ("SlowDown", 503, StoreUnreachable),
        ("InternalError", 500, StoreUnreachable),
        ("BadGateway", 502, StoreUnreachable),
        ("TooMany", 429, StoreUnreachable),
        ("ExpiredToken", 400, StoreRefused),
        ("PermanentRedirect", 301, StoreRefused),
        ("Forbidden", 403, StoreRefused),
        ("NoSuchKey", 404, ObjectMissing),
        ("Strange", 400, StoreError),
    ],
)
def test_answers_become_typed_errors(code, status, kind):
    assert type(_of_answer(code, status)) is kind


# --- the upload ------------------------------------------------------------------------


def test_parts_grow_so_that_ten_thousand_reach_the_largest_object():
    assert part_bytes(1) == part_bytes(1000) == PART_BYTES
    assert part_bytes(1001) == 2 * PART_BYTES
    assert max(map(part_bytes, range(1, 10_001))) <= 5 * 1024**3
    always_half = sum(part_bytes(number) // 2 for number in range(1, 10_001))
    assert always_half >= 2 * 1024**4  # flushed at the worst of moments: still 2 TiB


def test_many_parts_and_a_tail_make_one_object(store):
    content = pattern(0, 2 * PART_BYTES + 9 * MIB + 123)
    staged = store.stage(TOKEN, KEY)
    for start in range(0, len(content), 3 * MIB + 1):
        staged.append(content[start : start + 3 * MIB + 1])
    assert staged.flush() == len(content)
    staged.close()
    staged = store.stage(TOKEN, KEY)
    assert staged.offset == len(content)
    staged.append(b"end")
    staged.commit()
    assert read(store, KEY) == content + b"end"
    assert uploads(store) == []


def test_an_empty_object_leaves_no_upload_behind(store):
    put(store, KEY, b"")
    assert read(store, KEY) == b""
    assert uploads(store) == []


def test_an_abort_leaves_no_upload_behind(store):
    staged = store.stage(TOKEN, KEY)
    staged.append(pattern(0, PART_BYTES + 1))
    staged.flush()
    assert len(uploads(store)) == 1
    staged.abort()
    assert uploads(store) == []


def test_an_upload_that_no_note_names_goes_with_the_next_try(store):
    """A process died between the making of the upload and the writing down of its id."""
    staged = store.stage(TOKEN, KEY)
    staged._note.write(replace(staged._note.current, upload_id=""))
    staged.close()
    [lost] = uploads(store)
    staged = store.stage(TOKEN, KEY)
    [mine] = uploads(store)
    assert mine != lost
    staged.append(b"x")
    staged.commit()
    assert read(store, KEY) == b"x"


def test_an_upload_that_was_made_twice_is_there_once(spec, store):
    """The answer to the first request was lost, and the client asked once more."""
    with proxy(spec.options["endpoint_url"]) as network:
        network.lose_answer_to = b"?uploads"
        staged = changed(spec, endpoint_url=network.url).stage(TOKEN, KEY)
        assert network.cuts == 1
        assert uploads(store) == [staged.upload["UploadId"]]
        staged.append(b"x")
        staged.commit()
    assert uploads(store) == []


def test_a_writer_that_is_replaced_while_it_begins_leaves_no_upload(spec, store, elsewhere, monkeypatch):
    """It slept before it made its upload, and woke up when another machine had begun."""
    create, others = store.client.create_multipart_upload, []

    def create_late(**request):
        monkeypatch.setattr(store.client, "create_multipart_upload", create)
        elsewhere("second")
        others.append(spec.open().stage(TOKEN, KEY))
        return create(**request)

    monkeypatch.setattr(store.client, "create_multipart_upload", create_late)
    with pytest.raises(StagedBusy):
        store.stage(TOKEN, KEY)
    [second] = others
    assert uploads(store) == [second.upload["UploadId"]]
    second.append(b"second")
    second.commit()
    assert read(store, KEY) == b"second"
    assert uploads(store) == []


def test_a_note_that_can_not_be_sent_is_a_store_that_is_away(spec):
    with proxy(spec.options["endpoint_url"]) as network:
        staged = changed(spec, endpoint_url=network.url).stage(TOKEN, KEY)
        staged.append(b"less than a part")
        network.go_down()
        with pytest.raises(StoreUnreachable):
            staged.flush()
        staged.close()


def test_a_commit_that_outran_a_crash_is_taken_for_one(store):
    """The upload was completed, the note was not taken away any more."""
    staged = store.stage(TOKEN, KEY)
    staged.append(pattern(0, PART_BYTES))
    staged.flush()
    parts = [{"PartNumber": part.number, "ETag": part.etag} for part in staged._parts]
    store.client.complete_multipart_upload(**staged.upload, MultipartUpload={"Parts": parts})
    staged.close()
    again = store.stage(TOKEN, KEY)
    assert again.committed
    assert again.offset == PART_BYTES
    again.commit()
    assert read(store, KEY) == pattern(0, PART_BYTES)
    assert list(store.list_staged()) == []


def test_an_upload_that_the_bucket_threw_away_begins_anew(store):
    staged = store.stage(TOKEN, KEY)
    staged.append(pattern(0, PART_BYTES + 5))
    staged.flush()
    staged.close()
    [upload_id] = uploads(store)
    store.client.abort_multipart_upload(Bucket=store.bucket, Key=store.name(KEY), UploadId=upload_id)
    staged = store.stage(TOKEN, KEY)
    assert (staged.offset, staged.committed) == (0, False)
    staged.append(b"again")
    staged.commit()
    assert read(store, KEY) == b"again"


def test_parts_that_were_sent_after_the_last_flush_do_not_count(store):
    staged = store.stage(TOKEN, KEY)
    staged.append(pattern(0, 1000))
    staged.flush()
    staged.append(bytes(PART_BYTES))  # sent, never flushed, and other bytes than those that come now
    staged.close()
    staged = store.stage(TOKEN, KEY)
    assert staged.offset == 1000
    staged.append(pattern(1000, PART_BYTES))
    staged.flush()
    staged.close()
    staged = store.stage(TOKEN, KEY)
    assert staged.offset == PART_BYTES + 1000
    staged.append(pattern(PART_BYTES + 1000, 1000))
    staged.commit()
    assert read(store, KEY) == pattern(0, PART_BYTES + 2000)


def test_a_writer_on_another_machine_that_was_given_up_finds_out(store, elsewhere):
    slow = store.stage(TOKEN, KEY)
    slow.append(pattern(0, 1000))
    slow.flush()
    elsewhere("second")
    second = store.stage(TOKEN, KEY)
    assert second.offset == 1000
    slow.append(b"stale")
    for attempt in (slow.flush, slow.commit, slow.abort):
        with pytest.raises(StagedBusy):
            attempt()
    second.append(pattern(1000, 500))
    second.commit()
    assert read(store, KEY) == pattern(0, 1500)
    with pytest.raises(StagedBusy):
        slow.commit()
    elsewhere("first")
    slow.close()
    assert [info.key for info in store.list_staged()] == []


def test_of_two_machines_that_begin_at_once_one_wins(store, elsewhere):
    first = ManifestFile(store.client, store.bucket, store.staging_name(TOKEN), {})
    second = ManifestFile(store.client, store.bucket, store.staging_name(TOKEN), {})
    assert first.read() is None
    assert second.read() is None
    staged = store.stage(TOKEN, KEY)
    with pytest.raises(StagedBusy):
        second.write(replace(staged._note.current, writer="second"))
    staged.abort()


def test_a_part_that_a_stale_writer_sent_again_is_noticed(store):
    staged = store.stage(TOKEN, KEY)
    staged.append(pattern(0, PART_BYTES))
    staged.flush()
    store.client.upload_part(**staged.upload, PartNumber=1, Body=bytes(PART_BYTES))
    staged.close()
    again = store.stage(TOKEN, KEY)
    assert again.offset == 0
    again.abort()


def test_a_failed_part_ends_the_writing_and_keeps_what_was_flushed(spec):
    with proxy(spec.options["endpoint_url"]) as network:
        store = changed(spec, endpoint_url=network.url)
        staged = store.stage(TOKEN, KEY)
        staged.append(pattern(0, 1000))
        staged.flush()
        network.go_down()
        staged.append(pattern(1000, PART_BYTES))
        with pytest.raises(StoreUnreachable):
            staged.flush()
        with pytest.raises(StoreUnreachable):
            staged.append(b"more")
        staged.close()
    assert spec.open().stage(TOKEN, KEY).offset == 1000


@pytest.mark.parametrize("lost", [b"?uploadId=", b"PUT /"])
def test_an_answer_that_is_lost_does_no_harm(spec, lost):
    """The server did it, nobody heard: the client's second try meets its own doing."""
    with proxy(spec.options["endpoint_url"]) as network:
        store = changed(spec, endpoint_url=network.url)
        staged = store.stage(TOKEN, KEY)
        staged.append(b"content")
        staged.flush()
        staged.append(b" and end")
        network.lose_answer_to = lost
        staged.commit()
        assert network.cuts == 1
        assert read(store, KEY) == b"content and end"
        assert list(store.list_staged()) == []


class Body(io.BytesIO):
    def stream(self):
        yield self.read()


@pytest.mark.parametrize("arrived", [True, False])
def test_a_completion_that_a_server_does_not_remember_is_looked_up(spec, store, arrived):
    """Ceph answers a repeated request as it did the first; others say that there is no such upload."""
    staged = store.stage(TOKEN, KEY)
    staged.append(b"content")
    other = changed(spec, region_name="other")  # the same server through another client

    def forget(request, **kwargs):
        upload = {**staged.upload}
        parts = [{"PartNumber": part.number, "ETag": part.etag} for part in staged._parts]
        if arrived:
            other.client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        body = b"<Error><Code>NoSuchUpload</Code></Error>"
        return AWSResponse(request.url, 404, {}, Body(body))

    store.client.meta.events.register_first("before-send.s3.CompleteMultipartUpload", forget)
    try:
        if arrived:
            staged.commit()
            assert read(store, KEY) == b"content"
        else:
            with pytest.raises(ObjectMissing):
                staged.commit()
    finally:
        store.client.meta.events.unregister("before-send.s3.CompleteMultipartUpload", forget)
        staged.close()


def test_staging_is_told_apart_from_what_others_put_there(store):
    store.client.put_object(Bucket=store.bucket, Key=store.staging_name("foreign"), Body=b"not ours")
    assert [(info.key, info.size) for info in store.list_staged()] == [("foreign", 8)]
    with pytest.raises(StoreError):
        store.stage("foreign", KEY)


# --- reading ---------------------------------------------------------------------------


def test_a_connection_that_breaks_is_taken_up_again(spec):
    content = pattern(0, 3_000_000)
    put(spec.open(), KEY, content)
    with proxy(spec.options["endpoint_url"]) as network:
        store = changed(spec, endpoint_url=network.url)
        with store.open(KEY) as reader:
            start = reader.read(10)
            network.cut_answer_after = 100_000
            assert start + reader.read() == content
        assert network.cuts == 1


def test_a_server_that_is_gone_for_good_is_unreachable(spec):
    put(spec.open(), KEY, pattern(0, 1_000_000))
    with proxy(spec.options["endpoint_url"]) as network:
        store = changed(spec, endpoint_url=network.url)
        with store.open(KEY) as reader:
            network.go_down()
            with pytest.raises(StoreUnreachable):
                reader.read()


def test_reading_it_whole_asks_for_several_pieces_at_once(spec):
    content = pattern(0, 60 * MIB + 5)
    put(spec.open(), KEY, content)
    store = changed(spec, region_name="counted")
    seen, together = [], threading.Barrier(AT_ONCE)

    def note(params, **kwargs):
        first, last = params["Range"].removeprefix("bytes=").split("-")
        seen.append(int(last) - int(first) + 1)
        pieces = sum(length > LAST_WINDOW for length in seen)
        if pieces and pieces <= AT_ONCE:
            together.wait(20)  # breaks where they are asked for one after the other

    store.client.meta.events.register("provide-client-params.s3.GetObject", note)
    with store.open(KEY) as reader:
        start = b"".join(reader.read(MIB) for _ in range(7))
        assert sum(length > LAST_WINDOW for length in seen) <= AT_ONCE + 1  # a reader that rests holds no more
        assert start + reader.read() == content
    assert sum(seen) == len(content)  # nothing twice


def test_a_piece_that_breaks_is_asked_for_again(spec):
    content = pattern(0, 80 * MIB)  # of which at most 40 are on their way when the rule is set
    put(spec.open(), KEY, content)
    with proxy(spec.options["endpoint_url"]) as network:
        store = changed(spec, endpoint_url=network.url)
        with store.open(KEY) as reader:
            start = b"".join(reader.read(MIB) for _ in range(7))
            network.cut_answer_after = 10 * MIB
            assert start + reader.read() == content
        assert network.cuts == 1


def test_a_reader_that_read_ahead_still_seeks(store):
    content = pattern(0, 40 * MIB)
    put(store, KEY, content)
    with store.open(KEY) as reader:
        assert reader.read(20 * MIB) == content[: 20 * MIB]
        for place in (100, 30 * MIB, 12 * MIB + 3):
            reader.seek(place)
            assert reader.read(1000) == content[place : place + 1000]
        assert reader.read() == content[12 * MIB + 1003 :]


def test_a_server_that_goes_away_while_reading_ahead_is_unreachable(spec):
    put(spec.open(), KEY, pattern(0, 60 * MIB))
    with proxy(spec.options["endpoint_url"]) as network:
        store = changed(spec, endpoint_url=network.url)
        with store.open(KEY) as reader:
            for _ in range(7):
                reader.read(MIB)
            network.go_down()
            with pytest.raises(StoreUnreachable):
                reader.read()


def test_looking_around_needs_few_requests(store):
    put(store, KEY, pattern(0, 20 * MIB))
    requests = []
    store.client.meta.events.register("before-send.s3.GetObject", lambda **kwargs: requests.append(1))
    with store.open(KEY) as reader:
        for position in range(0, 200_000, 2048):
            reader.seek(position)
            assert reader.read(2048) == pattern(position, 2048)
    assert len(requests) < 20
    requests.clear()
    assert read(store, KEY) == pattern(0, 20 * MIB)
    assert len(requests) < 6


def test_a_download_address_gives_the_file_under_its_name(store):
    put(store, KEY, b"content")
    address = store.download_url(KEY, "Gälaxy – 1.iso", 60)
    assert store.storage.secret_key not in address
    with urllib.request.urlopen(address) as answer:
        assert answer.read() == b"content"
        disposition = answer.headers["Content-Disposition"]
    assert disposition == "attachment; filename*=utf-8''G%C3%A4laxy%20%E2%80%93%201.iso"


def test_a_download_address_ends(store):
    put(store, KEY, b"content")
    with time_machine.travel(datetime.now(UTC) - timedelta(minutes=10)):
        address = store.download_url(KEY, "x.iso", 60)
    with pytest.raises(urllib.request.HTTPError, match="403") as refusal:
        urllib.request.urlopen(address)
    refusal.value.close()


@pytest.mark.parametrize("options", [{"querystring_auth": False}, {"custom_domain": "cdn.example.org"}])
def test_an_address_that_would_never_end_is_not_given(spec, options):
    assert changed(spec, **options).download_url(KEY, "x.iso", 60) is None


# --- copying ---------------------------------------------------------------------------


def test_a_copy_within_the_service_moves_no_bytes_through_the_portal(spec, store):
    content = pattern(0, 70 * MIB)
    put(store, KEY, content)
    target = changed(spec, location=f"other-{uuid.uuid4().hex}")
    sent = []
    target.client.meta.events.register("before-send.s3.UploadPart", lambda **kwargs: sent.append(1))
    staged = target.stage(TOKEN, KEY)
    seen = []
    assert target.copy_from(store, KEY, staged, seen.append)
    staged.commit()
    assert sent == []
    assert seen[-1] == len(content)
    assert read(target, KEY) == content
    target.delete(KEY)


def test_a_copy_goes_on_after_a_tail(store):
    content = pattern(0, 40 * MIB)
    put(store, KEY, content)
    staged = store.stage(TOKEN, "isos/copy/1.iso")
    staged.append(content[:1000])
    staged.flush()
    assert store.copy_from(store, KEY, staged, lambda done: None)
    staged.commit()
    assert read(store, "isos/copy/1.iso") == content


def test_a_copy_that_is_stopped_can_go_on(store):
    content = pattern(0, 20 * MIB)
    put(store, KEY, content)
    staged = store.stage(TOKEN, "isos/copy/1.iso")

    def stop(done):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        store.copy_from(store, KEY, staged, stop)
    staged.close()
    staged = store.stage(TOKEN, "isos/copy/1.iso")
    assert staged.offset == 0
    assert store.copy_from(store, KEY, staged, lambda done: None)
    staged.commit()
    assert read(store, "isos/copy/1.iso") == content


def test_a_copy_that_the_keys_do_not_allow_is_declined(request, spec, store):
    put(store, KEY, b"content")
    kit = S3Kit(request)
    other = kit.full()[0].open()  # another user's bucket
    staged = other.stage(TOKEN, KEY)
    assert other.copy_from(store, KEY, staged, lambda done: None) is False
    assert staged.offset == 0
    staged.abort()


def test_another_service_is_copied_by_streaming(spec, store):
    put(store, KEY, b"content")
    with proxy(spec.options["endpoint_url"]) as network:
        other = changed(spec, endpoint_url=network.url)
        staged = other.stage(TOKEN, "isos/copy/1.iso")
        assert other.copy_from(store, KEY, staged, lambda done: None) is False
        staged.abort()


def test_the_client_is_made_once(spec):
    assert client(spec) is client(spec)
