# SPDX-License-Identifier: Apache-2.0
"""Memory of the server: idle, with many idle connections, with many pushes at once."""

import os
import resource
import time

import http1
import load
from content import MIB
from load import Result, not_measured
from memory import Peak
from peers import Distribution, Nginx, Tidemark
from scene import Scene, case

SETTLE_SECONDS = 1
ENOUGH = 0.9  # of the connections that were wanted


def of(memory):
    return Result(memory[0] / MIB, 'MiB', memory=memory)


def idle(peer, _content, _options):
    time.sleep(SETTLE_SECONDS)
    return of(peer.memory())


def raise_open_files(wanted):
    """The servers inherit it. Some count on two files for each connection. More than the hard limit
    only root gets; without, the case says so."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, hard), max(wanted, hard)))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def open_files_max():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def is_served(peer, connection):
    try:
        return connection.request('GET', peer.ready_target).status < 500
    except (OSError, http1.Closed):
        return False


def connect(peer, count):
    """As many as are served, up to `count`; each has had one answer."""
    connections = []
    while len(connections) < count:
        connection = http1.Connection(peer.address)
        if not is_served(peer, connection):
            connection.close()
            break
        connections.append(connection)
    return connections


def idle_connections(count):
    def run(peer, _content, _options):
        connections = connect(peer, min(count, open_files_max() - 100))
        try:
            time.sleep(SETTLE_SECONDS)
            result = of(peer.memory())
            # They are still served, or the figure would be one of fewer.
            if not all(is_served(peer, connection) for connection in connections):
                return not_measured('connections were lost')
        finally:
            for connection in connections:
                connection.close()
        if len(connections) < count:
            result.note = (f'{len(connections):,} connections: no more go into '
                           f'{open_files_max():,} open files')
        return result if len(connections) >= ENOUGH * count else not_measured(result.note)
    return run


def parallel_pushes(count, mib):
    """The same bytes to a repository each: what is measured is bytes on their way."""
    def run(peer, content, _options):
        path, digest = content.fresh_file(mib * MIB)
        try:
            with Peak(peer.memory) as watch:
                load.in_threads(
                    lambda number: load.push_with_curl(peer, f'crowd/{number}', path, digest),
                    range(count), count)
            return of(watch.peak)
        finally:
            os.unlink(path)
    return run


def scenes(scale):
    return (
        Scene((case('memory-idle', 'memory, idle after the start', idle),
               case('memory-connections', f'memory, {scale.idle:,} idle connections',
                    idle_connections(scale.idle))),
              kinds=(Tidemark, Nginx, Distribution),
              before=lambda *_: raise_open_files(4 * scale.idle),
              once=True),
        Scene((case('memory-pushes',
                    f'memory, most during {scale.crowd} pushes of {scale.crowd_mib} MiB at once',
                    parallel_pushes(scale.crowd, scale.crowd_mib)),),
              kinds=(Tidemark, Distribution), once=True),
    )
