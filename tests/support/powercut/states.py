# SPDX-License-Identifier: Apache-2.0
"""One legal state of a disk after a loss of power, chosen by a number."""

import hashlib
import os
import random

from powercut.disk import File, Folder, apply
from powercut.recording import Kind

UNITS = (512, 4096)

# The first choices are the corners; all others are drawn.
NOTHING, EVERYTHING, NAMES_ONLY, BYTES_ONLY = range(4)


class Choice:
    """Decides about everything that is not durable at `time`, always in the same way."""

    def __init__(self, number, time=0):
        self.number = number
        self._random = random.Random(f'{number} {time}')
        self._unit = self._random.choice(UNITS)
        self._order = self._random.choice(('journal', 'folders', 'any'))
        self._share = self._random.choice((0.1, 0.5, 0.9))

    def changes(self, disk):
        """Those that are on the disk."""
        pending = disk.pending_changes()
        if self.number in (EVERYTHING, NAMES_ONLY):
            return set(pending)
        if self.number in (NOTHING, BYTES_ONLY):
            return set()
        if self._order == 'journal':
            return set(pending[:self._random.randint(0, len(pending))])
        if self._order == 'any':
            return {change for change in pending if self._random.random() < self._share}
        kept = set()
        for home in dict.fromkeys(change.home for change in pending):
            of_home = [change for change in pending if change.home is home]
            kept.update(of_home[:self._random.randint(0, len(of_home))])
        return kept

    def content(self, file):
        way = self._random.choice(('none', 'all', 'some', 'some'))
        if self.number in (NOTHING, NAMES_ONLY):
            way = 'none'
        elif self.number in (EVERYTHING, BYTES_ONLY):
            way = 'all'
        if way == 'some':
            return self._torn(file)
        content = file.synced()
        for op, is_durable in file.calls:
            if is_durable or way == 'all':
                apply(content, op)
        return bytes(content)

    def _torn(self, file):
        """Each unit as one of the writes left it, or as it was."""
        least, most = file.synced(), file.synced()   # without and with what is in doubt
        sizes, versions = [len(least)], {}
        for op, is_durable in file.calls:
            first, end = _touched(op, len(most))
            apply(most, op)
            if is_durable:
                apply(least, op)
                sizes = [len(least)]
            sizes.append(len(most))
            for unit in range(first // self._unit, -(-end // self._unit)):
                part = slice(unit * self._unit, (unit + 1) * self._unit)
                if is_durable or unit not in versions:
                    versions[unit] = [bytes(least[part])]
                versions[unit].append(bytes(most[part]))
        size = self._random.choice((sizes[0], sizes[-1], self._random.choice(sizes)))
        content = bytearray(least[:size].ljust(size, b'\0'))
        for unit, each in versions.items():
            # Only as much as the size covers.
            at = unit * self._unit
            n = min(self._unit, size - at)
            if n > 0:
                one = each[0] if self._random.random() > self._share else self._random.choice(each)
                content[at:at + n] = one[:n].ljust(n, b'\0')
        return bytes(content)


def _touched(op, size):
    """The bytes that a call changes: (first, end)."""
    if op.kind == Kind.TRUNCATE:
        return min(size, op.offset), max(size, op.offset)
    return min(size, op.offset), op.offset + len(op.data)


class State:
    """{path: bytes, or None of a directory}"""

    def __init__(self, disk, choice):
        self.entries = {}
        kept = choice.changes(disk)
        self._walk(disk.tree(kept), disk.root, '', choice)

    def _walk(self, folders, folder, prefix, choice):
        for name, node in sorted(folders.get(folder, {}).items()):
            path = os.path.join(prefix, name)
            if isinstance(node, Folder):
                self.entries[path] = None
                self._walk(folders, node, path, choice)
            elif isinstance(node, File):
                self.entries[path] = choice.content(node)

    def digest(self):
        whole = hashlib.sha256()
        for path, content in self.entries.items():
            whole.update(f'{path}\0{-1 if content is None else len(content)}\0'.encode())
            whole.update(content or b'')
        return whole.hexdigest()

    def write(self, target):
        for path, content in self.entries.items():
            path = os.path.join(target, path)
            if content is None:
                os.mkdir(path, 0o700)
            else:
                with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), 'wb') as file:
                    file.write(content)
