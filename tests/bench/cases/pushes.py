# SPDX-License-Identifier: Apache-2.0
"""Pushes of blobs, beside the machine writing and syncing the same bytes."""

import os

import load
import machine
from content import MIB, REPOSITORY
from load import Cpu, Result
from machine import Machine
from peers import Distribution, DockerRegistry, Tidemark
from scene import Scene, case

SMALL_CONNECTIONS = 16


def put_small_blobs(peer, _content, options):
    blobs = [load.with_digest(os.urandom(MIB)) for _ in range(options.scale.small_blobs)]
    if peer.is_machine:
        return machine.write_small(peer, blobs, SMALL_CONNECTIONS)
    with Cpu(peer) as cpu:
        took = load.in_threads(load.BlobPusher(peer, REPOSITORY), blobs, SMALL_CONNECTIONS)
    return Result(len(blobs) / took, '/s', cpu.us_each(len(blobs)))


def put_files(mib, count):
    def run(peer, content, _options):
        files = [content.fresh_file(mib * MIB) for _ in range(count)]
        try:
            if peer.is_machine:
                return machine.write_files(peer, files)
            with Cpu(peer) as cpu:
                took = load.in_threads(
                    lambda file: load.push_with_curl(peer, REPOSITORY, *file), files, count)
            return Result(took, 's', cpu.us_each(count))
        finally:
            for path, _digest in files:
                os.unlink(path)
    return run


def hash_once(mib):
    def run(_machine, content, _options):
        path, _digest = content.fresh_file(mib * MIB)
        try:
            return machine.hash_file(path)
        finally:
            os.unlink(path)
    return run


def scenes(scale):
    blobs = (
        case('put-1m', f'blob PUT 1 MiB, {SMALL_CONNECTIONS} connections', put_small_blobs),
        case('put-large', f'blob PUT {scale.large_mib} MiB, 1 connection',
             put_files(scale.large_mib, 1)),
        case('put-wide', f'blob PUT {scale.wide_mib} MiB, {scale.wide} connections',
             put_files(scale.wide_mib, scale.wide)),
    )
    hashing = case('sha256', f'one SHA-256 pass over {scale.large_mib} MiB',
                   hash_once(scale.large_mib))
    return (Scene(blobs, kinds=(Tidemark, Machine, Distribution, DockerRegistry)),
            Scene((hashing,), kinds=(Machine,)))
