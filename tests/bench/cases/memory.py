# SPDX-License-Identifier: Apache-2.0
"""Memory of the server: idle, with many idle connections, with many pushes at once."""

import os
import resource
import time

import http1
import load
from content import MIB
from load import Result, not_measured
from peers import Distribution, Nginx, PeakMemory, Tidemark
from scene import Scene, case

SETTLE_SECONDS = 1


def of(memory):
    return Result(memory[0] / MIB, 'MiB', memory=memory)


def idle(peer, _content, _options):
    time.sleep(SETTLE_SECONDS)
    return of(peer.memory())


def raise_open_files():
    """The servers inherit it. Returns how many this process may open."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def idle_connections(count):
    """Each has had one answer before it is left alone."""
    def run(peer, _content, _options):
        most = raise_open_files()
        if most < count + 100:
            return not_measured(f'only {most} open files are allowed here')
        connections = []
        try:
            for _ in range(count):
                connections.append(http1.Connection(peer.address))
                connections[-1].request('GET', peer.ready_target)
            time.sleep(SETTLE_SECONDS)
            memory = peer.memory()
            # All are still open, or the figure is one of something else.
            for connection in connections:
                connection.request('GET', peer.ready_target)
            return of(memory)
        finally:
            for connection in connections:
                connection.close()
    return run


def parallel_pushes(count, mib):
    """The same bytes to a repository each: what is measured is bytes on their way."""
    def run(peer, content, _options):
        path, digest = content.fresh_file(mib * MIB)
        try:
            with PeakMemory(peer) as watch:
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
              kinds=(Tidemark, Nginx, Distribution), before=lambda *_: raise_open_files(),
              once=True),
        Scene((case('memory-pushes',
                    f'memory, most during {scale.crowd} pushes of {scale.crowd_mib} MiB at once',
                    parallel_pushes(scale.crowd, scale.crowd_mib)),),
              kinds=(Tidemark, Distribution), once=True),
    )
