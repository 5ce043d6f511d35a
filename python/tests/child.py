# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A function of a test, run in an interpreter of its own."""

import inspect
import os
import subprocess
import sys
import textwrap

import stacktrace

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(stacktrace.__file__)))


def environment():
    paths = [PACKAGE, HERE] + [path for path in [os.environ.get("PYTHONPATH")] if path]
    return dict(os.environ, PYTHONPATH=os.pathsep.join(paths))


def start(arguments, seconds=60):
    """(exit status, standard output, standard error) of an interpreter; one that hangs fails the test."""
    process = subprocess.Popen(
        [sys.executable] + list(arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        raise AssertionError("still running after %d s\n%s\n%s" % (seconds, output.decode(), errors.decode()))
    return process.returncode, output.decode(), errors.decode()


def source_of(function, *arguments):
    """The program that calls function(*arguments); the function brings its own imports."""
    return "%s\n%s(*%r)\n" % (textwrap.dedent(inspect.getsource(function)), function.__name__, arguments)


def run(function, *arguments, **options):
    """Standard output of function(*arguments) in an interpreter of its own, which must end well."""
    status, output, errors = start(["-c", source_of(function, *arguments)], **options)
    assert status == 0, "exit status %d\n%s\n%s" % (status, output, errors)
    return output
