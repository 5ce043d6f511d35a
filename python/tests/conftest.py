# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""No test may hang: where one does, all stacks are printed and the run ends."""

import faulthandler
import os

import pytest

SECONDS = 120


class Watchdog(object):
    def __init__(self):
        self.stderr = os.dup(2)  # pytest redirects the first one

    @pytest.fixture(autouse=True)
    def _no_hang(self, request):
        mark = request.node.get_closest_marker("seconds")
        seconds = mark.args[0] if mark else SECONDS
        faulthandler.dump_traceback_later(seconds, exit=True, file=self.stderr)
        yield
        faulthandler.cancel_dump_traceback_later()


def pytest_configure(config):
    config.addinivalue_line("markers", "seconds(n): a test that may take longer than %d s" % SECONDS)
    config.pluginmanager.register(Watchdog(), "watchdog")
