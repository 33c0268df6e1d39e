# SPDX-License-Identifier: Apache-2.0
"""The other side of tests/support/fault_calls.c: says which call of a running program is to fail,
and reads what became of it."""

import mmap
import os
import shutil
import struct
import subprocess
import time

ALLOC, FIXED, CALL, POINT = 1, 2, 4, 8
KINDS = {'alloc': ALLOC, 'fixed': FIXED, 'call': CALL, 'put': POINT}
WAYS = ('hard', 'full', 'short', 'intr', 'again')

_LAYOUT = struct.Struct('=IIIIQ32sqQQ32s16siI24QII24Q')
_OFFSET = {'is_armed': 0, 'kinds': 4, 'n': 16, 'only': 24, 'wall': 56, 'count': 64, 'fired': 72}


class Hit:
    """The call that failed first."""

    def __init__(self, fields):
        self.count, self.fired = fields[7], fields[8]
        self.name = fields[9].rstrip(b'\0').decode()
        self.thread = fields[10].rstrip(b'\0').decode()
        self.sys = fields[11]
        self.stack = fields[13:13 + fields[12]]
        self.last = fields[39:39 + fields[37]]

    def __str__(self):
        what = os.strerror(self.sys) if self.sys > 0 else 'a short count'
        return f'{self.name} in {self.thread}: {what}'

    def where(self, program, stack=None):
        """The functions of the program that led to it, the innermost first; with `stack=hit.last`
        to the last call that failed."""
        if shutil.which('addr2line') is None:
            return ''
        size = os.path.getsize(program)
        stack = self.stack if stack is None else stack
        addresses = [hex(address - 1) for address in stack if address < size * 4]
        result = subprocess.run(['addr2line', '-sfe', program, *addresses], check=False,
                                stdout=subprocess.PIPE, text=True)
        lines = result.stdout.splitlines()
        pairs = zip(lines[::2], lines[1::2])
        own = [f'{name} ({line})' for name, line in pairs
               if name != '??' and not line.startswith('fault_calls.c')]
        return ' <- '.join(own[:12])


class FaultCalls:
    """The shared page of one server, which must be started with `prepare` done."""

    def __init__(self):
        self._page = None
        self._file = None

    def prepare(self, server):
        """For scenario.serving."""
        path = os.path.join(server.directory, 'fault-calls')
        server.environment['FAULT_CALLS'] = path
        self._file = open(path, 'w+b')
        self._file.truncate(_LAYOUT.size)
        self._page = mmap.mmap(self._file.fileno(), _LAYOUT.size)
        return self.close

    def close(self):
        self._page.close()
        self._file.close()

    def _put(self, name, form, *values):
        struct.pack_into(form, self._page, _OFFSET[name], *values)

    def arm(self, n, kind, way='hard', sticky=False, only=''):
        """The n-th allocation, call or put from now on fails, and with `sticky` all after it (of calls,
        those of the same name)."""
        self.disarm()
        self._page[_OFFSET['count']:_LAYOUT.size] = bytes(_LAYOUT.size - _OFFSET['count'])
        self._put('n', '=Q32s', n, only.encode())
        self._put('kinds', '=III', KINDS[kind], WAYS.index(way), int(sticky))
        self._put('is_armed', '=I', 1)

    def disarm(self):
        self._put('is_armed', '=I', 0)

    def hit(self):
        return Hit(_LAYOUT.unpack_from(self._page, 0))

    def count(self):
        return struct.unpack_from('=Q', self._page, _OFFSET['count'])[0]

    def settle(self):
        """Waits until nothing more of what was begun is counted."""
        before, still = self.count(), 0
        while still < 3:
            time.sleep(0.001)
            now = self.count()
            still = still + 1 if now == before else 0
            before = now

    def step_wall(self, seconds):
        """What the server's clock on the wall shows from now on, beside the time."""
        self._put('wall', '=q', int(seconds * 1000))
