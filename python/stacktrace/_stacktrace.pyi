# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
from typing import List, Type

from .utils import PythonEntry, StackEntry

def trace(
    __ident: int,
    __maxdepth: int,
    __python_frames: bool,
    __native_type: Type[StackEntry],
    __python_type: Type[PythonEntry],
) -> List[StackEntry]: ...
