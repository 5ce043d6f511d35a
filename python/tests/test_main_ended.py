# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A process whose first thread has ended: by its own number /proc knows next to nothing of it any more."""

import child


def test_a_stack_is_whole_when_the_main_thread_has_ended():
    def end():
        import ctypes
        import os
        import threading
        import time

        from stacktrace import get_thread_stack

        def live_on():
            with open("/proc/self/status") as status:
                while "State:\tZ" not in status.read():
                    time.sleep(0.01)
                    status.seek(0)
            ident = threading.get_ident()
            native = [entry.name for entry in get_thread_stack(ident)]
            merged = [entry.name for entry in get_thread_stack(ident, python_frames=True)]
            print("_PyEval_EvalFrameDefault" in native, any("live_on" in name for name in merged), flush=True)
            os._exit(0)

        threading.Thread(target=live_on).start()
        ctypes.CDLL(None).pthread_exit(None)

    assert child.run(end) == "True True\n"
