# SPDX-License-Identifier: Apache-2.0
"""Images made here, the same bytes in every run: nothing is ever fetched for a test."""

import gzip
import hashlib
import io
import json
import os
import random
import tarfile

OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
OCI_CONFIG = 'application/vnd.oci.image.config.v1+json'
OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'
OCI_EMPTY = 'application/vnd.oci.empty.v1+json'
DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'
DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json'
DOCKER_LAYER = 'application/vnd.docker.image.rootfs.diff.tar.gzip'


def digest_of(content, algorithm='sha256'):
    return f'{algorithm}:{hashlib.new(algorithm, content).hexdigest()}'


def noise(size, seed):
    """Bytes that do not compress, the same for the same seed."""
    return random.Random(seed).randbytes(size)


def to_json(document):
    return json.dumps(document, separators=(',', ':')).encode()


def descriptor(media_type, content, **more):
    return {'mediaType': media_type, 'digest': digest_of(content), 'size': len(content), **more}


def tar_of(files):
    """An uncompressed tar of {path: content}."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w', format=tarfile.USTAR_FORMAT) as tar:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            info.mode = 0o644
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


class Image:
    """An image manifest with its blobs. Layers are dictionaries {path: content}."""

    def __init__(self, layers, architecture='amd64', docker=False, **manifest_fields):
        self.tars = [tar_of(files) for files in layers]
        self.layers = [gzip.compress(tar, 6, mtime=0) for tar in self.tars]
        self.config = to_json({
            'created': '1970-01-01T00:00:00Z',
            'architecture': architecture,
            'os': 'linux',
            'config': {'Cmd': ['/hello']},
            'rootfs': {'type': 'layers', 'diff_ids': [digest_of(tar) for tar in self.tars]},
            'history': [{'created': '1970-01-01T00:00:00Z', 'created_by': 'tests'}
                        for _ in self.tars],
        })
        self.architecture = architecture
        self.media_type = DOCKER_MANIFEST if docker else OCI_MANIFEST
        self.body = to_json({
            'schemaVersion': 2,
            'mediaType': self.media_type,
            'config': descriptor(DOCKER_CONFIG if docker else OCI_CONFIG, self.config),
            'layers': [descriptor(DOCKER_LAYER if docker else OCI_LAYER, layer)
                       for layer in self.layers],
            **manifest_fields,
        })
        self.digest = digest_of(self.body)

    def blobs(self):
        return [self.config, *self.layers]

    def manifests(self):
        return [self]

    def descriptor(self):
        return descriptor(self.media_type, self.body,
                          platform={'architecture': self.architecture, 'os': 'linux'})


class Index:
    """A multi-platform image: an index over images."""

    def __init__(self, images, docker=False, **index_fields):
        self.images = images
        self.media_type = DOCKER_LIST if docker else OCI_INDEX
        self.body = to_json({'schemaVersion': 2, 'mediaType': self.media_type,
                             'manifests': [image.descriptor() for image in images],
                             **index_fields})
        self.digest = digest_of(self.body)

    def blobs(self):
        return [blob for image in self.images for blob in image.blobs()]

    def manifests(self):
        return [*self.images, self]

    def descriptor(self):
        return descriptor(self.media_type, self.body)


class Artifact:
    """An OCI 1.1 artifact; with `subject` (an Image, Index or Artifact) a referrer."""

    media_type = OCI_MANIFEST

    def __init__(self, artifact_type, content=b'{}', subject=None, annotations=None):
        self.layers = [content]
        self.config = b'{}'
        document = {'schemaVersion': 2, 'mediaType': OCI_MANIFEST, 'artifactType': artifact_type,
                    'config': descriptor(OCI_EMPTY, self.config),
                    'layers': [descriptor('application/octet-stream', content)]}
        if subject is not None:
            document['subject'] = descriptor(subject.media_type, subject.body)
        if annotations is not None:
            document['annotations'] = annotations
        self.body = to_json(document)
        self.digest = digest_of(self.body)

    def blobs(self):
        return [self.config, *self.layers]

    def manifests(self):
        return [self]


def small(seed=0, architecture='amd64', docker=False):
    """An image of two layers, different for each seed."""
    return Image([{'hello': f'hello {seed} {architecture}\n'.encode()},
                  {'noise': noise(20000, f'{seed} {architecture}')}], architecture, docker)


def multi_arch(seed=0, docker=False):
    return Index([small(seed, 'amd64', docker), small(seed, 'arm64', docker)], docker)


def write_layout(path, images):
    """An OCI image layout directory with {tag: Image or Index}."""
    blobs = os.path.join(path, 'blobs', 'sha256')
    os.makedirs(blobs)
    entries = []
    for tag, image in images.items():
        for content in image.blobs() + [manifest.body for manifest in image.manifests()]:
            _write(os.path.join(blobs, digest_of(content).partition(':')[2]), content)
        entries.append({**image.descriptor(),
                        'annotations': {'org.opencontainers.image.ref.name': tag}})
    _write(os.path.join(path, 'oci-layout'), to_json({'imageLayoutVersion': '1.0.0'}))
    _write(os.path.join(path, 'index.json'), to_json({'schemaVersion': 2, 'manifests': entries}))


def write_docker_archive(path, image, name):
    """What `docker save` writes and `docker load` reads, of one image."""
    config = digest_of(image.config).partition(':')[2] + '.json'
    layers = [f'{digest_of(tar).partition(":")[2]}/layer.tar' for tar in image.tars]
    files = {config: image.config}
    files.update(zip(layers, image.tars))
    files['manifest.json'] = to_json([{'Config': config, 'RepoTags': [name], 'Layers': layers}])
    _write(path, tar_of(files))


def _write(path, content):
    with open(path, 'wb') as file:
        file.write(content)


def contents(what):
    """Digest -> bytes of every blob and manifest."""
    everything = what.blobs() + [manifest.body for manifest in what.manifests()]
    return {digest_of(content): content for content in everything}


def read_layout(path):
    """The same of an OCI image layout directory."""
    found = {}
    for algorithm in os.listdir(os.path.join(path, 'blobs')):
        folder = os.path.join(path, 'blobs', algorithm)
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), 'rb') as file:
                found[f'{algorithm}:{name}'] = file.read()
    return found
