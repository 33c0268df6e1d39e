# SPDX-License-Identifier: Apache-2.0
"""File systems of a case's own, in a mount namespace that ends with the test program."""

import ctypes
import os

from tap import NotRun

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
MS_RDONLY = 0x1
MS_REMOUNT = 0x20
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 0x2

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f'{what}: {os.strerror(error)}')


def _mount(source, target, kind, flags, options):
    encoded = [None if text is None else text.encode() for text in (source, target, kind, options)]
    _check(_libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3]),
           f'mount {target}')


def _write(path, text):
    with open(path, 'w', encoding='ascii') as file:
        file.write(text)


def _enter():
    if os.geteuid() == 0:
        _check(_libc.unshare(CLONE_NEWNS), 'unshare')
    else:
        # In a user namespace of one's own everybody may mount, where the system allows those.
        user, group = os.geteuid(), os.getegid()
        _check(_libc.unshare(CLONE_NEWUSER | CLONE_NEWNS), 'unshare')
        _write('/proc/self/setgroups', 'deny')
        _write('/proc/self/uid_map', f'0 {user} 1')
        _write('/proc/self/gid_map', f'0 {group} 1')
    _mount(None, '/', None, MS_REC | MS_PRIVATE, None)


_refused = None


def enter():
    """Once, before any thread is started: gives the program its own mounts, if it may."""
    global _refused
    try:
        _enter()
    except OSError as error:
        _refused = f'mounting is not allowed here ({error}); run as root'


def require():
    """NotRun where nothing can be mounted."""
    if _refused is not None:
        raise NotRun(_refused)


def tmpfs(path, size, inodes=0):
    """A file system of `size` bytes at `path`, which is made when absent."""
    require()
    os.makedirs(path, exist_ok=True)
    _mount('tmpfs', path, 'tmpfs', 0, f'size={size},nr_inodes={inodes},mode=0700')


def resize(path, size):
    _mount(None, path, None, MS_REMOUNT, f'size={size}')


def set_read_only(path, read_only=True):
    _mount(None, path, None, MS_REMOUNT | (MS_RDONLY if read_only else 0), None)


def unmount(path):
    _check(_libc.umount2(path.encode(), 0), f'umount {path}')


def leave_none_below(directory):
    """Takes away what others (container engines) have left mounted there, so that it can be removed."""
    with open('/proc/self/mounts', encoding='utf-8') as file:
        points = [line.split()[1] for line in file]
    for point in sorted(points, reverse=True):
        if point.startswith(directory + '/'):
            _libc.umount2(point.encode(), MNT_DETACH)
