# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Threads asleep in system calls: traced, and the call gives what it would have given."""

import os
import select
import signal
import socket
import subprocess
import threading
import time

import pytest

from stacktrace import get_thread_stack
from standing import Standing, parked


def read_pipe():
    r, w = os.pipe()
    yield lambda: os.read(r, 100), lambda: os.write(w, b"data"), b"data"
    os.close(r)
    os.close(w)


def receive():
    a, b = socket.socketpair()
    yield lambda: a.recv(100), lambda: b.send(b"data"), b"data"
    a.close()
    b.close()


def receive_with_timeout():
    a, b = socket.socketpair()
    a.settimeout(60)
    yield lambda: a.recv(100), lambda: b.send(b"data"), b"data"
    a.close()
    b.close()


def accept():
    server, client = socket.socket(), socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(1)

    def body():
        connection, address = server.accept()
        connection.close()
        return address[0]

    yield body, lambda: client.connect(server.getsockname()), "127.0.0.1"
    server.close()
    client.close()


def take_lock():
    lock = threading.Lock()
    lock.acquire()
    yield lock.acquire, lock.release, True


def take_lock_for_a_minute():
    lock = threading.Lock()
    lock.acquire()
    yield lambda: lock.acquire(timeout=60), lock.release, True


def take_rlock():
    lock = threading.RLock()
    lock.acquire()
    yield lock.acquire, lock.release, True


def wait_on_condition():
    condition = threading.Condition()

    def body():
        with condition:
            return condition.wait(60)

    def notify():
        with condition:
            condition.notify()

    yield body, notify, True


def join_thread():
    with parked() as other:
        yield other.thread.join, other._release, None
        other._release = None


def with_pipe(wait):
    def place():
        r, w = os.pipe()
        yield lambda: wait(r), lambda: os.write(w, b"x"), True
        os.close(r)
        os.close(w)

    return place


def poll(r):
    poller = select.poll()
    poller.register(r, select.POLLIN)
    return poller.poll() == [(r, select.POLLIN)]


def epoll(r):
    poller = select.epoll()
    poller.register(r, select.EPOLLIN)
    try:
        return poller.poll() == [(r, select.EPOLLIN)]
    finally:
        poller.close()


def wait_for_process():
    process = subprocess.Popen(["sleep", "60"])
    yield process.wait, process.kill, -signal.SIGKILL


PLACES = {
    "read": read_pipe,
    "recv": receive,
    "recv with a timeout": receive_with_timeout,
    "accept": accept,
    "lock": take_lock,
    "lock with a timeout": take_lock_for_a_minute,
    "rlock": take_rlock,
    "condition": wait_on_condition,
    "join": join_thread,
    "select": with_pipe(lambda r: select.select([r], [], []) == ([r], [], [])),
    "poll": with_pipe(poll),
    "epoll": with_pipe(epoll),
    "subprocess": wait_for_process,
}


@pytest.mark.parametrize("place", sorted(PLACES))
def test_a_thread_asleep_is_traced_and_gets_what_it_waited_for(place):
    for body, release, wanted in PLACES[place]():
        with Standing(body, release) as target:
            stacks = [get_thread_stack(target.ident, python_frames=i % 2 == 1) for i in range(40)]
            assert target.thread.is_alive()
        assert all(stacks)
        assert target.result == wanted
        assert "_run" in [entry.name.split(".")[-1] for entry in stacks[-1]]


def test_a_sleep_lasts_as_long_as_it_should():
    with Standing(lambda: time.sleep(0.7)) as target:
        while target.thread.is_alive():
            get_thread_stack(target.ident)
    assert 0.7 <= target.seconds < 5


def test_a_timeout_comes_when_it_should():
    lock = threading.Lock()
    lock.acquire()
    a, b = socket.socketpair()
    a.settimeout(0.5)

    def receive_nothing():
        with pytest.raises(socket.timeout):
            a.recv(1)
        return False

    for body in lambda: lock.acquire(timeout=0.5), lambda: bool(select.select([a], [], [], 0.5)[0]), receive_nothing:
        with Standing(body) as target:
            while target.thread.is_alive():
                get_thread_stack(target.ident)
        assert target.result is False
        assert 0.45 < target.seconds < 5
    a.close()
    b.close()
