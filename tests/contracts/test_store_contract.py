"""What every store promises, whatever its backend. A store joins in kits.py."""

import threading
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contracts.pattern import pattern
from zones.stores.base import (
    BadKey,
    ObjectExists,
    ObjectMissing,
    StagedBusy,
    StoreFull,
    StoreRefused,
    StoreUnreachable,
)

KEY = "isos/11111111-aaaa/22222222-bbbb.iso"
TOKEN = "22222222-bbbb"


def put(store, key, content, token="put"):
    with closing(store.stage(token, key)) as staged:
        staged.append(content)
        staged.commit()


def read(store, key, offset=0):
    with store.open(key, offset) as reader:
        return reader.read()


def fill_and_commit(staged, size):
    for start in range(0, size, size // 8):
        staged.append(pattern(start, size // 8))
        staged.flush()
    staged.commit()


def keys(store, prefix=""):
    return sorted(info.key for info in store.list(prefix))


def tokens(store):
    return sorted(info.key for info in store.list_staged())


# --- writing and reading ---------------------------------------------------------------


def test_what_was_committed_is_read_back(store, kit):
    content = pattern(0, 3 * kit.unit + 17)
    put(store, KEY, content)
    assert read(store, KEY) == content
    assert store.size(KEY) == len(content)


@pytest.mark.parametrize("offset", [0, 1, 4096, 99_999])
def test_reading_begins_at_any_offset(store, offset):
    put(store, KEY, pattern(0, 100_000))
    assert read(store, KEY, offset) == pattern(offset, 100_000 - offset)


def test_reading_from_the_end_gives_nothing(store):
    put(store, KEY, b"abc")
    assert read(store, KEY, 3) == b""


def test_an_open_reader_reads_in_pieces_and_seeks(store):
    put(store, KEY, pattern(0, 300_000))
    with store.open(KEY) as reader:
        assert reader.read(10) == pattern(0, 10)
        assert reader.seek(200_000) == 200_000
        assert reader.read(70_000) == pattern(200_000, 70_000)
        assert reader.tell() == 270_000
        buffer = bytearray(40_000)
        assert reader.readinto(buffer) == 30_000
        assert reader.seek(-5, 2) == 299_995


def test_an_empty_object_is_an_object(store):
    put(store, KEY, b"")
    assert store.size(KEY) == 0
    assert read(store, KEY) == b""
    assert keys(store) == [KEY]


def test_a_memoryview_is_taken_as_it_is(store):
    staged = store.stage(TOKEN, KEY)
    whole = memoryview(bytearray(pattern(0, 100_000)))
    staged.append(whole[:60_000])
    staged.append(whole[60_000:])
    staged.commit()
    assert read(store, KEY) == pattern(0, 100_000)


def test_the_callers_buffer_may_be_used_again_after_append(store):
    staged = store.stage(TOKEN, KEY)
    buffer = bytearray(b"a" * 1000)
    staged.append(memoryview(buffer))
    buffer[:] = b"b" * 1000
    staged.append(memoryview(buffer))
    staged.commit()
    assert read(store, KEY) == b"a" * 1000 + b"b" * 1000


def test_the_size_that_list_tells_and_the_time(store):
    put(store, KEY, b"x" * 321)
    [info] = store.list()
    assert (info.key, info.size) == (KEY, 321)
    assert info.modified.utcoffset() is not None


# --- staging ---------------------------------------------------------------------------


def test_nothing_is_visible_before_the_commit(store, kit):
    staged = store.stage(TOKEN, KEY)
    staged.append(pattern(0, kit.unit))
    assert staged.flush() == kit.unit
    with pytest.raises(ObjectMissing):
        read(store, KEY)
    with pytest.raises(ObjectMissing):
        store.size(KEY)
    assert keys(store) == []
    assert tokens(store) == [TOKEN]
    staged.commit()
    assert tokens(store) == []
    assert keys(store) == [KEY]


def test_two_tokens_do_not_mix(store):
    one, two = store.stage("one", "isos/a/1.iso"), store.stage("two", "isos/a/2.iso")
    one.append(b"1")
    two.append(b"2")
    assert tokens(store) == ["one", "two"]
    two.abort()
    one.commit()
    assert keys(store) == ["isos/a/1.iso"]
    assert read(store, "isos/a/1.iso") == b"1"


def test_closing_keeps_what_was_flushed(store, kit):
    staged = store.stage(TOKEN, KEY)
    staged.append(pattern(0, kit.unit))
    staged.flush()
    staged.close()
    staged.close()
    again = store.stage(TOKEN, KEY)
    assert again.offset == kit.unit
    again.append(pattern(kit.unit, 7))
    again.commit()
    assert read(store, KEY) == pattern(0, kit.unit + 7)


def test_flush_without_news_is_harmless(store, kit):
    staged = store.stage(TOKEN, KEY)
    assert staged.flush() == 0
    staged.append(pattern(0, 3))
    assert [staged.flush(), staged.flush(), staged.offset] == [3, 3, 3]
    staged.append(b"")
    assert staged.flush() == 3
    staged.abort()


def test_staged_bytes_are_read_before_the_commit_where_the_backend_can(store, kit):
    staged = store.stage(TOKEN, KEY)
    staged.append(pattern(0, kit.unit))
    staged.flush()
    reader = staged.open()
    if reader is not None:
        with reader:
            assert reader.read() == pattern(0, kit.unit)
    staged.append(pattern(kit.unit, 5))
    staged.commit()
    assert read(store, KEY) == pattern(0, kit.unit + 5)


def test_a_second_writer_is_told_that_it_is_busy(store, store_factory):
    first = store.stage(TOKEN, KEY)
    first.append(b"first")
    first.flush()
    for other in (store, store_factory.open()):
        with pytest.raises(StagedBusy):
            other.stage(TOKEN, KEY)
    first.append(b" and last")
    first.close()
    second = store.stage(TOKEN, KEY)
    first.close()
    second.append(b"")
    second.flush()
    second.abort()


def test_of_many_threads_one_gets_the_staged_object(store_factory):
    gate = threading.Barrier(8)
    outcomes = []

    def try_it():
        mine = store_factory.open()
        gate.wait()
        try:
            outcomes.append(mine.stage(TOKEN, KEY))
        except StagedBusy:
            outcomes.append(None)

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [staged for staged in outcomes if staged]
    assert len(outcomes) == 8
    assert len(winners) == 1
    winners[0].abort()


# --- abort, commit, delete: again and again ---------------------------------------------


def test_abort_gives_everything_back_and_may_be_repeated(store, kit):
    staged = store.stage(TOKEN, KEY)
    staged.append(pattern(0, 2 * kit.unit))
    staged.flush()
    staged.append(pattern(0, 10))
    staged.abort()
    staged.abort()
    staged.close()
    assert tokens(store) == []
    again = store.stage(TOKEN, KEY)
    assert again.offset == 0
    again.abort()
    assert tokens(store) == []
    assert keys(store) == []


def test_a_token_may_be_opened_just_to_abort_it(store):
    store.stage("never-used", KEY).abort()
    assert tokens(store) == []


def test_commit_may_be_repeated(store, store_factory):
    staged = store.stage(TOKEN, KEY)
    staged.append(b"whole")
    assert not staged.committed
    staged.commit()
    staged.commit()
    assert staged.committed
    again = store_factory.open().stage(TOKEN, KEY)
    assert again.committed
    assert again.offset == 5
    again.commit()
    assert again.flush() == 5
    assert read(store, KEY) == b"whole"
    assert tokens(store) == []


def test_abort_after_the_commit_leaves_the_object_alone(store):
    put(store, KEY, b"whole", TOKEN)
    store.stage(TOKEN, KEY).abort()
    assert read(store, KEY) == b"whole"


def test_what_is_committed_takes_no_more_bytes(store):
    staged = store.stage(TOKEN, KEY)
    staged.append(b"whole")
    staged.commit()
    for each in (staged, store.stage(TOKEN, KEY)):
        with pytest.raises(ObjectExists):
            each.append(b"more")
        each.close()
    assert read(store, KEY) == b"whole"


def test_another_tokens_object_is_never_replaced(store):
    late = store.stage("late", KEY)
    late.append(b"late")
    late.flush()
    put(store, KEY, b"first", "first")
    with pytest.raises(ObjectExists):
        late.commit()
    assert read(store, KEY) == b"first"
    late.abort()
    assert tokens(store) == []


def test_nothing_can_be_committed_after_an_abort(store):
    staged = store.stage(TOKEN, KEY)
    staged.append(b"x")
    staged.abort()
    with pytest.raises(ObjectMissing):
        staged.commit()
    assert keys(store) == []


def test_after_a_delete_the_token_begins_anew(store):
    put(store, KEY, b"old", TOKEN)
    store.delete(KEY)
    staged = store.stage(TOKEN, KEY)
    assert (staged.offset, staged.committed) == (0, False)
    staged.append(b"new")
    staged.commit()
    assert read(store, KEY) == b"new"


def test_delete_may_be_repeated(store):
    put(store, KEY, b"x")
    store.delete(KEY)
    store.delete(KEY)
    store.delete("isos/never/was.iso")
    assert keys(store) == []
    with pytest.raises(ObjectMissing):
        read(store, KEY)


# --- listing ---------------------------------------------------------------------------


def test_list_gives_what_begins_with_the_prefix(store):
    for number, key in enumerate(["isos/aa/1.iso", "isos/ab/2.iso", "isos/ab/3.iso", "other/4.iso"]):
        put(store, key, b"x" * number, f"t{number}")
    store.stage("staged", "isos/ab/5.iso").flush()
    assert keys(store) == ["isos/aa/1.iso", "isos/ab/2.iso", "isos/ab/3.iso", "other/4.iso"]
    assert keys(store, "isos/a") == keys(store, "isos/") == keys(store)[:3]
    assert keys(store, "isos/ab/") == ["isos/ab/2.iso", "isos/ab/3.iso"]
    assert keys(store, "isos/ab/3.iso") == ["isos/ab/3.iso"]
    assert keys(store, "isos/b") == keys(store, "nothing/here/") == []
    assert tokens(store) == ["staged"]


def test_list_staged_tells_the_age_of_what_was_left(store, kit):
    staged = store.stage(TOKEN, KEY)
    staged.append(pattern(0, kit.unit))
    staged.flush()
    staged.close()
    [info] = store.list_staged()
    assert (info.key, info.size) == (TOKEN, kit.unit)
    assert info.modified.utcoffset() is not None


def test_an_empty_store_lists_nothing(store):
    assert keys(store) == tokens(store) == []


# --- names -----------------------------------------------------------------------------

BAD_KEYS = [
    "", "/", "/etc/passwd", "../outside.iso", "isos/../../outside.iso", "isos/..", "isos//x.iso", "isos/x/",
    ".staging/token", "isos/.hidden", "isos/x\0.iso", "isos/x\n", "isos\\x", "C:x", "isos/ü.iso", "isos/a b",
    "./x", "~/x", "a/" * 500 + "x", "x" * 300,
]  # fmt: skip


BAD_TOKENS = ["", ".", "..", "a/b", "../x", "a.b", "x" * 65, "a\0", "a\n", "ä", "a b"]
BAD_PREFIXES = ["/", "..", "../", "isos/../", ".staging", ".staging/", "isos/.", "a//"]


def accepted(call, names):
    """The names that the call did not refuse. Empty, where all is well."""
    taken = []
    for name in names:
        try:
            call(name)
        except BadKey:
            continue
        taken.append(name)
    return taken


def test_no_key_leads_out_of_the_store(store):
    assert accepted(lambda key: store.stage(TOKEN, key), BAD_KEYS) == []
    assert accepted(store.open, BAD_KEYS) == []
    assert accepted(store.size, BAD_KEYS) == []
    assert accepted(store.delete, BAD_KEYS) == []
    assert accepted(lambda key: store.download_url(key, "x.iso", 60), BAD_KEYS) == []


def test_no_token_leads_out_of_the_staging_place(store):
    assert accepted(lambda token: store.stage(token, KEY), BAD_TOKENS) == []


def test_no_prefix_leads_out_of_the_store(store):
    assert accepted(lambda prefix: list(store.list(prefix)), BAD_PREFIXES) == []


# --- storage that can't ------------------------------------------------------------------


def test_a_full_store_says_so_and_keeps_what_it_has(kit):
    spec, too_much = kit.full()
    store = spec.open()
    staged = store.stage(TOKEN, KEY)
    with pytest.raises(StoreFull):
        fill_and_commit(staged, too_much)
    assert keys(store) == []
    staged.close()
    again = store.stage(TOKEN, KEY)
    assert 0 <= again.offset <= too_much
    again.abort()
    assert tokens(store) == []
    put(store, KEY, b"room again")
    assert read(store, KEY) == b"room again"


def test_a_store_that_only_reads_still_reads(kit):
    store = kit.read_only(lambda before: put(before, KEY, b"kept")).open()
    with pytest.raises(StoreRefused):
        put(store, "isos/new/x.iso", b"x", "new")
    with pytest.raises(StoreRefused):
        store.delete(KEY)
    assert read(store, KEY) == b"kept"
    assert store.stage("put", KEY).committed
    probe = store.probe()
    assert not probe.ok
    assert "refuses" in probe.message


def test_a_store_that_is_not_there_is_unreachable(kit):
    store = kit.unreachable().open()
    for attempt in (
        lambda: put(store, KEY, b"x"),
        lambda: read(store, KEY),
        lambda: store.size(KEY),
        lambda: store.delete(KEY),
        lambda: keys(store),
    ):
        with pytest.raises(StoreUnreachable):
            attempt()
    probe = store.probe()
    assert not probe.ok
    assert "can't be reached" in probe.message


def test_the_probe_leaves_nothing_behind(store):
    probe = store.probe()
    assert probe.ok, probe.message
    assert keys(store) == tokens(store) == []


# --- copying ---------------------------------------------------------------------------


def test_a_copy_is_the_same_or_declined(store, kit):
    content = pattern(0, 4 * kit.unit + 3)
    put(store, KEY, content, "source")
    staged = store.stage("copy", "isos/copy/1.iso")
    seen = []
    if store.copy_from(store, KEY, staged, seen.append):
        assert seen[-1] == staged.offset == len(content)
        assert seen == sorted(seen)
        staged.commit()
        assert read(store, "isos/copy/1.iso") == content
    else:
        assert staged.offset == 0
        staged.abort()
    assert read(store, KEY) == content


def test_a_copy_goes_on_where_it_stopped(store, kit):
    content = pattern(0, 4 * kit.unit + 3)
    put(store, KEY, content, "source")
    staged = store.stage("copy", "isos/copy/1.iso")
    staged.append(content[: 2 * kit.unit])
    staged.flush()
    staged.close()
    staged = store.stage("copy", "isos/copy/1.iso")
    if not store.copy_from(store, KEY, staged, lambda done: None):
        staged.append(content[staged.offset :])
    staged.commit()
    assert read(store, "isos/copy/1.iso") == content


def test_a_copy_of_nothing_says_so(store):
    staged = store.stage("copy", "isos/copy/1.iso")
    with pytest.raises(ObjectMissing):
        store.copy_from(store, KEY, staged, lambda done: None) or read(store, KEY)
    staged.abort()


# --- any way of cutting gives the same ----------------------------------------------------

STEPS = st.lists(st.one_of(st.integers(0, 70_000), st.sampled_from(["flush", "reopen"])), max_size=14)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_split_into_appends_flushes_and_reopenings_gives_the_same_bytes(store_factory, steps):
    store = store_factory.open()
    staged, total = store.stage("any", "isos/any/x.iso"), 0
    for step in steps:
        if step == "flush":
            assert staged.flush() == total
        elif step == "reopen":
            staged.flush()
            staged.close()
            staged = store.stage("any", "isos/any/x.iso")
            assert staged.offset == total
        else:
            staged.append(pattern(total, step))
            total += step
            assert staged.offset == total
    staged.commit()
    assert read(store, "isos/any/x.iso") == pattern(0, total)
    store.delete("isos/any/x.iso")
