# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""python -m stacktrace --demo, whose output goes nowhere."""

import signal
import subprocess
import sys

import child


def begin(command, **options):
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=child.environment(), universal_newlines=True, **options
    )


def test_a_reader_that_has_seen_enough_ends_it_quietly():
    process = begin([sys.executable, "-m", "stacktrace", "--demo"])
    assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() in (0, -signal.SIGPIPE)


def test_without_standard_output_it_says_so():
    process = begin(["sh", "-c", 'exec "$0" -m stacktrace --demo >&-', sys.executable])
    output, errors = process.communicate()
    assert (process.returncode, output) == (1, "")
    assert "standard output" in errors and len(errors.splitlines()) == 1, errors
