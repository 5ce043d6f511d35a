# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Several interpreters in one process."""

import pytest

import child


def interpreters():
    """The module that makes them, or None."""
    for name in "_interpreters", "_xxsubinterpreters":
        try:
            return __import__(name)
        except ImportError:
            pass
    return None


@pytest.mark.skipif(not interpreters(), reason="this Python has no subinterpreters")
@pytest.mark.parametrize("config", ["legacy", "isolated"])
def test_subinterpreters(config):
    """An interpreter of its own may refuse the import, as it does all old extensions; it may not crash."""

    def run(name, config):
        import threading

        import stacktrace

        assert stacktrace.get_thread_stack(threading.get_ident())
        module = __import__(name)
        try:
            ident = module.create(config)
        except (TypeError, ValueError):
            ident = module.create()
        code = (
            "import threading\n"
            "try:\n    import stacktrace\n"
            "except ImportError:\n    print('refused', flush=True)\n"
            "else:\n    print(len(stacktrace.get_thread_stack(threading.get_ident())) > 3, flush=True)\n"
        )
        for _ in range(3):
            error = module.run_string(ident, code)
            assert not error, error
        module.destroy(ident)
        assert stacktrace.get_thread_stack(threading.get_ident())

    lines = child.run(run, interpreters().__name__, config).split()
    assert len(lines) == 3 and set(lines) <= {"True", "refused"}, lines


@pytest.mark.skipif(not interpreters(), reason="this Python has no subinterpreters")
def test_a_thread_in_a_subinterpreter_is_traced_with_its_python():
    def run(name):
        import os
        import sys

        import standing
        from stacktrace import get_thread_stack

        module = __import__(name)
        r, w = os.pipe()
        code = "import os\ndef inside():\n    os.read(%d, 1)\ninside()\n" % r

        def body():
            # To 3.12 an interpreter's first state is for ever of the thread that made it.
            ident = module.create()
            module.run_string(ident, code)
            module.destroy(ident)

        with standing.Standing(body, lambda: os.write(w, b"x")) as target:
            names = [entry.name for entry in get_thread_stack(target.ident, python_frames=True)]
        assert "inside" in names, names
        # Before 3.11 only their number tells where Python's frames belong, and it is that of two interpreters.
        assert sys.version_info < (3, 11) or "[unmerged]" not in names, names
        print("done")

    assert child.run(run, interpreters().__name__) == "done\n"
