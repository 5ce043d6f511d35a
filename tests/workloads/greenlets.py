# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""greenlets.py TRUTH - greenlets that switch to each other out of C code, and start each other.

Must show: each greenlet's own Python frames, in the orders that TRUTH says (orders.py), and none of another's.
"""
import sys

import greenlet

import orders
import truth

HOW = {"one.<locals>.<lambda>": "c", "in_two": "c", "Dying.__del__": "c"}
LEAVES = dict.fromkeys(("forever", "one", "two", "switch"), "c:_greenlet,libstdc++,_greenlet")
noting = False


def spin(n=200):
    if noting:
        orders.note(sys._getframe(), "call", None)
    total = 0
    for i in range(n):
        total += i & 3
    return total


def switch(to):
    spin()
    to.switch()
    spin()


class Dying:
    def __del__(self):
        switch(first)


def one():
    while True:
        spin()
        [0].sort(key=lambda _: switch(second))
        switch(first)


def two():
    while True:
        list(map(in_two, (1, 2)))
        short_lived = greenlet.greenlet(three)
        short_lived.switch()
        switch(first)


def in_two(n):
    spin()
    if n == 2:
        box = [Dying()]
        del box[:]


def three():
    spin()


def forever():
    global noting
    turn = 0
    while True:
        spin()
        ones.switch()
        spin()
        turn += 1
        if turn == 20:
            noting = True
        elif turn == 100:
            noting = False
            orders.write(sys.argv[1], {__file__}, HOW, LEAVES)
            truth.ready()


first = greenlet.getcurrent()
second = greenlet.greenlet(two)
ones = greenlet.greenlet(one)
forever()
