# SPDX-License-Identifier: Apache-2.0
"""The distribution API as test cases use it: to arrange, and to see what a client left behind."""

import json

import check
import http1
from image import digest_of

OCTETS = {'Content-Type': 'application/octet-stream'}


class Registry:
    """Requests to one server, each on a connection of its own."""

    def __init__(self, address):
        self.address = address

    @classmethod
    def of(cls, server):
        return cls(server.address)

    def request(self, method, target, fields=None, body=None):
        return http1.request(self.address, method, target, fields, body)

    # ---- Blobs

    def begin_upload(self, repository):
        """Returns the upload's path."""
        answer = check.status(self.request('POST', f'/v2/{repository}/blobs/uploads/'), 202)
        return answer.field('location')

    def push_blob(self, repository, content, algorithm='sha256'):
        """Returns the digest."""
        digest = digest_of(content, algorithm)
        location = self.begin_upload(repository)
        answer = self.request('PUT', with_query(location, f'digest={digest}'), OCTETS, content)
        check.status(answer, 201)
        return digest

    def get_blob(self, repository, digest, fields=None, method='GET'):
        return self.request(method, f'/v2/{repository}/blobs/{digest}', fields)

    def has_blob(self, repository, digest):
        answer = self.get_blob(repository, digest, method='HEAD')
        return check.status(answer, {200, 404}).status == 200

    # ---- Manifests

    def put_manifest(self, repository, reference, body, media_type, fields=None):
        return self.request('PUT', f'/v2/{repository}/manifests/{reference}',
                            {'Content-Type': media_type, **(fields or {})}, body)

    def get_manifest(self, repository, reference, fields=None, method='GET'):
        return self.request(method, f'/v2/{repository}/manifests/{reference}', fields)

    def delete_manifest(self, repository, reference, fields=None):
        return self.request('DELETE', f'/v2/{repository}/manifests/{reference}', fields)

    def push(self, repository, image, tag=None):
        """Everything of an Image, Index or Artifact; returns the digest."""
        for blob in {digest_of(blob): blob for blob in image.blobs()}.values():
            self.push_blob(repository, blob)
        for manifest in image.manifests():
            reference = tag if tag and manifest is image else manifest.digest
            answer = self.put_manifest(repository, reference, manifest.body, manifest.media_type)
            check.status(answer, 201)
            check.equal(answer.field('docker-content-digest'), manifest.digest)
        return image.digest

    def digest(self, repository, reference):
        """What a tag names, or None."""
        answer = check.status(self.get_manifest(repository, reference, method='HEAD'), {200, 404})
        return answer.field('docker-content-digest') if answer.status == 200 else None

    def check_holds(self, repository, reference):
        """All that hangs on a manifest is there and hashes to its digest; returns the manifest."""
        answer = check.status(self.get_manifest(repository, reference), 200)
        digest = answer.field('docker-content-digest')
        check.equal(digest_of(answer.body, digest.partition(':')[0]), digest, 'manifest')
        manifest = json.loads(answer.body)
        for child in manifest.get('manifests', []):
            self.check_holds(repository, child['digest'])
        blobs = manifest.get('layers', []) + ([manifest['config']] if 'config' in manifest else [])
        for blob in blobs:
            content = check.status(self.get_blob(repository, blob['digest']), 200).body
            algorithm = blob['digest'].partition(':')[0]
            check.equal(digest_of(content, algorithm), blob['digest'], 'blob')
            check.equal(len(content), blob['size'], 'size of a blob')
        return manifest

    # ---- Lists

    def tags(self, repository):
        """All of them, however many pages that is."""
        tags, target = [], f'/v2/{repository}/tags/list'
        while target is not None:
            answer = check.status(self.request('GET', target), 200)
            tags += json.loads(answer.body)['tags']
            target = next_page(answer)
        return tags

    def referrers(self, repository, digest, query=''):
        answer = self.request('GET', f'/v2/{repository}/referrers/{digest}{query}')
        return json.loads(check.status(answer, 200).body)['manifests']


def with_query(location, query):
    """A Location may already have parameters."""
    return location + ('&' if '?' in location else '?') + query


def next_page(answer):
    """The path and query of the page after this one, or None."""
    link = answer.field('link')
    return path_of(link.partition('<')[2].partition('>')[0]) if link else None


def path_of(location):
    """The path and query of a Location, which may be a whole URL."""
    if location.startswith('/'):
        return location
    return '/' + location.split('/', 3)[3]
