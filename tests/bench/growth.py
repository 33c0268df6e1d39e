# SPDX-License-Identifier: Apache-2.0
"""What a request costs as the registry grows: of Tidemark alone, one data directory that is filled
further between the looks. No figure should follow the number of tags."""

import load
import seeding
from cases import lists
from content import EMPTY_DIGEST, REPOSITORY
from load import Result
from peers import Tidemark
from scale import count

CONNECTIONS = 64
TO_DELETE = 4000
REFERRERS_MIN = 1000  # a whole page


def with_http_load(peer, seconds, *arguments):
    told, cpu_us = load.http_load(peer, CONNECTIONS, seconds, *arguments)
    return Result(told['pull']['rate'], '/s', cpu_us, errors=told['errors'])


def get_manifest(peer, size, options):
    return load.wrk(peer, '/', CONNECTIONS, options.seconds, lua='get_tags.lua',
                    arguments=[REPOSITORY, str(size)])


def head_blob(peer, _size, options):
    return with_http_load(peer, options.seconds, 'repeat', 'HEAD',
                          f'/v2/{REPOSITORY}/blobs/{EMPTY_DIGEST}')


def tags_page(peer, size, options):
    """Out of the middle."""
    last = seeding.tag_name(size // 2)
    return load.wrk(peer, f'/v2/{REPOSITORY}/tags/list?n=100&last={last}', CONNECTIONS,
                    options.seconds)


def referrers_page(peer, _size, options):
    return lists.referrers_page(peer, None, options)


def delete_tags(peer, size, options):
    """Those that were put there for it."""
    return with_http_load(peer, options.seconds * 10, 'each', 'DELETE',
                          f'/v2/{REPOSITORY}/manifests/v', str(size + 1), str(size + TO_DELETE))


def put_manifests(peer, _size, options):
    return lists.put_manifests(peer, None, options)


OPERATIONS = (
    ('manifest GET, a random tag', get_manifest),
    ('blob HEAD', head_blob),
    ('tags page of 100, from the middle', tags_page),
    ('referrers page of 1 k', referrers_page),
    ('tag DELETE', delete_tags),
    ('manifest PUT with a new tag', put_manifests),
)


def look(peer, size, options, tell):
    results = {}
    for name, operation in OPERATIONS:
        results[name] = operation(peer, size, options)
        if results[name].errors:
            raise RuntimeError(f'growth: {name} at {size} tags: {results[name].errors} bad answers')
        tell(f'{count(size)} tags', name, results[name])
    return results


def run(options, tell):
    """{size: {operation: Result}}"""
    peer = Tidemark()
    results = {}
    filled = 0
    try:
        for size in options.scale.growth:
            seeding.seed(peer.data(), 'tags', REPOSITORY, filled + 1, size + TO_DELETE)
            seeding.seed(peer.data(), 'referrers', REPOSITORY, max(REFERRERS_MIN, size // 10))
            filled = size
            peer.start()
            results[size] = look(peer, size, options, tell)
            peer.stop()
    finally:
        peer.remove()
    return results
