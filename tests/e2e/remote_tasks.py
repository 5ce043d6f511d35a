# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""remote_tasks.py PID - asyncio's tasks of another process as CPython's own `asyncio pstree` finds them. 3.14 or later.

    task ADDRESS NAME
    frame ADDRESS FILE:FUNCTION:LINE      of that task, innermost first
    awaits ADDRESS ADDRESS                the first task awaits the second one
"""
import asyncio.tools
import sys

for thread in asyncio.tools.get_all_awaited_by(int(sys.argv[1])):
    for task in thread.awaited_by:
        print("task", f"{task.task_id:#x}", task.task_name)
        for coroutine in task.coroutine_stack:
            for frame in coroutine.call_stack:
                line = getattr(frame, "lineno", None)
                if line is None:
                    line = frame.location.lineno
                print("frame", f"{task.task_id:#x}", f"{frame.filename}:{frame.funcname}:{line}")
        for parent in task.awaited_by:
            print("awaits", f"{parent.task_name:#x}", f"{task.task_id:#x}")
