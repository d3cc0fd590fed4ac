"""Connections whose body takes too long are shut down; those in time are left alone."""

import socket
import threading
import time
from contextlib import closing

import pytest
from django.test import RequestFactory

from portal import deadlines
from tests.running import portal, wait_until

FAR = 60


@pytest.fixture
def line():
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        theirs.settimeout(FAR)
        yield ours, theirs


def request_on(connection):
    return RequestFactory().post("/", **{"gunicorn.socket": connection})


def test_a_reader_that_waits_too_long_sees_the_line_break(line):
    ours, _ = line
    with deadlines.limit(request_on(ours)) as limit:
        limit.renew(0.05)
        assert ours.recv(1) == b""  # and does not wait for ever


def test_renewing_and_ending_in_time_leaves_the_line_whole(line):
    ours, theirs = line
    with deadlines.limit(request_on(ours)) as limit:
        limit.renew(0.05)
        limit.renew(FAR)
        other, _ = socket.socketpair()
        with closing(other), closing(_), deadlines.limit(request_on(other)) as witness:
            witness.renew(0.1)
            other.recv(1)  # returns once the watcher has passed both dates
    with deadlines.limit(request_on(ours)) as limit:
        limit.renew(0.05)
    time.sleep(0.1)  # past the date of what has ended
    theirs.sendall(b"x")
    assert ours.recv(1) == b"x"


@pytest.mark.processes
@pytest.mark.xdist_group("processes")
def test_bodies_that_dribble_do_not_keep_the_portal_from_others(tmp_path):
    """As many dribbling forms as there are threads: the portal answers again after the limit."""
    with portal(tmp_path / "data", WEB_THREADS="4") as running:
        running.complete()
        stop = threading.Event()
        lines = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(4)]
        for one in lines:
            one.sendall(
                b"POST /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\n"
            )

        def dribble():
            while not stop.wait(1):
                for one in lines:
                    try:
                        one.sendall(b"a")
                    except OSError:
                        return

        thread = threading.Thread(target=dribble)
        thread.start()
        try:
            wait_until(lambda: running.get("healthz")[0] == 200, "the portal answers", 40)
        finally:
            stop.set()
            thread.join()
            for one in lines:
                one.close()
