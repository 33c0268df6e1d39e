# SPDX-License-Identifier: Apache-2.0
"""Manifest PUT, lists and starting, in a registry that holds little and in one that holds a lot."""

import os
import statistics
import time

import http1
import load
import seeding
from content import EMPTY, EMPTY_DIGEST, REPOSITORY, TAG
from image import OCI_MANIFEST
from load import Result
from peers import Distribution, DockerRegistry, Tidemark
from scale import count
from scene import Case, Scene, case

CONNECTIONS = 64
STARTS = 5


def put_manifests(peer, _content, options):
    return load.wrk(peer, '/', CONNECTIONS, options.seconds, lua='put_manifest.lua',
                    arguments=[REPOSITORY, EMPTY_DIGEST, os.urandom(4).hex()])


def get_manifest(peer, _content, options):
    return load.wrk(peer, f'/v2/{REPOSITORY}/manifests/{TAG}', CONNECTIONS, options.seconds)


def tags_page(peer, _content, options):
    return load.wrk(peer, f'/v2/{REPOSITORY}/tags/list?n=100', CONNECTIONS, options.seconds)


def referrers_page(peer, _content, options):
    """The first page, as long as the server makes it."""
    subject = http1.request(peer.address, 'GET', f'/v2/{REPOSITORY}/manifests/subject',
                            {'Accept': OCI_MANIFEST}).field('docker-content-digest')
    target = f'/v2/{REPOSITORY}/referrers/{subject or EMPTY_DIGEST}'
    if http1.request(peer.address, 'GET', target).status == 404:
        return load.not_measured('has no such API')
    return load.wrk(peer, target, CONNECTIONS, options.seconds)


def first_get(peer):
    began = time.monotonic()
    answer = http1.request(peer.address, 'GET', f'/v2/{REPOSITORY}/manifests/{TAG}',
                           {'Accept': OCI_MANIFEST})
    if answer.status != 200:
        raise RuntimeError(f'{peer.name}: GET after the start: {answer.status}')
    return time.monotonic() - began


def start_again(peer, _content, _options):
    """From exec to ready, and to the first manifest served; the files are in the page cache."""
    ready, served = [], []
    for _ in range(STARTS):
        peer.stop()
        ready.append(peer.start())
        served.append(ready[-1] + first_get(peer))
    return {'start': Result(statistics.median(ready) * 1000, 'ms'),
            'start-get': Result(statistics.median(served) * 1000, 'ms')}


def before(tags, referrers):
    """Files for those that are seeded with their server down."""
    def run(peer, _content):
        if peer.name == Tidemark.name:
            seeding.seed(peer.data(), 'tags', REPOSITORY, 1, tags)
            seeding.seed(peer.data(), 'referrers', REPOSITORY, referrers)
    return run


def after(tags):
    """A tag TAG, and for distribution all others, beside it on its disk."""
    def run(peer, content):
        load.BlobPusher(peer, REPOSITORY)((EMPTY_DIGEST, EMPTY))
        seeding.push_manifest(peer, content.small_manifest)
        if peer.name != Tidemark.name:
            seeding.write_distribution_tags(peer.data(), tags)
    return run


def scenes(scale):
    few, many = count(scale.few_tags), count(scale.many_tags)
    of_few = (case('put-few', f'manifest PUT, 64 connections, from {few} tags on', put_manifests),)
    of_many = (
        case('get-many', f'manifest GET by tag among {many} tags', get_manifest),
        case('tags-page', f'tags page of 100 out of {many}', tags_page),
        case('referrers', f'referrers of a subject with {count(scale.referrers)}: first page',
             referrers_page),
        case('put-many', f'manifest PUT, 64 connections, from {many} tags on', put_manifests),
    )
    starting = (Case({'start': f'start with {many} manifests, to ready',
                      'start-get': f'start with {many} manifests, to the first one served'},
                     start_again),)
    return (Scene(of_few, (Tidemark, Distribution, DockerRegistry),
                  before(scale.few_tags, 1), after(scale.few_tags)),
            Scene(starting + of_many, (Tidemark, Distribution),
                  before(scale.many_tags, scale.referrers), after(scale.many_tags)))
