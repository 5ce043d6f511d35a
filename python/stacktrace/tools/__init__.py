# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Looking at a thread again and again: ``Timer`` and ``Profiler``."""

from .timer import Timer
from .profile import Profiler

__all__ = [
    "Timer",
    "Profiler",
]
