# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""C stacks of the threads of this process, seen from Python.

``print_stack()`` shows the calling thread, ``print_thread_stack()`` and
``get_thread_stack()`` any thread; ``stacktrace.tools`` looks at one again and
again. ``python -m stacktrace --demo`` shows what that is good for.
"""

from .basic import get_thread_stack, print_stack, print_thread_stack

__version__ = "1.0.0"

__all__ = [
    "print_stack",
    "print_thread_stack",
    "get_thread_stack",
]
