#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lists: tags, repositories and referrers, in pages."""

import json
import sys

import check
import image
from image import Artifact, Image
from registry import Registry
from server import run_suite
from tap import Suite


CONFIG = '''\
lists:
  max_page: 50
'''

SHA256 = 'sha256:' + '0' * 64
SHA512 = 'sha512:' + '0' * 128

suite = Suite()


# ---- Lists

def pages(registry, target):
    """Follows Link to the end; returns the list of documents."""
    found = []
    while target is not None:
        answer = check.status(registry.request('GET', target), 200)
        found.append(json.loads(answer.body))
        link = answer.field('link')
        target = None
        if link is not None:
            check.contains(link, 'rel="next"', 'Link')
            target = link.partition('<')[2].partition('>')[0]
            check.true(target.startswith('/v2/'), f'Link is no path: {link}')
        check.true(len(found) <= 100, 'pages without end')
    return found


@suite.case('tags/list: pages by n and Link, each tag once, in byte order')
def tags_pages(registry):
    one = image.small('pages')
    registry.push('pages', one)
    tags = [f'{prefix}{i}' for prefix in ('a', 'B', 'v1.') for i in range(20)]
    for begin in range(0, 60, 10):
        query = '&'.join(f'tag={tag}' for tag in tags[begin:begin + 10])
        answer = registry.put_manifest('pages', f'{one.digest}?{query}', one.body, one.media_type)
        check.status(answer, 201)
    for n in (1, 7, 10, 20, 60, 61):
        found = pages(registry, f'/v2/pages/tags/list?n={n}')
        check.equal([tag for page in found for tag in page['tags']], sorted(tags), f'n={n}')
        check.equal({page['name'] for page in found}, {'pages'})
        size = min(n, 50)
        check.equal([len(page['tags']) for page in found[:-1]], [size] * (len(found) - 1))
        check.equal(len(found), -(-60 // size), 'pages')
    # Without n a page is lists.max_page long.
    check.equal([len(page['tags']) for page in pages(registry, '/v2/pages/tags/list')], [50, 10])


@suite.case('tags/list: last need not exist, n=0 is empty, bad n is 400')
def tags_edges(registry):
    one = image.small('edges')
    registry.push('edges', one)
    query = 'tag=a&tag=b&tag=c'
    check.status(registry.put_manifest('edges', f'{one.digest}?{query}', one.body, one.media_type),
                 201)
    for last, wanted in (('a', 'bc'), ('aa', 'bc'), ('c', ''), ('zzz', ''), ('A', 'abc')):
        answer = registry.request('GET', f'/v2/edges/tags/list?last={last}')
        check.equal(json.loads(check.status(answer, 200).body)['tags'], list(wanted), last)
        check.equal(answer.field('link'), None, 'Link')
    answer = registry.request('GET', '/v2/edges/tags/list?n=0')
    check.equal(json.loads(check.status(answer, 200).body)['tags'], [])
    check.equal(answer.field('link'), None, 'Link of n=0')
    answer = registry.request('GET', '/v2/edges/tags/list?n=3')
    check.equal(answer.field('link'), None, 'Link after the last')
    for n in ('-1', 'x', '1.5', '', '+1', '1e3', '%201', '18446744073709551616'):
        answer = registry.request('GET', f'/v2/edges/tags/list?n={n}')
        check.error(answer, 400, 'PAGINATION_NUMBER_INVALID')
    check.error(registry.request('GET', '/v2/no-such/tags/list'), 404, 'NAME_UNKNOWN')


@suite.case('_catalog: pages by n and Link, each repository once, in byte order')
def catalog_pages(registry):
    names = [f'catalog/{i:02}' for i in range(23)]
    for repository in names:
        registry.push_blob(repository, b'catalog')
    for n in (1, 10, 23):
        found = [name for page in pages(registry, f'/v2/_catalog?n={n}')
                 for name in page['repositories']]
        check.equal(found, sorted(found), 'order')
        check.equal([name for name in found if name.startswith('catalog/')], names, f'n={n}')
    answer = registry.request('GET', '/v2/_catalog?n=5&last=catalog/07')
    check.equal(json.loads(answer.body)['repositories'], names[8:13])


@suite.case('referrers: an index of descriptors, by artifactType, in pages')
def referrers(registry):
    one = image.small('referred')
    registry.push('referred', one, 'latest')
    notes = [Artifact(f'application/x-{"even" if i % 2 == 0 else "odd"}', f'{i}'.encode(), one,
                      {'number': str(i)}) for i in range(12)]
    for each in notes:
        registry.push('referred', each)
    target = f'/v2/referred/referrers/{one.digest}'
    answer = check.status(registry.request('GET', target), 200)
    check.equal(answer.field('content-type'), image.OCI_INDEX)
    check.equal(answer.field('oci-filters-applied'), None)
    document = json.loads(answer.body)
    check.equal((document['schemaVersion'], document['mediaType']), (2, image.OCI_INDEX))
    by_digest = {each['digest']: each for each in document['manifests']}
    check.equal(set(by_digest), {note.digest for note in notes})
    for i, note in enumerate(notes):
        check.equal(by_digest[note.digest], {
            'mediaType': image.OCI_MANIFEST, 'digest': note.digest, 'size': len(note.body),
            'artifactType': f'application/x-{"even" if i % 2 == 0 else "odd"}',
            'annotations': {'number': str(i)}})
    answer = registry.request('GET', f'{target}?artifactType=application/x-even')
    check.equal(answer.field('oci-filters-applied'), 'artifactType')
    check.equal({each['digest'] for each in json.loads(answer.body)['manifests']},
                {note.digest for note in notes[::2]})
    for query in ('', '&artifactType=application%2Fx-odd'):
        found = pages(registry, f'{target}?n=5{query}')
        digests = [each['digest'] for page in found for each in page['manifests']]
        check.equal(sorted(digests), sorted(note.digest for note in
                                            (notes[1::2] if query else notes)), 'all pages')
        check.true(len(found) > 1, 'only one page')
    answer = registry.request('GET', f'{target}?artifactType=application/x-none')
    check.equal(json.loads(check.status(answer, 200).body)['manifests'], [])


@suite.case('referrers: of what nobody knows there are none; one deleted is gone')
def referrers_edges(registry):
    check.equal(registry.referrers('referred', SHA256), [])
    check.equal(registry.referrers('nobody/knows', SHA256), [])
    check.equal(registry.referrers('referred', SHA512), [])
    one = image.small('deleted referrer')
    registry.push('referred2', one, 'latest')
    note = Artifact('application/x-note', b'note', one)
    registry.push('referred2', note)
    check.equal(len(registry.referrers('referred2', one.digest)), 1)
    check.status(registry.delete_manifest('referred2', note.digest), 202)
    check.equal(registry.referrers('referred2', one.digest), [])


@suite.case('referrers: an image with a subject has its config type as artifactType; an index none')
def referrer_kinds(registry):
    one = image.small('kinds')
    registry.push('kinds', one)
    subject = image.descriptor(one.media_type, one.body)
    referring = Image([], subject=subject)
    index = image.Index([], subject=subject)
    registry.push('kinds', referring)
    registry.push('kinds', index)
    found = {each['digest']: each for each in registry.referrers('kinds', one.digest)}
    check.equal(found[referring.digest]['artifactType'], image.OCI_CONFIG)
    check.true('artifactType' not in found[index.digest], 'artifactType of an index')
    check.equal(found[index.digest]['mediaType'], image.OCI_INDEX)


sys.exit(run_suite(suite, Registry.of, config=CONFIG))
