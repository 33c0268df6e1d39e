# SPDX-License-Identifier: Apache-2.0
"""What a server did to its files, as recorder.c wrote it down; times are numbers of one counter."""

import enum
import mmap
import os
import struct
from dataclasses import dataclass

from ledger import Ledger
from server import binary

_HEAD = struct.Struct('<QQIIQQQQIIQ')
_COUNTER = struct.Struct('<Q')


class Kind(enum.IntEnum):
    CREATE = 1
    MKDIR = 2
    RENAME = 3
    LINK = 4
    UNLINK = 5
    WRITE = 6
    TRUNCATE = 7
    SYNC = 8


ENTRIES = {Kind.CREATE, Kind.MKDIR, Kind.RENAME, Kind.LINK, Kind.UNLINK}


@dataclass(frozen=True)
class Op:
    """One call that succeeded. `inode` of what it was done to (0 of an UNLINK); `name` in
    `directory`, and where it went; `offset` is the new size of a TRUNCATE."""

    begin: int
    end: int
    kind: Kind
    is_synced: bool
    inode: int
    directory: int
    directory_to: int
    offset: int
    name: str
    name_to: str
    data: bytes

    @property
    def site(self):
        """Who asked for a SYNC: "program+0x12 library+0x34", the innermost first."""
        return self.name

    def __str__(self):
        if self.kind == Kind.SYNC:
            return f'SYNC of {self.inode}'
        where = f'{len(self.data)} bytes at {self.offset}' if self.kind in (
            Kind.WRITE, Kind.TRUNCATE) else f'{self.name} {self.name_to}'.strip()
        return f'{self.kind.name} {where}'


def read_ops(path):
    """All of a log, in the order in which the calls ended."""
    with open(path, 'rb') as file:
        log = file.read()
    ops, at = [], 0
    while at < len(log):
        (begin, end, kind, is_synced, inode, directory, directory_to, offset, name_n, name_to_n,
         data_n) = _HEAD.unpack_from(log, at)
        at += _HEAD.size
        name, name_to, data = (log[at:at + name_n], log[at + name_n:at + name_n + name_to_n],
                               log[at + name_n + name_to_n:at + name_n + name_to_n + data_n])
        at += name_n + name_to_n + data_n
        ops.append(Op(begin, end, Kind(kind), bool(is_synced), inode, directory, directory_to,
                      offset, name.decode(), name_to.decode(), data))
    return sorted(ops, key=lambda op: op.end)


class Recorder:
    """Records servers that are started with `environment`; `directory` is for its two files.

    `preload` goes before the recorder: what it keeps from the kernel is not recorded.
    """

    def __init__(self, directory, preload=(), environment=None):
        self._log = os.path.join(directory, 'recording')
        counter = os.path.join(directory, 'counter')
        with open(self._log, 'wb'), open(counter, 'wb') as file:
            file.write(bytes(_COUNTER.size))
        with open(counter, 'rb') as file:
            self._counter = mmap.mmap(file.fileno(), _COUNTER.size, prot=mmap.PROT_READ)
        self.environment = {'LD_PRELOAD': ' '.join([*preload, library()]),
                            'POWERCUT_LOG': self._log, 'POWERCUT_COUNTER': counter,
                            **(environment or {})}

    def now(self):
        return _COUNTER.unpack_from(self._counter)[0]

    def ops(self):
        return read_ops(self._log)


def library():
    return os.path.join(os.path.dirname(binary()), 'tests', 'support', 'powercut', 'recorder.so')


class TimedLedger(Ledger):
    """Keeps what was promised at each time, from `first` on: `history` is of (since, Ledger)."""

    def __init__(self, recorder, first=None):
        super().__init__()
        if first is not None:
            vars(self).update(vars(first.copy()))
        self._recorder = recorder
        self.history = [(0, self.copy())]

    def now(self):
        return self._recorder.now()

    def changed(self):
        """Before a request is sent, and after its answer: what it did lies between the two."""
        self.history.append((self.now(), self.copy()))
