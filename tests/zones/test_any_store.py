"""What is special about a zone on a backend that the portal knows nothing of."""

import pytest
from django.core.files.storage import FileSystemStorage, InMemoryStorage

from zones.stores.any import AnyStore
from zones.stores.base import ObjectExists, ObjectMissing, StoreError, StoreRefused, StoreUnreachable
from zones.stores.registry import build

KEY = "isos/one/1.iso"


def put(store, key, content, token="put"):
    staged = store.stage(token, key)
    staged.append(content)
    staged.commit()


@pytest.fixture(autouse=True)
def data_directory(settings, tmp_path):
    settings.DATA_DIR = tmp_path / "data"
    return settings.DATA_DIR


def test_a_backend_in_memory_serves_as_a_zone():
    store = build("django.core.files.storage.InMemoryStorage", {})
    assert isinstance(store, AnyStore)
    put(store, KEY, b"content")
    with store.open(KEY, 3) as reader:
        assert reader.read() == b"tent"
    assert [info.key for info in store.list("isos/")] == [KEY]
    assert store.probe().ok
    store.delete(KEY)
    assert list(store.list()) == []


def test_bytes_wait_in_the_spool_and_leave_nothing_there(data_directory, tmp_path):
    store = AnyStore(FileSystemStorage(location=str(tmp_path / "backend")), "place")
    staged = store.stage("token", KEY)
    staged.append(b"content")
    staged.flush()
    assert (data_directory / "spool/place/.staging/token").read_bytes() == b"content"
    staged.commit()
    assert [path for path in (data_directory / "spool").rglob("*") if path.is_file()] == []


class Renaming(InMemoryStorage):
    """A backend that never gives the name it was asked for."""

    def get_available_name(self, name, max_length=None):
        return f"{name}.renamed"


def test_an_object_that_got_another_name_is_taken_back():
    storage = Renaming()
    staged = AnyStore(storage, "renaming").stage("token", KEY)
    staged.append(b"x")
    with pytest.raises(ObjectExists):
        staged.commit()
    assert storage.listdir("isos/one")[1] == []
    staged.abort()


class Halving(InMemoryStorage):
    """A backend that loses bytes without a word."""

    def size(self, name):
        return super().size(name) // 2


def test_an_object_of_another_size_is_taken_back():
    storage = Halving()
    store = AnyStore(storage, "halving")
    staged = store.stage("token", KEY)
    staged.append(b"xxxx")
    with pytest.raises(StoreError) as error:
        staged.commit()
    assert "another number of bytes" in error.value.reason
    assert not storage.exists(KEY)
    assert staged.offset == 4  # nothing that was staged is lost


class Breaking(InMemoryStorage):
    """A backend that breaks in the middle of a save, with a secret in its words."""

    broken = True

    def _save(self, name, content):
        if self.broken:
            super()._save(name, content)
            raise RuntimeError("login failed for user:hunter2")
        return super()._save(name, content)


def test_a_save_that_breaks_leaves_nothing_and_may_be_tried_again():
    storage = Breaking()
    store = AnyStore(storage, "breaking")
    staged = store.stage("token", KEY)
    staged.append(b"content")
    with pytest.raises(StoreError) as error:
        staged.commit()
    assert "hunter2" not in error.value.message + error.value.reason
    assert not storage.exists(KEY)
    storage.broken = False
    staged.commit()
    assert store.size(KEY) == 7


def test_half_a_save_is_hidden_until_it_is_done_again(tmp_path):
    storage = FileSystemStorage(location=str(tmp_path / "backend"))
    store = AnyStore(storage, "half")
    staged = store.stage("token", KEY)
    staged.append(b"content")
    staged.flush()
    store.saving.put(KEY)  # so far came a process that was killed in the save
    (tmp_path / "backend/isos/one").mkdir(parents=True)
    (tmp_path / "backend" / KEY).write_bytes(b"con")
    for look in (store.size, store.open):
        with pytest.raises(ObjectMissing):
            look(KEY)
    assert list(store.list()) == []
    staged.commit()
    assert (tmp_path / "backend" / KEY).read_bytes() == b"content"
    assert store.size(KEY) == 7


def test_aborting_takes_half_a_save_away(tmp_path):
    store = AnyStore(FileSystemStorage(location=str(tmp_path / "backend")), "half")
    staged = store.stage("token", KEY)
    store.saving.put(KEY)
    (tmp_path / "backend/isos/one").mkdir(parents=True)
    (tmp_path / "backend" / KEY).write_bytes(b"con")
    staged.abort()
    assert not (tmp_path / "backend" / KEY).exists()
    assert not store.saving.has(KEY)


def test_a_changed_password_leads_to_the_same_spool():
    entry = ("storages.backends.ftp.FTPStorage", {"location": "ftp://a:b@127.0.0.1:1/"})
    assert build(*entry)._place == build(*entry)._place
    other = build(entry[0], {"location": "ftp://a:b@127.0.0.1:2/"})
    assert other._place != build(*entry)._place


def test_an_unreachable_server_is_told_without_its_password():
    store = build("storages.backends.ftp.FTPStorage", {"location": "ftp://user:hunter2@127.0.0.1:1/"})
    with pytest.raises(StoreUnreachable) as error:
        store.size(KEY)
    assert "hunter2" not in error.value.message + error.value.reason
    assert "hunter2" not in store.probe().message


def test_options_that_the_backend_does_not_know_are_refused():
    with pytest.raises(StoreRefused):
        build("django.core.files.storage.InMemoryStorage", {"no_such": 1})
