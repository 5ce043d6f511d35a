# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""deadlock.py - threads that wait for locks, and what is true of them by how they were made. For 2.7 too.

Once all of them are where they stay it prints, in lines of words:

    thread NAME IDENT                        IDENT is threading.get_ident()
    lock NAME ID                             ID is id(lock), hexadecimal
    waits NAME KIND LOCK OWNER EVIDENCE      KIND: plain, recursive, condition, thread; LOCK: its name, or - where Python made it;
                                             OWNER: who has it, or -; EVIDENCE: fact, inferred or -
    ring NAME...                             each waits for what the next one has, the last for the first one's
    end

A thread without `waits` reads from a pipe that stays empty.
"""
import os
import sys
import threading
import time

get_ident = getattr(threading, "get_ident", None) or __import__("thread").get_ident
HAS_TIMEOUT = sys.version_info >= (3, 2)

silence = os.pipe()[0]
lines = []
threads = {}
arrived = []


def locks(**named):
    for name in named:
        lines.append("lock %s %x" % (name, id(named[name])))
    return named


def start(name, function, *arguments):
    def run():
        lines.append("thread %s %d" % (name, get_ident()))
        function(*arguments)

    threads[name] = threading.Thread(target=run, name=name)
    threads[name].daemon = True
    threads[name].start()


def here(count):
    """All `count` threads of a group have come so far."""
    arrived.append(count)


def meet(group, count):
    """Goes on when so many of the group have what they hold."""
    group.append(1)
    while len(group) < count:
        time.sleep(0.01)


def block():
    here(1)
    os.read(silence, 1)


def waits(name, kind, lock, owner="-", evidence="-"):
    lines.append("waits %s %s %s %s %s" % (name, kind, lock, owner, evidence))


def settle(count):
    while len(arrived) < count:
        time.sleep(0.01)
    del arrived[:]


# --- rings ---


def hold_and_wait(mine, other, group, count):
    with mine:
        for _ in range(1):
            try:
                meet(group, count)
                here(1)
                with other:
                    pass
            finally:
                pass


def ring(prefix, kinds, made, evidence):
    """Thread i is inside `with` on lock i and waits for lock i + 1."""
    group, count = [], len(made)
    named = [prefix + str(i) for i in range(count)]
    locks(**dict(zip(named, made)))
    for i in range(count):
        j = (i + 1) % count
        start(named[i], hold_and_wait, made[i], made[j], group, count)
        waits(named[i], kinds[j], named[j], named[j], evidence[j])
    lines.append("ring " + " ".join(named))
    settle(count)


def rings():
    ring("three", ["plain"] * 3, [threading.Lock() for _ in range(3)], ["inferred"] * 3)
    ring("again", ["recursive"] * 2, [threading.RLock() for _ in range(2)], ["fact"] * 2)
    ring("mixed", ["plain", "recursive"] * 2, [threading.Lock(), threading.RLock()] * 1, ["inferred", "fact"])


def condition_ring():
    """Of two locks, one under a Condition."""
    inner, plain = threading.Lock(), threading.Lock()
    condition, group = threading.Condition(inner), []
    locks(inner=inner, outer=plain)
    start("condition0", hold_and_wait, condition, plain, group, 2)
    start("condition1", hold_and_wait, plain, condition, group, 2)
    waits("condition0", "plain", "outer", "condition1", "inferred")
    waits("condition1", "plain", "inner", "condition0", "inferred")
    lines.append("ring condition0 condition1")
    settle(2)


def join_ring():
    lock, group = threading.Lock(), []
    locks(joined=lock)

    def joins():
        with lock:
            meet(group, 2)
            here(1)
            threads["joined"].join()

    def is_joined():
        meet(group, 2)
        here(1)
        with lock:
            pass

    start("joined", is_joined)
    start("joins", joins)
    waits("joined", "plain", "joined", "joins", "inferred")
    waits("joins", "thread", "-", "joined", "fact")
    lines.append("ring joined joins")
    settle(2)


def lonely_ring():
    lock = threading.Lock()
    locks(lonely=lock)

    def inner():
        here(1)
        with lock:
            pass

    def outer():
        with lock:
            inner()

    start("lonely", outer)
    waits("lonely", "plain", "lonely", "lonely", "inferred")
    lines.append("ring lonely")
    settle(1)


def limited_ring():
    """It will end by itself."""
    first, second, group = threading.Lock(), threading.Lock(), []
    locks(limited0=first, limited1=second)

    def limited():
        with first:
            meet(group, 2)
            here(1)
            second.acquire(timeout=3600)

    start("limited0", limited)
    start("limited1", hold_and_wait, second, first, group, 2)
    waits("limited0", "plain", "limited1", "limited1", "inferred")
    waits("limited1", "plain", "limited0", "limited0", "inferred")
    settle(2)


# --- no rings ---


def wait_with(lock):
    here(1)
    with lock:
        pass


def wait_acquire(lock):
    here(1)
    lock.acquire()


def acquired_by_hand():
    """By a thread that lives, and by one that does not."""
    living, dead = threading.Lock(), threading.Lock()
    locks(living=living, dead=dead)

    def hold():
        living.acquire()
        block()

    start("hand", hold)
    start("gone", dead.acquire)
    settle(1)
    threads["gone"].join()
    lines.remove([line for line in lines if line.startswith("thread gone ")][0])
    start("hand_with", wait_with, living)
    start("hand_acquire", wait_acquire, living)
    start("dead_with", wait_with, dead)
    waits("hand_with", "plain", "living")
    waits("hand_acquire", "plain", "living")
    waits("dead_with", "plain", "dead")
    settle(3)


def left_behind():
    """A thread that was inside `with` is no more; what it left on its frame's stack looks as if it was."""
    lock = threading.Lock()
    locks(left=lock)

    def leave():
        try:
            with lock:
                pass
            block()
        finally:
            pass

    def hold():
        lock.acquire()
        block()

    start("left", leave)
    settle(1)
    start("left_holder", hold)
    settle(1)
    start("left_waiter", wait_with, lock)
    waits("left_waiter", "plain", "left")
    settle(1)


def two_inside():
    lock = threading.Lock()
    locks(shared=lock)

    def release():
        with lock:
            lock.release()
            block()

    def hold():
        with lock:
            block()

    start("shared0", release)
    settle(1)
    start("shared1", hold)
    settle(1)
    start("shared_waiter", wait_acquire, lock)
    waits("shared_waiter", "plain", "shared")
    settle(1)


def one_inside():
    lock, recursive = threading.Lock(), threading.RLock()
    locks(one=lock, recursive=recursive)

    def deep():
        for i in range(3):
            try:
                block()
            except ValueError:
                pass

    def hold():
        with open(os.devnull):
            with lock:
                for _ in range(2):
                    deep()

    def hold_recursive():
        recursive.acquire()
        with recursive:
            block()

    start("one", hold)
    start("recursive", hold_recursive)
    settle(2)
    for name in "one_with", "one_other":
        start(name, wait_with, lock)
        waits(name, "plain", "one", "one", "inferred")
    start("one_acquire", wait_acquire, lock)
    waits("one_acquire", "plain", "one", "one", "inferred")
    start("recursive_acquire", wait_acquire, recursive)
    waits("recursive_acquire", "recursive", "recursive", "recursive", "fact")
    settle(4)


def notified(name, outer_of):
    """Condition.wait() gives its lock up: whoever has it then is not the one inside `with`."""
    lock = threading.Lock()
    condition = threading.Condition(lock)
    outer = outer_of(lock, condition)
    locks(**{name: lock, name + "_condition": condition})

    def wait_inside():
        with outer:
            here(1)
            condition.wait()

    def hold():
        lock.acquire()
        block()

    start(name, wait_inside)
    settle(1)
    start(name + "_holder", hold)
    settle(1)
    start(name + "_waiter", wait_with, lock)
    settle(1)
    waits(name, "condition", name + "_condition")
    waits(name + "_waiter", "plain", name)


def main():
    rings()
    condition_ring()
    join_ring()
    lonely_ring()
    if HAS_TIMEOUT:
        limited_ring()
    acquired_by_hand()
    left_behind()
    two_inside()
    one_inside()
    notified("bare", lambda lock, condition: lock)
    notified("wrapped", lambda lock, condition: condition)
    time.sleep(0.2)
    sys.stdout.write("\n".join(lines) + "\nend\n")
    sys.stdout.flush()
    sys.stdin.readline()


main()
