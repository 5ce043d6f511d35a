# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
pytest's results as TAP, each written as it is known, with what pytest says of a
failure: what was done before a crash is not lost. A plugin (-p pytest_tap) of
pytest 6 to 9; PYTEST_TAP is the file, PYTEST_TAP_NAME what each name begins with.
"""

import os


class Tap:
    def __init__(self, path, name):
        self.file = open(path, "w", encoding="utf-8", buffering=1)
        self.name = name
        self.cnt = 0

    def write(self, word, report, note=""):
        test = report.nodeid
        if report.failed and getattr(report, "when", "call") != "call":
            test += " (%s)" % getattr(report, "when", None)
        self.cnt += 1
        self.file.write("%s - %s/%s%s\n" % (word, self.name, test.replace("#", "."), note))
        if report.failed:
            self.file.writelines("# %s\n" % line for line in report.longreprtext.splitlines())

    def skip(self, report):
        reason = getattr(report, "wasxfail", None) or report.longrepr[-1]
        self.write("ok", report, " # SKIP " + " ".join(str(reason).split()))

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.write("not ok", report)
        elif report.skipped:
            self.skip(report)
        elif report.when == "call":
            self.write("ok", report)

    def pytest_collectreport(self, report):
        if report.failed:
            self.write("not ok", report)
        elif report.skipped:
            self.skip(report)

    def pytest_sessionfinish(self):
        self.file.write("1..%d\n" % self.cnt)  # the plan, which may come last: without it, pytest has died


def pytest_configure(config):
    config.pluginmanager.register(Tap(os.environ["PYTEST_TAP"], os.environ["PYTEST_TAP_NAME"]), "tap")
