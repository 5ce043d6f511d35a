# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Builds the extension from the profiler's own sources, which lie beside this
file: as symlinks in the repository, as copies in an sdist.

tools/build_wheel.sh makes wheels that run on other machines.
"""

import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
from glob import glob

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = os.path.dirname(os.path.abspath(__file__))

# Folders that are needed as a whole, but for what needs the rest of the profiler.
FOLDERS = ["base", "elf", "process", "python", "symbolize", "unwind"]
LEFT_OUT = [
    "python/expression.c",
    "symbolize/demangle.c",
    "symbolize/file_identity.c",
    "symbolize/source_cache.c",
    "symbolize/symbolizer.c",
]
SINGLE = ["profile/id_index.c", "profile/string_table.c"]

# Header to look for: Debian's package that has it, for whoever reads the error.
HEADERS = [
    ("libunwind.h", "libunwind-dev"),
    ("libelf.h", "libelf-dev"),
    ("lzma.h", "liblzma-dev"),
    ("zlib.h", "zlib1g-dev"),
    ("uthash.h", "uthash-dev"),
    ("Python.h", "python3-dev"),
]

# One file for every version, where there is a GIL.
IS_LIMITED = not sysconfig.get_config_var("Py_GIL_DISABLED")


def sources():
    os.chdir(HERE)
    found = [path for folder in FOLDERS for path in glob("userspace/%s/*.c" % folder)]
    found += ["userspace/" + path for path in SINGLE]
    left_out = ["userspace/" + path for path in LEFT_OUT]
    return sorted(path for path in found + glob("src/*.c") if path not in left_out)


def compiler():
    return (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()


def has_header(name, directories):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "probe.c")
        with open(path, "w") as probe:
            probe.write("#include <stddef.h>\n#include <stdio.h>\n#include <%s>\n" % name)
        flags = ["-I" + directory for directory in directories]
        command = compiler() + flags + (os.environ.get("CPPFLAGS", "") + " " + os.environ.get("CFLAGS", "")).split()
        return not subprocess.call(command + ["-E", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def check_machine():
    if sys.platform != "linux" or platform.machine() != "x86_64":
        sys.exit("stacktrace: only Linux on x86-64 is supported, not %s on %s" % (sys.platform, platform.machine()))


def check_sources():
    if not os.path.exists(os.path.join(HERE, "userspace", "base")):
        sys.exit(
            "stacktrace: %s does not hold the profiler's sources (an older pip copied it without the repository): "
            "use pip >= 21.3, or build from an sdist" % HERE
        )


def check_headers(directories):
    try:
        missing = [package for header, package in HEADERS if not has_header(header, directories)]
    except OSError as error:
        sys.exit("stacktrace: no C compiler (%s): apt install gcc" % error)
    if missing:
        sys.exit("stacktrace: headers are missing: apt install %s" % " ".join(missing))


class checked_build_ext(build_ext):
    def run(self):
        check_machine()
        check_sources()
        check_headers(self.compiler_directories())
        super().run()

    def compiler_directories(self):
        return [sysconfig.get_paths()["include"], sysconfig.get_paths()["platinclude"]] + list(self.include_dirs)


check_sources()
setup(
    ext_modules=[
        Extension(
            "stacktrace._stacktrace",
            sources=sources(),
            depends=glob("src/*.h") + glob("include/pyprof/*.h") + glob("userspace/*/*.h") + glob("bpf/*.h"),
            include_dirs=["include", "userspace", "bpf", ".", "src"],
            define_macros=[("_GNU_SOURCE", None)] + [("Py_LIMITED_API", "0x03060000")] * IS_LIMITED,
            extra_compile_args=[
                "-std=gnu11",
                "-O2",
                "-g",
                "-fvisibility=hidden",
                "-ftls-model=initial-exec",
                "-ffunction-sections",
                "-Wno-unused-parameter",
            ],
            libraries=["unwind-x86_64", "unwind", "elf", "lzma", "z"],
            # A signal handler must not be the first to call a function: the dynamic linker would look for it there.
            extra_link_args=["-pthread", "-Wl,-z,now", "-Wl,--gc-sections", "-Wl,--exclude-libs,ALL"],
            py_limited_api=IS_LIMITED,
        )
    ],
    cmdclass={"build_ext": checked_build_ext},
    options={"bdist_wheel": {"py_limited_api": "cp36"}} if IS_LIMITED else {},
    # Of setuptools 40, as it comes with 3.6, which does not read pyproject.toml's [project].
    name="stacktrace",
    version="1.0.0",
    description="C stacks of any thread, and Python's frames in them, from within Python",
    long_description=open(os.path.join(HERE, "README.md"), encoding="utf-8").read(),
    long_description_content_type="text/markdown",
    license="GPL-2.0-only OR BSD-2-Clause",
    python_requires=">=3.6",
    packages=["stacktrace", "stacktrace.tools"],
    package_data={"stacktrace": ["py.typed", "*.pyi"]},
    zip_safe=False,
    classifiers=[
        "Operating System :: POSIX :: Linux",
        "Programming Language :: C",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Topic :: Software Development :: Debuggers",
    ],
)
