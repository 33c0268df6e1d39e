#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many clients at once on the same names: who wins, what they see, what is left."""

import itertools
import sys
import threading

import check
import image
from image import digest_of
from registry import OCTETS, Registry, with_query
from server import run_suite
from tap import Suite

CLIENTS = 8

suite = Suite()


def together(*functions):
    """Runs each in a thread of its own, all beginning at the same moment; returns their results.
    What one raises is raised here."""
    barrier = threading.Barrier(len(functions))
    results = [None] * len(functions)
    errors = []

    def run(number, function):
        try:
            barrier.wait()
            results[number] = function()
        # It is raised again in the case's own thread.
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=each) for each in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


def each_of(function, *arguments):
    """`function(number, ...)` once for each client."""
    return [lambda number=number: function(number, *arguments) for number in range(CLIENTS)]


@suite.case('the same blob finished by all at once: 201 for each, one content')
def same_blob(registry):
    for round_number in range(5):
        content = image.noise(100000, f'same blob {round_number}')
        digest = digest_of(content)
        locations = [registry.begin_upload(f'same/{number}') for number in range(CLIENTS)]

        def finish(number):
            target = with_query(locations[number], f'digest={digest}')
            return registry.request('PUT', target, OCTETS, content).status
        check.equal(together(*each_of(finish)), [201] * CLIENTS)
        for number in range(CLIENTS):
            check.true(registry.get_blob(f'same/{number}', digest).body == content, 'content')


@suite.case('the same image pushed to the same tag by all at once')
def same_image(registry):
    one = image.small('same image')
    together(*each_of(lambda _number: registry.push('same/image', one, 'latest')))
    registry.check_holds('same/image', 'latest')
    check.equal(registry.tags('same/image'), ['latest'])


@suite.case('another image each to the same tag: the tag names one of them, all are there')
def one_tag(registry):
    images = [image.small(f'one tag {number}') for number in range(CLIENTS)]
    together(*each_of(lambda number: registry.push('one/tag', images[number], 'latest')))
    check.one_of(registry.digest('one/tag', 'latest'), {each.digest for each in images})
    for each in images:
        registry.check_holds('one/tag', each.digest)


@suite.case('If-None-Match: * on one new tag by all at once: exactly one wins')
def one_winner(registry):
    images = [image.small(f'one winner {number}') for number in range(CLIENTS)]
    for each in images:
        registry.push('winner', each)
    for round_number in range(10):
        def create(number):
            return registry.put_manifest('winner', f'r{round_number}', images[number].body,
                                         images[number].media_type, {'If-None-Match': '*'}).status
        answers = together(*each_of(create))
        check.equal(sorted(answers), [201] + [412] * (CLIENTS - 1))
        check.equal(registry.digest('winner', f'r{round_number}'),
                    images[answers.index(201)].digest)


@suite.case('a counter in a tag by If-Match: no step is lost')
def counter(registry):
    steps = 5
    images = [image.Image([], annotations={'n': str(n)}) for n in range(CLIENTS * steps + 1)]
    registry.push('counter', images[0], 'count')
    place = {each.digest: number for number, each in enumerate(images)}

    def count(_number):
        done = 0
        while done < steps:
            old = registry.digest('counter', 'count')
            new = images[place[old] + 1]
            answer = registry.put_manifest('counter', 'count', new.body, new.media_type,
                                           {'If-Match': f'"{old}"'})
            done += check.status(answer, {201, 412}).status == 201
    together(*each_of(count))
    check.equal(registry.digest('counter', 'count'), images[-1].digest, 'the end of the count')


@suite.case('two tags bound by one PUT appear together in every list')
def tags_appear_together(registry):
    one = image.small('pairs')
    registry.push('pairs', one)
    stop = threading.Event()

    def write():
        for number in range(100):
            answer = registry.put_manifest('pairs', f'{one.digest}?tag=a{number}&tag=b{number}',
                                           one.body, one.media_type)
            check.status(answer, 201)
        stop.set()

    def read():
        while not stop.is_set():
            tags = set(registry.tags('pairs'))
            half = [tag for tag in tags if ('b' if tag[0] == 'a' else 'a') + tag[1:] not in tags]
            check.equal(half, [], 'tags without the other')
    together(write, read, read)
    check.equal(len(registry.tags('pairs')), 200)


@suite.case('pushed and deleted at the same time: what is answered is one or the other, no half')
def push_against_delete(registry):
    one = image.small('against')
    blobs = [digest_of(blob) for blob in one.blobs()]

    def push(number):
        for _ in range(10):
            for blob in one.blobs():
                registry.push_blob('against', blob)
            answer = registry.put_manifest('against', f't{number}', one.body, one.media_type)
            # The blobs may have been deleted in between.
            if check.status(answer, {201, 400}).status == 400:
                check.error(answer, 400, 'MANIFEST_BLOB_UNKNOWN')

    def delete(_number):
        for _ in range(10):
            check.status(registry.delete_manifest('against', one.digest), {202, 404})
            for digest in blobs:
                answer = registry.request('DELETE', f'/v2/against/blobs/{digest}')
                check.status(answer, {202, 404, 405})
    together(*[lambda number=number: push(number) for number in range(4)],
             *[lambda number=number: delete(number) for number in range(3)],
             lambda: read_whole(registry, one))
    registry.push('against', one, 'last')
    registry.check_holds('against', 'last')


def read_whole(registry, one):
    """A manifest or blob that is answered at all is answered whole."""
    for _ in range(30):
        answer = check.status(registry.get_manifest('against', one.digest), {200, 404})
        check.true(answer.status == 404 or answer.body == one.body, 'half a manifest')
        for blob in one.blobs():
            answer = check.status(registry.get_blob('against', digest_of(blob)), {200, 404})
            check.true(answer.status == 404 or answer.body == blob, 'half a blob')


@suite.case('one upload written to by four at once: the bytes of one of them at a time')
def one_upload(registry):
    location = registry.begin_upload('upload')
    pieces = [bytes([65 + number]) * 50000 for number in range(4)]

    def write(number):
        return check.status(registry.request('PATCH', location, OCTETS, pieces[number]),
                            {202, 409}).status
    writers = [lambda number=number: write(number) for number in range(4)]
    taken = [number for number, status in enumerate(together(*writers)) if status == 202]
    check.true(len(taken) >= 1, 'nobody could write')
    last = registry.request('GET', location).field('range').partition('-')[2]
    check.equal(int(last) + 1, 50000 * len(taken), 'bytes')
    # In which order is theirs; one of the orders is the content.
    for order in itertools.permutations(taken):
        content = b''.join(pieces[number] for number in order)
        target = with_query(location, f'digest={digest_of(content)}')
        if registry.request('PUT', target).status == 201:
            return
    check.true(False, 'the content is none of the orders')


@suite.case('cancelled while it is written to: 204 or 409, then gone or whole')
def cancel_against_write(registry):
    for _ in range(10):
        location = registry.begin_upload('cancel')
        wrote, cancelled = together(
            lambda: registry.request('PATCH', location, OCTETS, b'x' * 300000).status,
            lambda: registry.request('DELETE', location).status)
        check.one_of((wrote, cancelled), {(202, 204), (202, 409), (404, 204), (409, 204)})
        left = registry.request('GET', location)
        check.status(left, 404 if cancelled == 204 else 204)


sys.exit(run_suite(suite, Registry.of))
