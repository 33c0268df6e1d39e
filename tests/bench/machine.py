# SPDX-License-Identifier: Apache-2.0
"""What the machine can do without any server, and what machine it is."""

import glob
import hashlib
import itertools
import os
import platform
import subprocess
import time

import load
from load import Result

HERE = os.path.dirname(os.path.abspath(__file__))
PIECE = 1 << 20


class Machine:
    """Stands in the table beside the servers: write and sync of the bytes they take."""

    name = 'write + fsync'
    takes_pushes = True
    is_registry = False
    is_machine = True

    def __init__(self, directory):
        self.directory = directory
        self._numbers = itertools.count()

    def write_and_sync(self, pieces):
        path = os.path.join(self.directory, f'written-{next(self._numbers)}')
        with open(path, 'wb') as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fdatasync(file.fileno())

    def remove_written(self):
        """Not while time is taken: no push removes anything."""
        for path in glob.glob(os.path.join(glob.escape(self.directory), 'written-*')):
            os.unlink(path)


def file_pieces(path):
    with open(path, 'rb', buffering=0) as file:
        while piece := file.read(PIECE):
            yield piece


def write_small(machine, blobs, threads):
    took = load.in_threads(lambda blob: machine.write_and_sync([blob[1]]), blobs, threads)
    machine.remove_written()
    return Result(len(blobs) / took, '/s')


def write_files(machine, files):
    took = load.in_threads(lambda file: machine.write_and_sync(file_pieces(file[0])), files,
                           len(files))
    machine.remove_written()
    return Result(took, 's')


def hash_file(path):
    digest = hashlib.sha256()
    began = time.monotonic()
    for piece in file_pieces(path):
        digest.update(piece)
    return Result(time.monotonic() - began, 's')


def processor():
    with open('/proc/cpuinfo', encoding='ascii', errors='replace') as file:
        return next((line.split(':')[1].strip() for line in file
                     if line.startswith('model name')), 'unknown processor')


def memory_gib():
    return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / (1 << 30)


def file_system(directory):
    """Like "ext4 on /dev/vda"."""
    done = subprocess.run(['findmnt', '-no', 'FSTYPE,SOURCE', '-T', directory], check=False,
                          stdout=subprocess.PIPE, text=True)
    return ' on '.join(done.stdout.split()[:2]) or 'unknown file system'


def commit():
    return subprocess.run(['git', '-C', HERE, 'describe', '--always', '--dirty'], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True).stdout.strip() or 'unknown commit'


def description(directory):
    return (f'{os.cpu_count()} cores ({processor()}), {memory_gib():.0f} GiB, '
            f'Linux {platform.release()}, {file_system(directory)}')
