# SPDX-License-Identifier: Apache-2.0
"""Pulls, of one manifest and of blobs."""

import http1
import load
import seeding
from content import REPOSITORY
from load import Result
from peers import (Distribution, DockerRegistry, Nginx, NginxTls, Tidemark, TidemarkAuth,
                   TidemarkTls)
from scene import Scene, case

CONNECTIONS = 64


def get_manifest_by_tag(peer, content, options):
    return load.wrk(peer, content.manifest_target(), CONNECTIONS, options.seconds)


def get_manifest_by_digest(peer, content, options):
    return load.wrk(peer, f'/v2/{REPOSITORY}/manifests/{content.manifest_digest}', CONNECTIONS,
                    options.seconds)


def get_manifest_with_token(peer, content, options):
    return load.wrk(peer, content.manifest_target(), CONNECTIONS, options.seconds,
                    fields=[f'Authorization: Bearer {peer.token}', *load.ACCEPT])


def head_manifest(peer, content, options):
    told, cpu_us = load.http_load(peer, CONNECTIONS, options.seconds, 'repeat', 'HEAD',
                                  content.manifest_target())
    return Result(told['pull']['rate'], '/s', cpu_us, errors=told['errors'])


def not_modified(peer, content, options):
    fields = dict(field.split(': ') for field in load.ACCEPT)
    etag = http1.request(peer.address, 'GET', content.manifest_target(), fields).field('etag')
    return load.wrk(peer, content.manifest_target(), CONNECTIONS, options.seconds,
                    fields=[f'If-None-Match: {etag}', *load.ACCEPT])


def get_blob(name, connections, threads=1):
    """`threads`: one thread of wrk copies at most some 1.7 GB/s out of its sockets, less than any of
    the servers sends; with large blobs one would measure wrk."""
    def run(peer, content, options):
        return load.wrk(peer, content.blob_target(name), connections, options.seconds,
                        threads=threads)
    return run


def scenes(_scale):
    plain = Scene(
        cases=(
            case('get-tag', 'manifest GET by tag, 64 connections', get_manifest_by_tag),
            case('get-digest', 'manifest GET by digest, 64 connections', get_manifest_by_digest),
            case('head', 'manifest HEAD by tag, 64 connections', head_manifest),
            case('304', 'manifest GET, not modified (304), 64 connections', not_modified),
            case('blob-1k', 'blob GET 1 KiB, 64 connections', get_blob('1 KiB', 64)),
            case('blob-1m', 'blob GET 1 MiB, 16 connections', get_blob('1 MiB', 16)),
            case('blob-100m', 'blob GET 100 MiB, 4 connections', get_blob('100 MiB', 4, threads=2)),
        ),
        kinds=(Tidemark, Nginx, Distribution, DockerRegistry),
        after=seeding.push_content)
    over_tls = Scene(
        cases=(
            case('tls-1m', 'blob GET 1 MiB over TLS, 16 connections',
                 get_blob('1 MiB', 16, threads=2)),
            case('tls-100m', 'blob GET 100 MiB over TLS, 4 connections',
                 get_blob('100 MiB', 4, threads=2)),
        ),
        kinds=(TidemarkTls, NginxTls),
        before=seeding.give_certificate,
        after=seeding.push_content)
    with_token = Scene(
        cases=(
            case('get-tag-token', 'manifest GET by tag with an access token, 64 connections',
                 get_manifest_with_token),
        ),
        kinds=(TidemarkAuth,),
        after=seeding.push_content_and_log_in)
    return plain, over_tls, with_token
