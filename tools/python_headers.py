# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""python_headers.py - asks a CPython's headers for numbers, by a small program compiled against them.

For the gen_*_layout.py beside it. INCLUDE is the directory with Python.h and internal/.
"""
import os
import subprocess
import tempfile


def version_of(include):
    """(3, 13)"""
    with open(os.path.join(include, "patchlevel.h")) as f:
        words = [line.split() for line in f if line.startswith("#define PY_M")]
    numbers = {word[1]: int(word[2]) for word in words if word[2].isdigit()}
    return numbers["PY_MAJOR_VERSION"], numbers["PY_MINOR_VERSION"]


def since(rows, version):
    """Of [(first version, value)...], the value for this one."""
    return [value for first, value in rows if first <= version][-1]


def prints_of(wanted):
    """C that prints `NAME NUMBER` for each {name: expression} that has one."""
    return "".join(
        f'\tprintf("{name} %lld\\n", (long long)({expression}));\n' for name, expression in wanted.items() if expression
    )


def answer_of(include, program_text, free_threaded):
    """What the program prints, as {name: number}. internal/ is searched for quoted names alone: some hide libc's own."""
    outer = os.path.dirname(os.path.abspath(include))
    with tempfile.TemporaryDirectory() as scratch:
        program = os.path.join(scratch, "probe")
        with open(program + ".c", "w") as f:
            f.write(program_text)
        machine = os.uname().machine + "-linux-gnu"
        subprocess.run(
            ["gcc", "-w", *(["-DPy_GIL_DISABLED=1"] if free_threaded else [])]
            + ["-I", include, "-iquote", include + "/internal"]
            + ["-I", outer, "-I", os.path.join(outer, machine), program + ".c", "-o", program],
            check=True,
        )
        answer = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return {name: int(value) for name, value in (line.split() for line in answer.splitlines())}
