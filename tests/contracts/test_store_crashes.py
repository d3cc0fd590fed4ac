"""kill -9 at any moment costs at most what was not flushed: tried with real processes."""

import pytest

from tests.contracts.pattern import pattern
from tests.contracts.test_store_contract import KEY, TOKEN, keys, read, tokens

pytestmark = pytest.mark.processes


def finish(store, key, token, total):
    """Go on from wherever the dead process left it; the object is whole in the end."""
    staged = store.stage(token, key)
    start = staged.offset
    if not staged.committed:
        staged.append(pattern(start, total - start))
    staged.commit()
    assert read(store, key) == pattern(0, total)
    return start


def test_another_process_goes_on_at_the_durable_offset(store, kit, process):
    other = process()
    assert other.do("stage", TOKEN, KEY) == 0
    other.do("append", kit.unit + 11)
    assert other.do("flush") == kit.unit + 11
    other.kill()
    assert finish(store, KEY, TOKEN, 3 * kit.unit) == kit.unit + 11


def test_bytes_travel_through_three_processes(store, kit, process):
    for number in range(3):
        other = process()
        assert other.do("stage", TOKEN, KEY) == number * kit.unit
        other.do("append", kit.unit)
        other.do("flush")
        if number == 1:
            other.do("close")
        other.kill()
    finish(store, KEY, TOKEN, 3 * kit.unit + 1)


def test_a_process_killed_while_it_writes_loses_only_what_was_not_flushed(store, kit, process):
    other = process()
    other.do("stage", TOKEN, KEY)
    other.tell("append_for_ever", kit.unit // 3)
    told = [other.answer() for _ in range(5)]
    other.kill()
    staged = store.stage(TOKEN, KEY)
    assert staged.offset >= told[-1]
    total = staged.offset + kit.unit
    staged.close()
    finish(store, KEY, TOKEN, total)


def test_a_living_process_keeps_others_out_and_a_killed_one_does_not(store, process):
    writer, late = process(), process()
    assert writer.do("stage", TOKEN, KEY) == 0
    assert late.do("stage", TOKEN, KEY) == "staged_busy"
    writer.kill()
    assert late.do("stage", TOKEN, KEY) == 0
    assert late.do("abort") is None
    assert tokens(store) == []


def test_a_process_killed_after_the_commit_has_committed(store, kit, process):
    other = process()
    other.do("stage", TOKEN, KEY)
    other.do("append", 2 * kit.unit)
    other.do("commit")
    other.kill()
    assert read(store, KEY) == pattern(0, 2 * kit.unit)
    assert store.stage(TOKEN, KEY).committed
    assert tokens(store) == []


def test_killed_at_any_line_the_object_is_whole_or_absent_and_the_rest_can_be_added(store, kit, process):
    """A process dies at the 1st, 2nd, 3rd … line of the store's own code, on its way from stage to commit."""
    other = process()
    sizes = [kit.unit + 5, 7, kit.unit]
    total = sum(sizes)
    lines = other.do("crash_at", 0, "whole", "isos/crash/whole.iso", sizes)["lines"]
    step = max(1, lines // kit.crash_points)
    starts = set()
    for line in [*range(1, lines, step), lines]:
        key, token = f"isos/crash/{line}.iso", f"crash-{line}"
        end = other.do("crash_at", line, token, key, sizes)
        if key in keys(store, "isos/crash/"):
            assert read(store, key) == pattern(0, total)
        else:
            assert not end["committed"]
        start = finish(store, key, token, total)
        assert start >= end["durable"]
        assert tokens(store) == []
        starts.add(start)
        store.delete(key)
    assert {0, sizes[0], total} <= starts, "the crashes missed a step"
