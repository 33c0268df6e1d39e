#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Blobs, uploads, names and what surrounds them, beyond the conformance suite: bad input above all.

Every refusal has its status, its code and a message that helps, and leaves nothing behind.
"""

import json
import sys

import check
import http1
import image
from image import digest_of
from registry import OCTETS, Registry, with_query
from server import run_suite
from tap import Suite


SHA256 = 'sha256:' + '0' * 64
SHA512 = 'sha512:' + '0' * 128

suite = Suite()


# ---- Digests

BAD_DIGESTS = (
    ('upper-case hex', 'sha256:' + 'A' * 64, 'lower'),
    ('one digit short', SHA256[:-1], '64'),
    ('one digit long', SHA256 + '0', '64'),
    ('no digits', 'sha256:', ''),
    ('no algorithm', ':' + '0' * 64, ''),
    ('an upper-case algorithm', 'SHA256:' + '0' * 64, ''),
    ('md5', 'md5:' + '0' * 32, 'sha256'),
    ('sha384', 'sha384:' + '0' * 96, 'sha256'),
    ('sha512 of the length of sha256', 'sha512:' + '0' * 64, '128'),
    ('a digit that is none', 'sha256:' + 'g' * 64, ''),
    ('two colons', 'sha256::' + '0' * 63, ''),
    ('a space', 'sha256:%20' + '0' * 63, ''),
)


def bad_digest(registry, digest, word):
    for method in ('GET', 'HEAD', 'DELETE'):
        answer = registry.request(method, f'/v2/digests/blobs/{digest}')
        if method == 'HEAD':
            check.status(answer, 400)
        else:
            check.error(answer, 400, 'DIGEST_INVALID', word)
        answer = registry.request(method, f'/v2/digests/manifests/{digest}')
        check.status(answer, 400)
    answer = registry.put_manifest('digests', digest, image.small().body, image.OCI_MANIFEST)
    check.status(answer, 400)
    check.error(registry.request('GET', f'/v2/digests/referrers/{digest}'), 400, 'DIGEST_INVALID')
    for parameter in ('digest', 'mount'):
        answer = registry.request('POST', f'/v2/digests/blobs/uploads/?{parameter}={digest}')
        check.error(answer, 400, 'DIGEST_INVALID')
    location = registry.begin_upload('digests')
    check.error(registry.request('PUT', with_query(location, f'digest={digest}'), OCTETS, b'x'),
                400, 'DIGEST_INVALID')
    check.status(registry.request('DELETE', location), 204)


for name, bad, hint in BAD_DIGESTS:
    suite.add(f'digest: {name}', bad_digest, bad, hint)


@suite.case('digest: another than that of the content')
def wrong_digest(registry):
    location = registry.begin_upload('wrong')
    answer = registry.request('PUT', with_query(location, f'digest={SHA256}'), OCTETS, b'content')
    check.error(answer, 400, 'DIGEST_INVALID', SHA256, digest_of(b'content'))
    check.true(not registry.has_blob('wrong', SHA256), 'the blob is there')
    check.true(not registry.has_blob('wrong', digest_of(b'content')), 'the content is there')
    answer = registry.request('POST', f'/v2/wrong/blobs/uploads/?digest={SHA256}', OCTETS, b'cont')
    check.error(answer, 400, 'DIGEST_INVALID', SHA256)
    answer = registry.put_manifest('wrong', SHA256, b'{}', image.OCI_MANIFEST)
    check.error(answer, 400, 'DIGEST_INVALID', SHA256)
    check.status(registry.get_manifest('wrong', SHA256), 404)


@suite.case('digest: none where an upload is finished')
def no_digest(registry):
    location = registry.begin_upload('wrong')
    check.error(registry.request('PUT', location, OCTETS, b'content'), 400, 'DIGEST_INVALID',
                'digest=')


# ---- Uploads

@suite.case('upload: an unknown one')
def unknown_upload(registry):
    for identity in ('0' * 32, 'x', '-', '0' * 31, '0' * 33, 'A' * 32, '..%2f..%2fformat',
                     'a.meta'):
        for method in ('GET', 'PATCH', 'DELETE'):
            answer = registry.request(method, f'/v2/unknown/blobs/uploads/{identity}')
            check.error(answer, 404, 'BLOB_UPLOAD_UNKNOWN')
        answer = registry.request('PUT', f'/v2/unknown/blobs/uploads/{identity}?digest={SHA256}')
        check.error(answer, 404, 'BLOB_UPLOAD_UNKNOWN')


@suite.case('upload: one of another repository')
def foreign_upload(registry):
    location = registry.begin_upload('mine')
    foreign = location.replace('/v2/mine/', '/v2/yours/')
    for method in ('GET', 'PATCH', 'DELETE'):
        check.error(registry.request(method, foreign), 404, 'BLOB_UPLOAD_UNKNOWN')
    check.status(registry.request('GET', location), 204)


@suite.case('upload: cancelled or finished, it is unknown')
def ended_upload(registry):
    location = registry.begin_upload('ended')
    check.status(registry.request('DELETE', location), 204)
    check.error(registry.request('GET', location), 404, 'BLOB_UPLOAD_UNKNOWN')
    location = registry.begin_upload('ended')
    target = with_query(location, f'digest={digest_of(b"x")}')
    check.status(registry.request('PUT', target, OCTETS, b'x'), 201)
    check.error(registry.request('GET', location), 404, 'BLOB_UPLOAD_UNKNOWN')


OUT_OF_ORDER = ('100-109', '4-13', '0-9', '9-18', '11-20',
                '9223372036854775798-9223372036854775807')


@suite.case('upload: a gap or an overlap is 416 and says where to go on')
def out_of_order(registry):
    location = registry.begin_upload('order')
    answer = registry.request('PATCH', location, {'Content-Range': '0-9'}, b'0123456789')
    check.equal(check.status(answer, 202).field('range'), '0-9')
    for content_range in OUT_OF_ORDER:
        for method, target in (('PATCH', location),
                               ('PUT', with_query(location, f'digest={SHA256}'))):
            answer = registry.request(method, target, {'Content-Range': content_range}, b'x' * 10)
            check.error(answer, 416, 'BLOB_UPLOAD_INVALID', '10')
            check.equal(answer.field('range'), '0-9', 'Range')
            check.equal(answer.field('location'), location, 'Location')
    target = with_query(location, f'digest={digest_of(b"0123456789")}')
    check.status(registry.request('PUT', target), 201)


BAD_CONTENT_RANGES = ('x', '0', '-', '0-', '-9', '9-0', 'bytes 0-9/*', 'bytes=0-9', '0-9/10',
                      '+0-9', '0-9223372036854775808', '9223372036854775808-9223372036854775817',
                      '0-18446744073709551616', '0x0-0x9', '0 - 9', '0-9,10-19')


@suite.case('upload: a Content-Range that is none, offsets at 2^63 and 2^64')
def bad_content_range(registry):
    location = registry.begin_upload('order')
    for content_range in BAD_CONTENT_RANGES:
        answer = registry.request('PATCH', location, {'Content-Range': content_range}, b'x' * 10)
        check.status(answer, {400, 416}, f'Content-Range: {content_range}')
        check.error(answer, answer.status, 'BLOB_UPLOAD_INVALID')
        check.equal(registry.request('GET', location).field('range'), '0-0',
                    f'the upload after Content-Range: {content_range}')
    target = with_query(location, f'digest={digest_of(b"")}')
    check.status(registry.request('PUT', target), 201)


@suite.case('upload: a body shorter or longer than its Content-Range')
def wrong_length(registry):
    location = registry.begin_upload('length')
    for body in (b'x' * 9, b'x' * 11):
        answer = registry.request('PATCH', location, {'Content-Range': '0-9'}, body)
        check.error(answer, 400, 'SIZE_INVALID')
    check.equal(registry.request('GET', location).field('range'), '0-0', 'nothing was taken')
    for body in (b'x' * 9, b'x' * 11):
        with http1.Connection(registry.address) as connection:
            connection.send(http1.head(connection.host, 'PATCH', location, {
                'Content-Range': '0-9', 'Transfer-Encoding': 'chunked'}) + http1.chunked(body))
            check.error(connection.response('PATCH'), 400, 'SIZE_INVALID')
        location = registry.begin_upload('length')


@suite.case('upload: a second client on it is 409, and does no harm')
def two_clients(registry):
    location = registry.begin_upload('busy')
    content = image.noise(200000, 'two clients')
    with http1.Connection(registry.address) as first:
        first.send(http1.head(first.host, 'PATCH', location, {'Expect': '100-continue'}, content))
        # It has the upload when it is asked for the body.
        check.status(first.response('PATCH'), 100)
        first.send(content[:100000])
        answer = registry.request('PATCH', location, None, b'')
        check.error(answer, 409, 'BLOB_UPLOAD_INVALID', 'another')
        target = with_query(location, f'digest={digest_of(content)}')
        for method, where in (('PATCH', location), ('PUT', target), ('DELETE', location)):
            check.error(registry.request(method, where, None, b'harm'), 409, 'BLOB_UPLOAD_INVALID')
        first.send(content[100000:])
        check.equal(check.status(first.response('PATCH'), 202).field('range'), '0-199999')
    check.status(registry.request('PUT', target), 201)
    check.equal(registry.get_blob('busy', digest_of(content)).body == content, True, 'content')


@suite.case('upload: sha512 by ?digest-algorithm=, by POST and by PUT')
def sha512(registry):
    content = b'content of sha512'
    digest = digest_of(content, 'sha512')
    answer = registry.request('POST', '/v2/sha512/blobs/uploads/?digest-algorithm=sha512')
    location = check.status(answer, 202).field('location')
    check.status(registry.request('PATCH', location, None, content[:5]), 202)
    answer = registry.request('PUT', with_query(location, f'digest={digest}'), OCTETS, content[5:])
    check.status(answer, 201)
    check.equal(answer.field('docker-content-digest'), digest)
    check.equal(registry.get_blob('sha512', digest).body, content)
    other = digest_of(b'other', 'sha512')
    answer = registry.request('POST', f'/v2/sha512/blobs/uploads/?digest={other}', OCTETS, b'other')
    check.equal(check.status(answer, 201).field('location'), f'/v2/sha512/blobs/{other}')
    # An upload begun for one algorithm may be finished by the other.
    check.equal(registry.push_blob('sha512', b'third', 'sha512'), digest_of(b'third', 'sha512'))
    for word in ('md5', 'SHA512', '', 'sha384'):
        answer = registry.request('POST', f'/v2/sha512/blobs/uploads/?digest-algorithm={word}')
        check.error(answer, 400, 'DIGEST_INVALID', 'sha512')


@suite.case('upload: the empty blob, in every way')
def empty_blob(registry):
    digest = digest_of(b'')
    answer = registry.request('POST', f'/v2/empty/blobs/uploads/?digest={digest}', OCTETS, b'')
    check.status(answer, 201)
    check.equal(registry.push_blob('empty2', b''), digest)
    check.equal(registry.get_blob('empty', digest).body, b'')
    check.equal(registry.get_blob('empty2', digest, method='HEAD').field('content-length'), '0')


# ---- Mounts

@suite.case('mount: with from, without, and of what is not there')
def mounts(registry):
    content = image.noise(1000, 'mounts')
    digest = registry.push_blob('mount/source', content)
    for target, query in (('mount/named', f'mount={digest}&from=mount/source'),
                          ('mount/anywhere', f'mount={digest}')):
        answer = registry.request('POST', f'/v2/{target}/blobs/uploads/?{query}')
        check.equal(check.status(answer, 201).field('location'), f'/v2/{target}/blobs/{digest}')
        check.equal(registry.get_blob(target, digest).body, content)
    for query in (f'mount={SHA256}&from=mount/source', f'mount={SHA256}', f'mount={SHA512}',
                  f'mount={digest}&from=mount/nowhere'):
        answer = registry.request('POST', f'/v2/mount/none/blobs/uploads/?{query}')
        location = check.status(answer, 202, query).field('location')
        check.status(registry.request('GET', location), 204)
        check.status(registry.request('DELETE', location), 204)
    check.true(not registry.has_blob('mount/none', digest), 'it was mounted all the same')
    answer = registry.request('POST', f'/v2/mount/x/blobs/uploads/?mount={digest}&from=BAD')
    check.error(answer, 400, 'NAME_INVALID')


@suite.case('mount: a manifest is no blob')
def mount_manifest(registry):
    registry.push('mount/manifest', image.small('mount manifest'), 'latest')
    digest = image.small('mount manifest').digest
    check.true(not registry.has_blob('mount/manifest', digest), 'a manifest is read as a blob')
    answer = registry.request('POST', f'/v2/mount/y/blobs/uploads/?mount={digest}'
                                      '&from=mount/manifest')
    check.status(answer, 202)


@suite.case('a blob of one repository is not there in another')
def repositories_are_apart(registry):
    digest = registry.push_blob('apart/one', b'apart')
    check.error(registry.get_blob('apart/two', digest), 404)
    registry.push_blob('apart/two', b'another')
    check.error(registry.get_blob('apart/two', digest), 404, 'BLOB_UNKNOWN')
    one = image.small('apart')
    registry.push('apart/one', one, 'latest')
    check.error(registry.get_manifest('apart/two', one.digest), 404, 'MANIFEST_UNKNOWN')
    answer = registry.put_manifest('apart/two', 'latest', one.body, one.media_type)
    check.error(answer, 400, 'MANIFEST_BLOB_UNKNOWN')


# ---- Names and tags

LONGEST_NAME = '/'.join(['abcdefghijk'] * 21) + '/ab'
GOOD_NAMES = ('a', '0', 'a/b', 'a.b', 'a_b', 'a__b', 'a-b', 'a---b', 'a0/b-c_d.e/f',
              LONGEST_NAME + 'c')
BAD_NAMES = ('A', 'a/B', 'a..b', 'a___b', '-a', 'a-', '.a', 'a.', '_a', 'a_', 'a/', 'a//b', 'a._b',
             'a%20b', 'a%2Fb', 'a%41', 'a%00', 'a~b', 'a+b', 'a:b', 'a@b', '%C3%A9', '..', 'a/..',
             'a/../b', 'a/./b', LONGEST_NAME + 'cd')


@suite.case('name: the longest one has 255 characters')
def longest_name(_registry):
    check.equal(len(LONGEST_NAME), 254)


@suite.case('name: good ones')
def good_names(registry):
    for repository in GOOD_NAMES:
        digest = registry.push_blob(repository, b'named')
        check.true(registry.has_blob(repository, digest), repository)


@suite.case('name: bad ones are 400 (or no such path), and nothing appears')
def bad_names(registry):
    for repository in BAD_NAMES:
        for method, rest in (('GET', 'tags/list'), ('POST', 'blobs/uploads/'),
                             ('GET', 'manifests/x'), ('GET', f'blobs/{SHA256}')):
            answer = registry.request(method, f'/v2/{repository}/{rest}')
            check.status(answer, {400, 404}, f'{method} {repository}/{rest}')
            document = json.loads(answer.body)['errors'][0]
            check.one_of(document['code'], {'NAME_INVALID', 'NAME_UNKNOWN', 'UNSUPPORTED'},
                         f'code for {repository}')
            check.true(document['code'] != 'NAME_UNKNOWN', f'{repository} is taken for a good name')
    names = json.loads(registry.request('GET', '/v2/_catalog').body)['repositories']
    check.equal([name for name in names if name.lower() != name], [], 'names in upper case')


GOOD_TAGS = ('a', 'A', '0', '_', '_a', 'a.b', 'a-b', 'v1.0.0', 'latest', 'a' * 128)
BAD_TAGS = ('.a', '-a', 'a%2Fb', 'a+b', 'a%20b', 'a~', 'a@b', '%C3%A9', 'a%00', 'a' * 129,
            'a' * 1000)


@suite.case('tag: good ones')
def good_tags(registry):
    one = image.small('tags')
    registry.push('tags', one)
    for tag in GOOD_TAGS:
        check.status(registry.put_manifest('tags', tag, one.body, one.media_type), 201, tag)
    check.equal(registry.tags('tags'), sorted(GOOD_TAGS), 'tags in byte order')


@suite.case('tag: bad ones are 400, as reference and as parameter')
def bad_tags(registry):
    one = image.small('bad tags')
    registry.push('bad-tags', one)
    for tag in BAD_TAGS:
        check.error(registry.get_manifest('bad-tags', tag), 400, 'TAG_INVALID', 'tag')
        answer = registry.put_manifest('bad-tags', tag, one.body, one.media_type)
        check.error(answer, 400, 'TAG_INVALID')
        check.error(registry.delete_manifest('bad-tags', tag), 400, 'TAG_INVALID')
        answer = registry.put_manifest('bad-tags', f'{one.digest}?tag=good&tag={tag}', one.body,
                                       one.media_type)
        check.status(answer, 400, f'tag={tag}')
    check.equal(registry.tags('bad-tags'), [], 'tags')


# ---- The rest of the surface

@suite.case('/v2/_oci/ext/discover lists the extensions')
def discover(registry):
    answer = check.status(registry.request('GET', '/v2/_oci/ext/discover'), 200)
    extensions = json.loads(answer.body)['extensions']
    check.true(any('_oci/ext/discover' in each['endpoints'] for each in extensions), 'itself')


@suite.case('Location is a path, and leads where it says')
def locations(registry):
    location = registry.begin_upload('located')
    check.true(location.startswith('/v2/located/blobs/uploads/'), location)
    one = image.small('located')
    registry.push('located', one)
    answer = registry.put_manifest('located', 'tag', one.body, one.media_type)
    check.equal(answer.field('location'), f'/v2/located/manifests/{one.digest}')
    check.equal(registry.request('GET', answer.field('location')).body, one.body)


@suite.case('the same push again is 201 and changes nothing')
def push_again(registry):
    one = image.small('again')
    for _ in range(3):
        registry.push('again', one, 'latest')
    check.equal(registry.tags('again'), ['latest'])
    registry.check_holds('again', 'latest')


@suite.case('405 says what is allowed')
def allowed(registry):
    for method, target, wanted in (('PUT', '/v2/', 'GET'), ('POST', '/v2/_catalog', 'GET'),
                                   ('PUT', '/v2/a/tags/list', 'GET'),
                                   ('PATCH', f'/v2/a/blobs/{SHA256}', 'DELETE'),
                                   ('POST', '/v2/a/manifests/x', 'PUT'),
                                   ('GET', '/v2/a/blobs/uploads/', 'POST')):
        answer = registry.request(method, target)
        check.error(answer, 405, 'UNSUPPORTED')
        check.contains(answer.field('allow'), wanted, f'Allow of {target}')


@suite.case('what users pushed is served with nosniff and in a sandbox')
def served_safely(registry):
    digest = registry.push_blob('safely', b'<html><script>alert(1)</script>')
    answer = registry.get_blob('safely', digest)
    check.equal(answer.field('content-type'), 'application/octet-stream')
    check.equal(answer.field('x-content-type-options'), 'nosniff')
    check.contains(answer.field('content-security-policy') or '', 'sandbox',
                   'Content-Security-Policy of a blob')


@suite.case('/metrics counts requests by route and status')
def metrics(registry):
    answer = check.status(registry.request('GET', '/metrics'), 200)
    text = answer.body.decode()
    check.true(answer.field('content-type').startswith('text/plain'), 'Content-Type')
    check.contains(text, '/v2/<name>/manifests/<arg>', 'metrics')
    for line in text.splitlines():
        check.true(line.startswith('#') or len(line.rsplit(' ', 1)) == 2, f'line {line!r}')


sys.exit(run_suite(suite, Registry.of))
