"""What is special about a zone on a directory."""

import errno
import os
import stat

import pytest

from tests.contracts.pattern import pattern
from zones.stores import files
from zones.stores.base import BadKey, ObjectMissing, StagedBusy, StoreError, StoreFull, StoreRefused, StoreUnreachable
from zones.stores.filecopy import STEP
from zones.stores.oserrors import normalised
from zones.stores.registry import build

FILES = "django.core.files.storage.FileSystemStorage"
KEY = "isos/one/1.iso"


def store_at(root, **options):
    root.mkdir(parents=True, exist_ok=True)
    return build(FILES, {"location": str(root), **options})


@pytest.fixture
def store(tmp_path):
    return store_at(tmp_path / "root")


def put(store, key, content, token="put"):
    staged = store.stage(token, key)
    staged.append(content)
    staged.commit()


def test_objects_and_staged_files_lie_where_operators_look_for_them(store, tmp_path):
    staged = store.stage("token", KEY)
    staged.append(b"x")
    assert (tmp_path / "root/.staging/token").read_bytes() == b"x"
    staged.commit()
    assert (tmp_path / "root" / KEY).read_bytes() == b"x"
    assert not list((tmp_path / "root/.staging").iterdir())


def test_the_root_is_never_made(tmp_path):
    store = build(FILES, {"location": str(tmp_path / "not-mounted")})
    with pytest.raises(StoreUnreachable):
        store.stage("token", KEY)
    assert not (tmp_path / "not-mounted").exists()
    assert "not mounted" in store.probe().message


def test_a_root_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreRefused):
        build(FILES, {"location": str(tmp_path / "file")}).size(KEY)


@pytest.mark.parametrize("options", [{}, {"location": "relative/path"}, {"location": ""}])
def test_a_location_that_is_not_absolute_is_refused(options):
    with pytest.raises(StoreRefused, match="refuses"):
        build(FILES, options)


def test_options_that_the_backend_does_not_know_are_refused_without_quoting_them():
    with pytest.raises(StoreRefused) as refusal:
        build(FILES, {"location": "/x", "pasword": "hunter2"})
    assert "hunter2" not in refusal.value.reason + refusal.value.message


@pytest.mark.parametrize("backend", ["no.such.Backend", "json.dumps", "os.PathLike", "nodots"])
def test_what_is_no_storage_backend_is_refused(backend):
    with pytest.raises(StoreRefused):
        build(backend, {})


def test_a_link_inside_the_store_leads_nowhere(store, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.iso").write_bytes(b"secret")
    (tmp_path / "root/isos").symlink_to(outside)
    (tmp_path / "root/plain.iso").symlink_to(outside / "secret.iso")
    for attempt in (
        lambda: store.open("isos/secret.iso"),
        lambda: store.size("isos/secret.iso"),
        lambda: store.delete("isos/secret.iso"),
        lambda: store.open("plain.iso"),
        lambda: store.stage("token", "isos/new.iso").commit(),
    ):
        with pytest.raises(BadKey):
            attempt()
    assert list(store.list()) == []
    assert sorted(path.name for path in outside.iterdir()) == ["secret.iso"]


def test_a_link_in_the_place_of_a_staged_file_is_not_followed(store, tmp_path):
    store.stage("other", KEY).abort()
    (tmp_path / "victim").write_bytes(b"victim")
    (tmp_path / "root/.staging/token").symlink_to(tmp_path / "victim")
    with pytest.raises(BadKey):
        store.stage("token", KEY)
    assert (tmp_path / "victim").read_bytes() == b"victim"


def test_the_root_itself_may_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    put(store_at(tmp_path / "link"), KEY, b"x")
    assert (tmp_path / "disk" / KEY).exists()


def test_directories_and_pipes_are_no_objects(store, tmp_path):
    put(store, KEY, b"x")
    os.mkfifo(tmp_path / "root/isos/one/pipe")
    for key in ("isos/one", "isos/one/pipe"):
        with pytest.raises(ObjectMissing):
            store.open(key)
        with pytest.raises(ObjectMissing):
            store.size(key)
    store.delete("isos/one")
    assert [info.key for info in store.list()] == [KEY]


def test_delete_takes_the_empty_directory_away_but_not_its_neighbours(store, tmp_path):
    for number in (1, 2):
        put(store, f"isos/one/{number}.iso", b"x", f"t{number}")
    store.delete("isos/one/1.iso")
    assert (tmp_path / "root/isos/one").is_dir()
    store.delete("isos/one/2.iso")
    assert [path.name for path in (tmp_path / "root/isos").iterdir()] == []


def test_the_modes_of_the_storage_entry_are_kept(tmp_path):
    store = store_at(tmp_path / "root", file_permissions_mode=0o604, directory_permissions_mode=0o705)
    put(store, KEY, b"x")
    assert stat.S_IMODE((tmp_path / "root" / KEY).stat().st_mode) == 0o604
    assert stat.S_IMODE((tmp_path / "root/isos/one").stat().st_mode) == 0o705


def interfere(monkeypatch, deed):
    """Do something between the opening of a staged file and the lock on it, once."""
    real, done = files.fcntl.flock, []

    def flock(fd, operation):
        if not done:
            done.append(True)
            deed()
        return real(fd, operation)

    monkeypatch.setattr(files.fcntl, "flock", flock)


def test_a_commit_between_open_and_lock_is_noticed(store, tmp_path, monkeypatch):
    store.stage("token", KEY).close()
    root = tmp_path / "root"
    (root / ".staging/token").write_bytes(b"whole")
    (root / "isos/one").mkdir(parents=True)
    interfere(monkeypatch, lambda: (root / ".staging/token").rename(root / KEY))
    staged = store.stage("token", KEY)
    assert staged.committed
    assert staged.offset == 5


def test_an_abort_between_open_and_lock_is_noticed(store, tmp_path, monkeypatch):
    store.stage("token", KEY).close()
    path = tmp_path / "root/.staging/token"
    path.write_bytes(b"old")
    interfere(monkeypatch, path.unlink)
    staged = store.stage("token", KEY)
    staged.append(b"new")
    assert staged.offset == 3
    assert path.read_bytes() == b"new"
    staged.close()


def test_a_commit_just_before_the_staged_file_is_made_is_noticed(store, tmp_path, monkeypatch):
    put(store, KEY, b"whole")
    (tmp_path / "root/.staging/token").touch()  # made by a process that had looked before the commit
    staged = store.stage("token", KEY)
    assert staged.committed
    assert list(store.list_staged()) == []


def test_a_directory_deleted_during_the_commit_is_made_again(store, tmp_path, monkeypatch):
    staged = store.stage("token", KEY)
    staged.append(b"x")
    real, left = os.rename, [3]

    def rename(*args, **kwargs):
        if left[0]:
            left[0] -= 1
            (tmp_path / "root/isos/one").rmdir()
        real(*args, **kwargs)

    monkeypatch.setattr(files.os, "rename", rename)
    staged.commit()
    assert store.size(KEY) == 1


def test_a_failed_commit_may_be_tried_again(store, tmp_path, monkeypatch):
    staged = store.stage("token", KEY)
    staged.append(b"x")
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
        with pytest.raises(StoreUnreachable):
            staged.commit()
    staged.commit()
    assert store.size(KEY) == 1


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, StoreFull),
        (errno.EDQUOT, StoreFull),
        (errno.EROFS, StoreRefused),
        (errno.EACCES, StoreRefused),
        (errno.ENOENT, ObjectMissing),
        (errno.EIO, StoreUnreachable),
        (errno.ESTALE, StoreUnreachable),
        (errno.ENOTCONN, StoreUnreachable),
        (errno.EMFILE, StoreError),
    ],
)
def test_errors_of_the_system_become_typed_ones_without_a_path(number, kind):
    error = normalised(OSError(number, os.strerror(number), "/srv/zone-a/secret-path"))
    assert type(error) is kind
    assert "secret-path" not in error.message + error.reason
    assert errno.errorcode[number] in error.reason


def test_closed_staged_objects_refuse_to_go_on(store):
    staged = store.stage("token", KEY)
    staged.close()
    for attempt in (lambda: staged.append(b"x"), staged.flush, staged.commit, staged.abort):
        with pytest.raises(ValueError, match="closed"):
            attempt()


def test_a_copy_moves_no_bytes_through_python_and_reports_each_step(store, tmp_path):
    size = 2 * STEP + 5
    source, target = store, store_at(tmp_path / "other")
    with open_sparse(tmp_path / "root/big.iso", size) as big:
        big.seek(STEP - 3)
        big.write(pattern(0, 1000))
    staged = target.stage("token", KEY)
    seen = []
    assert target.copy_from(source, "big.iso", staged, seen.append)
    staged.commit()
    assert seen in ([STEP, 2 * STEP, size], [size])  # in steps, or as shared blocks
    with target.open(KEY, STEP - 3) as reader:
        assert reader.read(1000) == pattern(0, 1000)
    assert target.size(KEY) == size


def open_sparse(path, size):
    file = path.open("wb")
    file.truncate(size)
    return file


def test_a_copy_that_is_stopped_keeps_what_it_has(store, tmp_path):
    target = store_at(tmp_path / "other")
    with open_sparse(tmp_path / "root/big.iso", 2 * STEP):
        pass

    def stop(done):
        raise InterruptedError(done)

    staged = target.stage("token", KEY)
    with pytest.raises(InterruptedError):
        target.copy_from(store, "big.iso", staged, stop)
    staged.close()
    assert target.stage("token", KEY).offset in (STEP, 2 * STEP)


def test_a_copy_to_another_file_system_is_whole_or_declined(store, tmp_path, mounts):
    target = store_at(mounts.tmpfs(size=4_000_000))
    put(store, KEY, pattern(0, 1_000_000))
    staged = target.stage("token", KEY)
    if target.copy_from(store, KEY, staged, lambda done: None):
        with staged.open() as reader:
            assert reader.read() == pattern(0, 1_000_000)
    assert staged.offset in (0, 1_000_000)
    staged.abort()


def test_a_copy_to_a_full_disk_says_so(store, tmp_path, mounts):
    target = store_at(mounts.tmpfs(size=500_000))
    put(store, KEY, pattern(0, 1_000_000))
    staged = target.stage("token", KEY)
    with pytest.raises(StoreFull):
        target.copy_from(store, KEY, staged, lambda done: None) or staged.append(pattern(0, 1_000_000))
    staged.abort()


def test_the_probe_tells_the_free_space(tmp_path, mounts):
    probe = store_at(mounts.tmpfs(size=1_048_576)).probe()
    assert probe.ok
    assert 0 < probe.free_bytes <= 1_048_576
    assert "MB free" in probe.message


def test_the_lock_is_let_go_with_the_staged_object(store):
    staged = store.stage("token", KEY)
    with pytest.raises(StagedBusy):
        store.stage("token", KEY)
    staged.close()
    store.stage("token", KEY).abort()
