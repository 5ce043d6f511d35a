# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
from typing import Any, List, Optional, Type

from .utils import PythonEntry, StackEntry

def trace(
    __ident: int,
    __maxdepth: int,
    __python_frames: bool,
    __native_type: Type[StackEntry],
    __python_type: Type[PythonEntry],
) -> List[StackEntry]: ...
def trace_at(
    __due: float,
    __sleeper: Any,
    __ident: int,
    __maxdepth: int,
    __python_frames: bool,
    __native_type: Type[StackEntry],
    __python_type: Type[PythonEntry],
) -> Optional[List[StackEntry]]: ...
def sleeper() -> Any: ...
def wake(__sleeper: Any) -> None: ...
