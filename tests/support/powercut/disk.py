# SPDX-License-Identifier: Apache-2.0
"""A disk that loses its power: what is certain at a time, and what may be there or not.

DESIGN: what is assumed of a file system is little, so that a state it never produces may be among
the states, but none it produces is missing:
- fsync of a file makes its bytes and its size durable that were written by calls which had ended
  before the fsync began; fsync of a directory the same of its entries. A rename is one step, made
  durable by its target's directory. A file is not durable by its directory, nor its name by its own
  fsync. A write with O_DSYNC makes its own bytes durable.
- Of bytes that were not synced each unit (a sector or a page) holds what one of the writes since the
  last sync left there, whichever, or what was there before; the size is one it had since.
- Of entries that were not synced any may be there, in any combination.
"""

import os
from dataclasses import dataclass

from powercut.recording import ENTRIES, Kind


class File:
    """Writes and truncations in order, of what was there: (call, whether it is durable)."""

    def __init__(self, content=b''):
        self._synced = bytearray(content)   # with all calls before those in `calls`
        self.calls = []

    def add(self, op, is_durable):
        if is_durable and not self.calls:
            apply(self._synced, op)
        else:
            self.calls.append((op, is_durable))

    def sync(self, before):
        """All that ended before that number is durable."""
        while self.calls and self.calls[0][0].end < before:
            apply(self._synced, self.calls.pop(0)[0])

    def synced(self):
        """The content before the first call that is in doubt; the caller's own."""
        return bytearray(self._synced)


@dataclass(frozen=True)
class Entry:
    """A file or, without content, a directory that was there from the beginning."""

    inode: int
    content: bytes | None


def entries_under(directory):
    """{path: Entry} of all that is there, '' for itself; sockets are left out."""
    found = {'': Entry(os.stat(directory).st_ino, None)}
    for parent, folders, files in os.walk(directory):
        for name in folders + files:
            path = os.path.join(parent, name)
            content = None
            if name in files:
                if not os.path.isfile(path):
                    continue
                with open(path, 'rb') as file:
                    content = file.read()
            found[os.path.relpath(path, directory)] = Entry(os.stat(path).st_ino, content)
    return found


class Folder:
    """An identity; its entries are in the changes of the disk."""


class Change:
    """Entries that change together. `home` is the directory whose sync makes it durable."""

    def __init__(self, op, home, entries):
        self.op = op
        self.home = home
        self.entries = entries   # (folder, name, what it names or None)
        self.is_durable = False


def apply(content, op):
    """One call on a bytearray."""
    if op.kind == Kind.TRUNCATE:
        if op.offset < len(content):
            del content[op.offset:]
        content.extend(bytes(op.offset - len(content)))
        return
    if op.offset > len(content):
        content.extend(bytes(op.offset - len(content)))
    content[op.offset:op.offset + len(op.data)] = op.data


class Disk:
    """What calls that began before `time` have done. A sync for which `ignores` is true counts for
    nothing. `initial` is what was there and durable: the Entry of each path, '' is the directory
    above all that matters."""

    def __init__(self, initial, ops, time, ignores=lambda op: False):
        self.changes = []
        self._nodes = {entry.inode: Folder() if entry.content is None else File(entry.content)
                       for entry in initial.values()}
        self.root = self._nodes[initial[''].inode]
        self._initial = {}
        for path, entry in initial.items():
            if path != '':
                parent, _, name = path.rpartition('/')
                folder = self._nodes[initial[parent].inode]
                self._initial.setdefault(folder, {})[name] = self._nodes[entry.inode]
        for op in ops:
            # A sync that has not returned promises nothing.
            has_ended = op.end < time
            if op.begin >= time:
                continue
            if op.kind in ENTRIES:
                self._change(op)
            elif op.kind != Kind.SYNC:
                self._write(op, has_ended)
            elif has_ended and not ignores(op):
                self._sync(op)

    def _write(self, op, has_ended):
        node = self._nodes.get(op.inode)
        if isinstance(node, File):
            node.add(op, op.is_synced and has_ended)

    def _change(self, op):
        folder = self._nodes.get(op.directory)
        if op.kind in (Kind.CREATE, Kind.MKDIR):
            # The number may be that of a file which is gone.
            self._nodes[op.inode] = File() if op.kind == Kind.CREATE else Folder()
            self._add(op, folder, [(folder, op.name, self._nodes[op.inode])])
        elif op.kind == Kind.UNLINK:
            self._add(op, folder, [(folder, op.name, None)])
        else:
            target = self._nodes.get(op.directory_to)
            entries = [(target, op.name_to, self._nodes.get(op.inode))]
            if op.kind == Kind.RENAME:
                entries.insert(0, (folder, op.name, None))
            self._add(op, target, entries)

    def _add(self, op, home, entries):
        entries = [entry for entry in entries if entry[0] is not None]
        if entries:
            self.changes.append(Change(op, home, entries))

    def _sync(self, op):
        node = self._nodes.get(op.inode)
        if isinstance(node, File):
            node.sync(op.begin)
        elif node is not None:
            for change in self.changes:
                if change.home is node and change.op.end < op.begin:
                    change.is_durable = True

    def pending_changes(self):
        return [change for change in self.changes if not change.is_durable]

    def tree(self, kept):
        """folder -> {name: node}, of what is durable and of the changes `kept`."""
        folders = {folder: dict(entries) for folder, entries in self._initial.items()}
        for change in self.changes:
            if change.is_durable or change in kept:
                for folder, name, node in change.entries:
                    entries = folders.setdefault(folder, {})
                    if node is None:
                        entries.pop(name, None)
                    else:
                        entries[name] = node
        return folders
