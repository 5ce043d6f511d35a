# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is at an address of this process, as the C library and the files themselves say it; 64-bit ELF only."""

import ctypes
import os
import struct

from standing import libc

PT_LOAD, PT_NOTE, SHT_SYMTAB, SHT_DYNSYM, NT_GNU_BUILD_ID = 1, 4, 2, 11, 3


class _Info(ctypes.Structure):
    _fields_ = [
        ("dli_fname", ctypes.c_char_p),
        ("dli_fbase", ctypes.c_void_p),
        ("dli_sname", ctypes.c_char_p),
        ("dli_saddr", ctypes.c_void_p),
    ]


def dladdr(address):
    """(symbol, its start) of the loader, which knows the dynamic symbols only; (None, None) where it knows none."""
    info = _Info()
    if not libc.dladdr(ctypes.c_void_p(address), ctypes.byref(info)) or not info.dli_sname:
        return None, None
    return info.dli_sname.decode(), info.dli_saddr


class Mapping(object):
    def __init__(self, line):
        columns = line.split(None, 5)
        self.start, self.end = (int(number, 16) for number in columns[0].split("-"))
        self.is_executable = "x" in columns[1]
        self.offset = int(columns[2], 16)
        self.path = columns[5].strip() if len(columns) > 5 else ""


def read_mappings():
    with open("/proc/self/maps") as maps:
        return [Mapping(line) for line in maps]


def find_mapping(mappings, address):
    for mapping in mappings:
        if mapping.start <= address < mapping.end:
            return mapping
    return None


def plain(name):
    """Without what compilers and linkers append."""
    return name.split("@")[0].split(".")[0]


class File(object):
    """Segments and symbols of one ELF file: {vaddr: set of names}."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self._data = file.read()
        assert self._data[:5] == b"\x7fELF\x02"
        self._loads = []
        self.build_id = None
        self.symbols = {}
        phoff, shoff = struct.unpack_from("<QQ", self._data, 32)
        phnum, _, shnum = struct.unpack_from("<HHH", self._data, 56)
        for i in range(phnum):
            self._read_segment(struct.unpack_from("<IIQQQQQQ", self._data, phoff + 56 * i))
        sections = [struct.unpack_from("<IIQQQQIIQQ", self._data, shoff + 64 * i) for i in range(shnum)] if shoff else []
        for section in sections:
            if section[1] in (SHT_SYMTAB, SHT_DYNSYM):
                self._read_symbols(section, sections[section[6]])

    def _read_segment(self, segment):
        kind, _, offset, vaddr, _, size = segment[:6]
        if kind == PT_LOAD:
            self._loads.append((offset, vaddr, size))
        while kind == PT_NOTE and size >= 12:
            name_size, id_size, note = struct.unpack_from("<III", self._data, offset)
            begin = offset + 12 + (name_size + 3) // 4 * 4
            if note == NT_GNU_BUILD_ID and self._data[offset + 12 : offset + 15] == b"GNU":
                self.build_id = "".join("%02x" % byte for byte in bytearray(self._data[begin : begin + id_size]))
            step = begin - offset + (id_size + 3) // 4 * 4
            offset, size = offset + step, size - step

    def _read_symbols(self, section, strings):
        _, _, _, _, offset, size = section[:6]
        for at in range(offset, offset + size, 24):
            name, info, _, index, value, _ = struct.unpack_from("<IBBHQQ", self._data, at)
            if info & 15 not in (2, 10) or not index:  # STT_FUNC, STT_GNU_IFUNC
                continue
            begin = strings[4] + name
            text = self._data[begin : self._data.index(b"\0", begin)].decode()
            self.symbols.setdefault(value, set()).add(plain(text))

    def vaddr(self, offset):
        for begin, vaddr, size in self._loads:
            if begin <= offset < begin + size:
                return vaddr + offset - begin
        raise AssertionError("offset %#x is in no segment" % offset)


class Files(object):
    """The mapped files, each read once."""

    def __init__(self):
        self._files = {}
        self._mappings = read_mappings()

    def _file(self, path):
        if path not in self._files:
            self._files[path] = File(path)
            build_id = self._files[path].build_id or ""
            debug = "/usr/lib/debug/.build-id/%s/%s.debug" % (build_id[:2], build_id[2:])
            if os.path.exists(debug):
                for value, names in File(debug).symbols.items():
                    self._files[path].symbols.setdefault(value, set()).update(names)
        return self._files[path]

    def names_at(self, address):
        """(names of the functions that begin here, vaddr), or (set(), None) of what is in no file."""
        mapping = find_mapping(self._mappings, address)
        if not mapping or not mapping.path.startswith("/"):
            return set(), None
        file = self._file(mapping.path)
        vaddr = file.vaddr(address - mapping.start + mapping.offset)
        return file.symbols.get(vaddr, set()), vaddr

    def has_symbol(self, address, name):
        """Whether the file that is mapped here has a function of this name, wherever."""
        mapping = find_mapping(self._mappings, address)
        return any(name in names for names in self._file(mapping.path).symbols.values())

    def is_executable(self, address):
        mapping = find_mapping(self._mappings, address)
        return bool(mapping) and mapping.is_executable
