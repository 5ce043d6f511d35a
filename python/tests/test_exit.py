# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A program may end at any time."""

import child


def test_a_program_may_end_while_daemon_threads_trace():
    def end():
        import threading
        import time

        from stacktrace import get_thread_stack

        def trace_for_ever(ident):
            while True:
                get_thread_stack(ident, python_frames=True)

        main = threading.get_ident()
        for ident in [main] * 4:
            thread = threading.Thread(target=trace_for_ever, args=(ident,))
            thread.daemon = True
            thread.start()
        time.sleep(0.3)
        print("over")

    for _ in range(5):
        assert child.run(end) == "over\n"


def test_traces_at_exit_and_of_objects_that_die_last():
    def end():
        import atexit
        import sys
        import threading

        import stacktrace

        class Last(object):
            def __init__(self):
                self.trace = stacktrace.get_thread_stack
                self.ident = threading.get_ident()

            def __del__(self):
                self.trace(self.ident)

        sys.last = Last()
        Last.kept = Last()
        atexit.register(lambda: print(len(stacktrace.get_thread_stack(threading.get_ident())) > 3))
        threading.Thread(target=lambda: stacktrace.get_thread_stack(threading.main_thread().ident)).start()

    for _ in range(5):
        assert child.run(end) == "True\n"


def test_a_program_that_only_imports_ends_well():
    def end():
        import stacktrace.tools

        print(stacktrace.tools.__all__)

    assert "Timer" in child.run(end)
