# SPDX-License-Identifier: Apache-2.0
"""What the server uses while a soak goes on, and whether that grows."""

import os
import statistics
import threading
import time
from dataclasses import dataclass

import check
import http1
from scenario import metric
from tap import NotRun, note

EVERY_SECONDS = 2
# A life of the process with fewer samples shows nothing.
LEAST_SAMPLES = 40
MIB = 1024


@dataclass
class Sample:
    life: int        # which process; they count from 0
    memory_kib: int
    descriptors: int
    threads: int
    stored: int      # bytes of all blob files
    index: int       # bytes of the index in use
    events: int      # in the log


class Sampler(threading.Thread):
    """Takes samples until `world` is over; not while it rests or the server is restarted."""

    def __init__(self, world):
        super().__init__(name='sampler', daemon=True)
        self.world = world
        self.samples = []

    def run(self):
        while not self.world.is_over:
            epoch = self.world.epoch()
            try:
                one = take(self.world.server, epoch // 2)
                if not self.world.is_resting() and not self.world.was_disturbed(epoch):
                    self.samples.append(one)
            # AttributeError: there is no address while it starts.
            except (OSError, http1.Closed, AssertionError, AttributeError) as error:
                if not self.world.was_disturbed(epoch):
                    self.world.fault(f'sampler: {error!r}')
            time.sleep(EVERY_SECONDS)

    def write(self, path):
        with open(path, 'w', encoding='ascii') as file:
            file.write(' '.join(Sample.__annotations__) + '\n')
            for sample in self.samples:
                file.write(' '.join(str(value) for value in vars(sample).values()) + '\n')


def take(server, life):
    process = f'/proc/{server.process.pid}'
    return Sample(life, server.memory_kib(), len(os.listdir(f'{process}/fd')),
                  len(os.listdir(f'{process}/task')), bytes_under(f'{server.data}/blobs'),
                  int(metric(server, 'tidemark_index_used_bytes')),
                  int(metric(server, 'tidemark_event_last')))


def bytes_under(folder):
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(parent, name)).st_size
            except FileNotFoundError:
                pass # moved meanwhile
    return total


# ---- Growth

def median(samples, name):
    return statistics.median(getattr(sample, name) for sample in samples)


def check_growth(samples):
    """The last quarter of each life of the process beside its second one: the first is for pools and
    caches to fill. What the log of events takes is its job, so the index may grow by that."""
    lives = {}
    for sample in samples:
        lives.setdefault(sample.life, []).append(sample)
    judged = {life: own for life, own in lives.items() if len(own) >= LEAST_SAMPLES}
    if not judged:
        raise NotRun('no process lived long enough to show growth; give it more minutes')
    for life, own in judged.items():
        _check_life(life, own)


def _check_life(life, own):
    quarter = len(own) // 4
    early, late = own[quarter:2 * quarter], own[-quarter:]
    words = [f'life {life}, {len(own) * EVERY_SECONDS // 60} min, second quarter -> last:']
    limits = {'memory_kib': lambda was: was * 1.1 + 8 * MIB, 'descriptors': lambda was: was + 15,
              'threads': lambda was: was, 'stored': lambda was: was * 1.02 + 4 * MIB * MIB}
    failures = []
    for name, limit in limits.items():
        was, now = median(early, name), median(late, name)
        words.append(f'{name} {was:.0f} -> {now:.0f}')
        if now > limit(was):
            failures.append(name)
    events = late[-1].events - early[0].events
    bytes_each = (late[-1].index - early[0].index) / max(1, events)
    words.append(f'index bytes per event {bytes_each:.0f}')
    if events > 1000 and bytes_each > 400:
        failures.append('index')
    note(', '.join(words))
    check.equal(failures, [], 'what has grown')
