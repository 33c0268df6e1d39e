# SPDX-License-Identifier: Apache-2.0
"""Pulls and pushes mixed for minutes: what the slow ones of many wait."""

import os

import load
import seeding
from content import REPOSITORY
from load import Result
from peers import Distribution, DockerRegistry, Tidemark
from scene import Case, Scene

CONNECTIONS = 32
PUSH_PERCENT = 10
BLOB_BYTES = 16 << 10
PEERS_SHARE = 3  # of the time: enough pulls for a p99.9, and a run that ends in time
PERCENTILES = {'p50': 'p50_us', 'p99': 'p99_us', 'p999': 'p999_us'}


def mixed(peer, content, options):
    """A pull is a manifest and its blobs of 1 KiB and 1 MiB; a push a new blob and a manifest."""
    seconds = options.mixed if peer.name == Tidemark.name else options.mixed // PEERS_SHARE
    told, cpu_us = load.http_load(
        peer, CONNECTIONS, max(seconds, 1), 'mixed', REPOSITORY, str(PUSH_PERCENT),
        str(BLOB_BYTES), os.urandom(4).hex(), content.manifest_target(),
        content.blob_target('1 KiB'), content.blob_target('1 MiB'))
    results = {'mixed': Result(told['pull']['rate'] + told['push']['rate'], '/s', cpu_us,
                               errors=told['errors'])}
    for kind in ('pull', 'push'):
        for name, field in PERCENTILES.items():
            results[f'mixed-{kind}-{name}'] = Result(told[kind][field] / 1000, 'ms')
    return results


def scenes(_scale):
    names = {'mixed': 'mixed load: pulls and pushes'}
    for kind in ('pull', 'push'):
        for name in PERCENTILES:
            names[f'mixed-{kind}-{name}'] = f'mixed load: {name.replace("999", "99.9")} of a {kind}'
    return (Scene((Case(names, mixed),), (Tidemark, Distribution, DockerRegistry),
                  after=seeding.push_content, once=True),)
