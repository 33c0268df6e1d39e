#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may do what: every endpoint with every verb, tokens, lists, mounts, and bad input."""

import base64
import json
import sys

import check
import http1
import image
from access import (PASSWORD, AccessServer, ask_token, basic, bearer, challenge, claims_of, decode,
                    encode, post_token, routes)
from image import digest_of
from registry import with_query
from tap import Suite

# Of the verbs of auth/verb.def, those that a route can ask for, and one more.
REPOSITORY_VERBS = ('pull', 'push', 'delete', 'move-tag')
SERVER_VERBS = ('admin', 'audit', 'metrics')
VERBS = REPOSITORY_VERBS + SERVER_VERBS

POLICY = {
    'roles': {**{verb: [verb] for verb in VERBS}, 'developer': ['pull', 'push'],
              'maintainer': ['pull', 'push', 'move-tag', 'delete'],
              'admin-all': ['admin', 'audit', 'metrics']},
    'bindings': [
        *({'role': verb, 'to': [f'user:v-{verb}'],
           'repositories': ['**' if verb in SERVER_VERBS else 'matrix/**']} for verb in VERBS),
        {'role': 'admin-all', 'to': ['user:root'], 'repositories': ['**']},
        {'role': 'maintainer', 'to': ['user:owner'], 'repositories': ['**']},
        {'role': 'developer', 'to': ['user:dev'], 'repositories': ['team/**']},
        {'role': 'pull', 'to': ['user:dev'], 'repositories': ['shared/*']},
        {'role': 'pull', 'to': ['anonymous'], 'repositories': ['public/**']},
    ],
}
USERS = [f'v-{verb}' for verb in VERBS] + ['root', 'owner', 'dev', 'nobody', 'two']

DIGEST = 'sha256:' + '0' * 64
REPOSITORIES = ('matrix/app', 'matrix/absent')  # one is there, the other is not

suite = Suite()


# ---- The matrix

def targets(pattern, repository):
    """Paths of a pattern, with things that are not there."""
    last = DIGEST if 'blobs' in pattern or 'layers' in pattern or 'referrers/' in pattern else 'none'
    path = pattern.replace('<name>', repository).replace('<arg>', last)
    return path.replace('<ref>', ':none').replace('<path>', 'file')


def send(server, method, target, authorization):
    fields = {} if authorization is None else {'Authorization': authorization}
    return http1.request(server.address, method, target, fields)


def is_about_repository(pattern):
    return '<name>' in pattern


def each_request():
    for pattern, method, right in routes():
        for repository in REPOSITORIES if is_about_repository(pattern) else ('matrix/app',):
            yield pattern, method, right, repository, targets(pattern, repository)


def is_refused(answer):
    return answer.status in (401, 403)


@suite.case('something is stored')
def stored(server):
    server.registry('owner').push('matrix/app', image.small('matrix'), 'one')


@suite.case('every endpoint: without a credential only what is open is served')
def matrix_anonymous(server):
    for _pattern, method, right, _repository, target in each_request():
        answer = send(server, method, target, None)
        # The policy lets everybody read something, so lists are served.
        if right in ('NONE', 'ANY'):
            check.true(not is_refused(answer), f'{method} {target}: {answer.status}')
            continue
        check.status(answer, 401, f'{method} {target}')
        parameters, has_basic = challenge(answer)
        check.true(parameters['realm'] == f'http://{server.address}/token' and has_basic,
                   f'challenge of {method} {target}: {answer.fields}')
        check.true('error' not in parameters, f'no credential was wrong: {answer.fields}')


@suite.case('every endpoint and every verb: exactly the verb of its line opens it')
def matrix_verbs(server):
    for pattern, method, right, _repository, target in each_request():
        for verb in VERBS + ('none',):
            user = 'nobody' if verb == 'none' else f'v-{verb}'
            answer = send(server, method, target, basic(user))
            wanted = right in ('NONE', 'ANY', 'CREDENTIAL', 'SELF') or right.lower() == verb
            check.equal(not is_refused(answer), wanted,
                        f'{user}: {method} {pattern} is served ({answer.status})')
            if not wanted:
                check.status(answer, 403, f'{user}: {method} {target}')


@suite.case('every endpoint: a token opens what its scope and the policy say, and no more')
def matrix_scopes(server):
    for pattern, method, right, repository, target in each_request():
        action = {'PULL': 'pull', 'PUSH': 'push', 'DELETE': 'delete'}.get(right)
        if right == 'NONE':
            continue
        if right == 'CREDENTIAL':
            answer = send(server, method, target, bearer(server.token('v-pull')))
            check.true(not is_refused(answer), f'{method} {target}: {answer.status}')
            continue
        if right == 'SELF':
            answer = send(server, method, target, bearer(server.token('v-pull')))
            check.status(answer, 401, f'{method} {target}')
            continue
        user = f'v-{right.lower()}' if right != 'ANY' else 'v-pull'
        wrong = bearer(server.token(user, 'repository:matrix/other:pull,push,delete'))
        answer = check.status(send(server, method, target, wrong), 401, f'{method} {target}')
        check.equal(challenge(answer)[0].get('error'), 'insufficient_scope', f'{method} {target}')
        if right == 'ANY':
            scope = 'registry:catalog:*'
        elif action:
            scope = f'repository:{repository}:{action}'
            check.contains(challenge(answer)[0]['scope'], f'repository:{repository}:', 'scope')
        else:
            continue  # no token is for what concerns the server
        answer = send(server, method, target, bearer(server.token(user, scope)))
        check.true(not is_refused(answer), f'{method} {pattern}: {answer.status}')
        # Every other action of the same repository does not.
        others = [each for each in ('pull', 'push', 'delete') if each != action]
        if action:
            token = server.token('owner', f'repository:{repository}:{",".join(others)}')
            check.status(send(server, method, target, bearer(token)), 401, f'{method} {target}')


@suite.case('every endpoint: an expired token, an unknown one, a wrong password open nothing')
def matrix_expired(server):
    bad = {'expired': bearer(server.forge({'iat': 1, 'nbf': 1, 'exp': 1000000000})),
           'cut': bearer(server.forge()[:-4] + 'AAAA'),
           'secret': bearer('tmk_p_AAAAAAAAAAA_' + 'A' * 43),
           'password': basic('nobody', 'wrong')}
    for _pattern, method, right, _repository, target in each_request():
        if right == 'NONE':
            continue
        for what in ('expired', 'cut', 'secret'):
            answer = check.status(send(server, method, target, bad[what]), 401, f'{what} {target}')
            check.equal(challenge(answer)[0].get('error'), 'invalid_token', f'{what} {target}')
    check.status(send(server, 'GET', '/v2/', bad['password']), 401)
    # The same made right opens: what was refused above was the time, and the signature.
    good = send(server, 'GET', '/v2/matrix/app/manifests/one', bearer(server.forge()))
    check.status(good, 200)


@suite.case('a refusal does not tell what is there')
def indistinguishable(server):
    for pattern, method, right in routes():
        if not is_about_repository(pattern):
            continue
        for authorization in (None, basic('nobody')):
            there, absent = (send(server, method, targets(pattern, repository), authorization)
                             for repository in REPOSITORIES)
            check.equal(there.status, absent.status, f'{method} {pattern}')
            check.equal(there.body.replace(b'matrix/app', b'matrix/absent'), absent.body,
                        f'{method} {pattern}')
            names = [name for name, _ in there.fields if name != 'content-length']
            check.equal(names, [name for name, _ in absent.fields if name != 'content-length'],
                        'fields')


# ---- Tokens

@suite.case('a token has what the policy gives of what was asked for')
def partial_grants(server):
    answer = ask_token(server, 'dev', ['repository:team/a:pull,push,delete',
                                       'repository:shared/b:pull,push',
                                       'repository:other/c:pull', 'registry:catalog:*',
                                       'strange:thing:do'])
    document = json.loads(check.status(answer, 200).body)
    check.equal(document['token'], document['access_token'])
    claims = claims_of(document['token'])
    check.equal([(line['type'], line['name'], line['actions']) for line in claims['access']],
                [('repository', 'team/a', ['pull', 'push']), ('repository', 'shared/b', ['pull']),
                 ('registry', 'catalog', ['*'])], 'access')
    check.equal((claims['sub'], claims['aud'], claims['iss']), ('dev', 'tidemark', 'tidemark'))
    check.equal(claims['exp'] - claims['iat'], document['expires_in'], 'life')
    check.equal(answer.field('cache-control'), 'no-store')


@suite.case('several scopes in one parameter, an empty one, none at all')
def several_scopes(server):
    token = server.token('dev', 'repository:team/a:pull repository:team/b:push', '')
    check.equal([line['name'] for line in claims_of(token)['access']], ['team/a', 'team/b'])
    check.equal(claims_of(server.token('dev'))['access'], [])


@suite.case('without a credential a token is for what everybody may read')
def anonymous_token(server):
    server.registry('owner').push('public/app', image.small('public'), 'one')
    answer = ask_token(server, None, ['repository:public/app:pull,push',
                                      'repository:matrix/app:pull'])
    token = json.loads(check.status(answer, 200).body)['token']
    visitor = server.visitor(bearer(token))
    check.status(visitor.get_manifest('public/app', 'one'), 200)
    check.status(visitor.get_manifest('matrix/app', 'one'), 401)
    check.status(server.registry().get_manifest('public/app', 'one'), 200)
    check.status(server.registry().request('POST', '/v2/public/app/blobs/uploads/'), 401)


@suite.case('POST /token by a password; no refresh token for who has no account')
def post_password(server):
    answer = post_token(server, grant_type='password', username='dev', password=PASSWORD,
                        service='tidemark', scope='repository:team/a:pull repository:no/b:pull',
                        client_id='test')
    document = json.loads(check.status(answer, 200).body)
    check.equal(document['scope'], 'repository:team/a:pull')
    check.equal([line['name'] for line in claims_of(document['access_token'])['access']],
                ['team/a'])
    answer = post_token(server, grant_type='password', username='dev', password='wrong')
    check.error(answer, 401, 'UNAUTHORIZED')
    check.equal(challenge(answer), ({}, True), 'challenge at /token')


def patch_user(server, name, document):
    return server.registry('root').request('PATCH', f'/api/v1/users/{name}',
                                           {'Content-Type': 'application/json'},
                                           json.dumps(document).encode())


@suite.case('a refresh token gets access tokens, opens nothing else, and ends with its account')
def refresh(server):
    answer = ask_token(server, 'dev', ['repository:team/a:pull'], offline_token='true')
    token = json.loads(check.status(answer, 200).body)['refresh_token']
    other = post_token(server, grant_type='password', username='dev', password=PASSWORD,
                       access_type='offline')
    check.true(json.loads(other.body)['refresh_token'] != token, 'the same refresh token twice')

    def exchange():
        return post_token(server, grant_type='refresh_token', refresh_token=token,
                          service='tidemark', scope='repository:team/a:pull,delete')
    for _ in range(2):  # clients keep the one they have, so it is good again and again
        document = json.loads(check.status(exchange(), 200).body)
        check.equal(document['scope'], 'repository:team/a:pull')
        check.equal(document['refresh_token'], token)
    claims = claims_of(document['access_token'])
    check.equal((claims['sub'], [line['actions'] for line in claims['access']]), ('dev', [['pull']]))
    visitor = server.visitor(bearer(document['access_token']))
    check.status(visitor.get_manifest('team/a', 'none'), 404)
    for authorization in (basic('dev', token), bearer(token)):
        check.status(send(server, 'GET', '/v2/', authorization), 401)
    check.error(post_token(server, grant_type='password', username='dev', password=token), 401)
    check.error(post_token(server, grant_type='refresh_token', refresh_token=token[:-1] + 'x'), 401)
    # Another secret leaves none behind, and a disabled account has none.
    check.status(patch_user(server, 'dev', {'disabled': True}), 200)
    check.error(exchange(), 401)
    check.status(visitor.get_manifest('team/a', 'none'), 401)
    check.status(send(server, 'GET', '/v2/', basic('dev')), 401)
    check.status(patch_user(server, 'dev', {'disabled': False}), 200)
    check.status(exchange(), 200)
    check.status(visitor.get_manifest('team/a', 'none'), 404)
    check.status(send(server, 'GET', '/v2/', basic('dev')), 200)
    check.true(token not in server.log_text(), 'a refresh token is in the log')


@suite.case('an access token is no credential for another token')
def no_upgrade(server):
    token = server.token('dev', 'repository:team/a:pull')
    answer = http1.request(server.address, 'GET', '/token?scope=repository:team/b:push',
                           {'Authorization': bearer(token)})
    check.status(answer, 401)


@suite.case('an access token that the policy takes the right from opens nothing more')
def revoked_by_policy(server):
    visitor = server.visitor(bearer(server.token('dev', 'repository:team/later:pull')))
    check.status(visitor.get_manifest('team/later', 'one'), 404)
    root = server.registry('root')
    answer = check.status(root.request('GET', '/api/v1/access'), 200)
    policy = json.loads(answer.body)
    before = json.dumps(policy)
    policy['bindings'] = [line for line in policy['bindings'] if line['to'] != ['user:dev']]
    changed = put_policy(root, json.dumps(policy), {'If-Match': answer.field('etag')})
    check.status(changed, 200)
    check.status(visitor.get_manifest('team/later', 'one'), 403)
    check.status(put_policy(root, before, {'If-Match': answer.field('etag')}), 412)
    check.status(put_policy(root, before, {'If-Match': changed.field('etag')}), 200)
    check.status(visitor.get_manifest('team/later', 'one'), 404)


# ---- Verbs that only a transaction knows

@suite.case('push makes a tag, move-tag moves it, delete removes it')
def tag_verbs(server):
    dev, owner = server.registry('dev'), server.registry('owner')
    one, two = image.small('verbs one'), image.small('verbs two')
    dev.push('team/verbs', one, 'latest')
    dev.push('team/verbs', two)
    check.status(dev.put_manifest('team/verbs', 'latest', one.body, one.media_type), 201)
    answer = dev.put_manifest('team/verbs', 'latest', two.body, two.media_type)
    check.error(answer, 403, 'DENIED', 'dev', 'move-tag', 'team/verbs')
    answer = dev.put_manifest('team/verbs', f'{two.digest}?tag=new&tag=latest', two.body,
                              two.media_type)
    check.error(answer, 403, 'DENIED')
    check.equal(dev.tags('team/verbs'), ['latest'], 'tags: all or none')
    check.equal(dev.digest('team/verbs', 'latest'), one.digest)
    check.error(dev.delete_manifest('team/verbs', 'latest'), 403, 'DENIED', 'delete')
    check.status(owner.put_manifest('team/verbs', 'latest', two.body, two.media_type), 201)
    check.status(owner.delete_manifest('team/verbs', 'latest'), 202)


@suite.case('a token for push may move tags where the policy lets its owner')
def push_scope_moves(server):
    one, two = image.small('scope one'), image.small('scope two')
    token = server.token('owner', 'repository:team/scope:pull,push')
    visitor = server.visitor(bearer(token))
    visitor.push('team/scope', one, 'latest')
    visitor.push('team/scope', two, 'latest')
    check.status(visitor.delete_manifest('team/scope', 'latest'), 401)


@suite.case('files: a new tag by push, another file in it by move-tag')
def file_verbs(server):
    dev, owner = server.registry('dev'), server.registry('owner')
    check.status(dev.request('PUT', '/files/team/files:1/a.txt', {}, b'a'), 201)
    check.status(dev.request('PUT', '/files/team/files:1/b.txt', {}, b'b'), 403)
    check.status(owner.request('PUT', '/files/team/files:1/b.txt', {}, b'b'), 201)
    check.status(dev.request('GET', '/files/team/files:1/b.txt'), 200)
    check.status(server.registry('nobody').request('GET', '/files/team/files:1/b.txt'), 403)


@suite.case('an upload is its beginner\'s')
def upload_identity(server):
    owner, dev = server.registry('owner'), server.registry('dev')
    location = dev.begin_upload('team/upload')
    content = b'of dev'
    finish = with_query(location, f'digest={digest_of(content)}')
    for method, target in (('PATCH', location), ('PUT', finish), ('GET', location),
                           ('DELETE', location)):
        check.error(owner.request(method, target, {}, content if method != 'GET' else None), 404,
                    'BLOB_UPLOAD_UNKNOWN')
    check.status(dev.request('PUT', finish, {}, content), 201)


# ---- Reading across repositories

def mount(visitor, target, digest, source=None):
    query = f'?mount={digest}' + (f'&from={source}' if source else '')
    return visitor.request('POST', f'/v2/{target}/blobs/uploads/{query}')


@suite.case('a mount takes from what one may pull; all else is as if it were not there')
def mounts(server):
    owner, dev = server.registry('owner'), server.registry('dev')
    secret = owner.push_blob('hidden/app', b'a secret')
    shared = owner.push_blob('shared/app', b'a shared blob')
    for source in ('hidden/app', 'hidden/none', None):
        check.status(mount(dev, 'team/mount', secret, source), 202)
        check.status(mount(dev, 'team/mount', digest_of(b'unknown'), source), 202)
    check.true(not dev.has_blob('team/mount', secret), 'a blob was mounted')
    check.status(mount(dev, 'team/mount', shared, 'shared/app'), 201)
    check.status(mount(dev, 'team/mount2', shared), 201)
    check.status(dev.get_blob('team/mount2', shared), 200)
    # A token must be for the source, too; where its owner may not pull nothing tells so.
    visitor = server.visitor(bearer(server.token('dev', 'repository:team/mount3:pull,push')))
    answer = check.status(mount(visitor, 'team/mount3', shared, 'shared/app'), 401)
    check.equal(challenge(answer)[0]['scope'],
                'repository:team/mount3:pull,push repository:shared/app:pull', 'scope')
    for source in ('hidden/app', 'hidden/none'):
        check.status(mount(visitor, 'team/mount3', secret, source), 202)
    both = server.token('dev', *challenge(answer)[0]['scope'].split())
    check.status(mount(server.visitor(bearer(both)), 'team/mount3', shared, 'shared/app'), 201)
    # To push it needs the bytes, whoever has them.
    location = dev.begin_upload('team/mount')
    answer = dev.request('PUT', with_query(location, f'digest={secret}'), {}, b'')
    check.error(answer, 400, 'DIGEST_INVALID')


@suite.case('a manifest cannot name what another repository has')
def attach(server):
    owner, dev = server.registry('owner'), server.registry('dev')
    hidden = image.small('hidden')
    owner.push('hidden/app', hidden, 'one')
    answer = dev.put_manifest('team/attach', 'one', hidden.body, hidden.media_type)
    check.error(answer, 400, 'MANIFEST_BLOB_UNKNOWN')


def names_of(visitor, target, member='repositories'):
    """All pages of the catalog: (names, requests)."""
    names, requests = [], 0
    while target is not None:
        answer = check.status(visitor.request('GET', target), 200)
        names += json.loads(answer.body)[member]
        link = answer.field('link')
        target = link.partition('<')[2].partition('>')[0] if link else None
        requests += 1
    return names, requests


@suite.case('the catalog and the list of repositories show what one may pull')
def lists(server):
    owner = server.registry('owner')
    for number in range(30):
        owner.push_blob(f'{("hidden", "shared", "zoo")[number % 3]}/r{number:02}', b'x')
    everything, _ = names_of(owner, '/v2/_catalog?n=1000')
    for user, shows in (('dev', ('team/', 'shared/', 'public/')), ('nobody', ('public/',)),
                        (None, ('public/',)), ('v-pull', ('matrix/', 'public/'))):
        wanted = [name for name in everything if name.startswith(shows)]
        check.true(0 < len(wanted) < len(everything), 'the case is of no use')
        visitor = server.registry(user)
        for size in (1, 2, 7, 1000):
            names, requests = names_of(visitor, f'/v2/_catalog?n={size}')
            check.equal(names, wanted, f'catalog of {user} by {size}')
            check.equal(requests, -(-len(wanted) // size), 'pages')
        names, after = [], ''
        while after is not None:
            answer = visitor.request('GET', f'/api/v1/repos?n=2&after={after}')
            page = json.loads(check.status(answer, 200).body)
            names += [each['name'] for each in page['repositories']]
            after = page.get('next')
        check.equal(names, wanted, f'repositories of {user}')


@suite.case('more hidden repositories than are looked at in one step')
def long_lists(server):
    owner = server.registry('owner')
    with http1.Connection(server.address) as connection:
        for number in range(2100):
            digest = digest_of(b'x')
            answer = connection.request(
                'POST', f'/v2/hidden/many{number:04}/blobs/uploads/?mount={digest}&from=hidden/r00',
                {'Authorization': owner.authorization})
            check.status(answer, 201)
    names, _ = names_of(server.registry('nobody'), '/v2/_catalog')
    check.equal(names, ['public/app'])
    answer = server.registry('nobody').request('GET', '/api/v1/repos')
    check.equal([each['name'] for each in json.loads(answer.body)['repositories']], ['public/app'])


# ---- The policy by the API

def put_policy(visitor, text, fields=None):
    return visitor.request('PUT', '/api/v1/access',
                           {'Content-Type': 'application/json', **(fields or {})}, text.encode())


@suite.case('whoami')
def whoami(server):
    answer = server.registry('dev').request('GET', '/api/v1/whoami')
    check.equal(json.loads(check.status(answer, 200).body),
                {'name': 'dev', 'kind': 'user', 'groups': [], 'server': []})
    answer = server.registry('root').request('GET', '/api/v1/whoami')
    check.equal(sorted(json.loads(answer.body)['server']), ['admin', 'audit', 'metrics'])
    token = server.token('dev', 'repository:team/a:pull')
    document = json.loads(server.visitor(bearer(token)).request('GET', '/api/v1/whoami').body)
    check.equal((document['name'], document['scope']), ('dev', ['repository:team/a:pull']))


@suite.case('explain names the line that decides')
def explain(server):
    def ask(query):
        answer = server.registry('root').request('GET', f'/api/v1/access/explain?{query}')
        return json.loads(check.status(answer, 200).body)
    found = ask('subject=user:dev&verb=push&repository=team/a')
    check.equal((found['allowed'], found['role'], found['subject'], found['glob']),
                (True, 'developer', 'user:dev', 'team/**'))
    check.equal(POLICY['bindings'][found['binding']]['role'], 'developer')
    check.equal(ask('subject=dev&verb=delete&repository=team/a')['allowed'], False)
    check.equal(ask('subject=anonymous&verb=pull&repository=public/a')['allowed'], True)
    check.equal(ask('subject=user:root&verb=admin')['allowed'], True)


@suite.case('a policy is refused where it is wrong, and named there')
def bad_policies(server):
    root = server.registry('root')
    for change, status, *words in (
            (lambda p: p['roles'].update(x=['pul']), 400, 'roles', 'pull'),
            (lambda p: p['bindings'][0].update(role='none'), 400, 'bindings[0]'),
            (lambda p: p['bindings'][0].update(to=['someone:x']), 400, 'bindings[0].to[0]'),
            (lambda p: p.update(extra=1), 400, 'extra'),
            (lambda p: p.update(bindings=[]), 400, 'admin')):
        policy = json.loads(json.dumps(POLICY))
        change(policy)
        answer = check.status(put_policy(root, json.dumps(policy)), status)
        for word in words:
            check.contains(json.loads(answer.body)['detail'], word, 'detail')
    check.status(put_policy(root, '{'), 400)
    check.status(put_policy(root, json.dumps({'x': 'y' * 70000})), 413)
    check.status(root.request('PUT', '/api/v1/access', {'Content-Type': 'text/plain'}, b'{}'), 415)
    check.status(put_policy(root, json.dumps(POLICY), {'If-None-Match': '*'}), 412)
    check.status(put_policy(root, json.dumps(POLICY), {'If-Match': '1'}), 400)


# ---- Bad input

def plain(text):
    data = text if isinstance(text, bytes) else text.encode()
    return 'Basic ' + base64.b64encode(data).decode()


BAD_FIELDS = (
    ('no scheme', '', 401), ('a scheme alone', 'Basic', 400), ('another scheme', 'Digest x', 401),
    ('no base64', 'Basic !!!!', 400), ('base64 cut off', 'Basic YTpi=', 400),
    ('base64 with bits left', 'Basic YTpiYy==', 400), ('base64url', 'Basic _-__', 400),
    ('two tokens', 'Basic YTpi YTpi', 400), ('no colon', plain('dev'), 400),
    ('a line end in the name', plain('dev\r\nX-Evil: 1:pw'), 400),
    ('a NUL in the name', plain('dev\0:pw'), 400), ('DEL in the name', plain('d\x7fv:pw'), 400),
    ('no UTF-8', plain(b'd\xffv:pw'), 400), ('a long name', plain('a' * 256 + ':pw'), 400),
    ('a NUL in the password', plain('dev:a\0b'), 400), ('an empty name', plain(':pw'), 401), ('nothing but a colon', plain(':'), 401),
    ('an empty password', plain('dev:'), 401), ('an unknown user', plain('who:' + PASSWORD), 401),
    ('Bearer and nothing', 'Bearer ', 400), ('Bearer with spaces', 'Bearer a b', 400),
    ('Bearer with quotes', 'Bearer "a"', 400), ('Bearer =', 'Bearer ==', 400),
    ('half a token', 'Bearer a.b', 401), ('no token', 'Bearer abc', 401),
    ('dots', 'Bearer ..', 401), ('a secret cut off', 'Bearer tmk_p_abc', 401),
    ('a refresh token', bearer('tmk_f_AAAAAAAAAAA_' + 'A' * 43), 401),
)


@suite.case('a malformed Authorization field is refused')
def bad_fields(server):
    for what, value, status in BAD_FIELDS:
        answer = send(server, 'GET', '/v2/', value)
        check.status(answer, status, what)
        check.true(answer.field('x-evil') is None and b'Evil' not in answer.body, what)
    with http1.Connection(server.address) as connection:
        answer = connection.request('GET', '/v2/', [('Authorization', basic('dev')),
                                                    ('Authorization', basic('dev'))])
        check.status(answer, 400, 'two fields')
    check.status(send(server, 'GET', '/v2/', 'bAsIc ' + basic('dev')[6:]), 200)
    log = server.log_text()
    for secret in (PASSWORD, basic('dev')[6:], 'AAAAAAAAAAAAAAAA'):
        check.true(secret not in log, 'a secret is in the log')


@suite.case('a forged token is refused')
def bad_tokens(server):
    unsigned = server.forge().rpartition('.')[0]
    none = encode(json.dumps({'typ': 'JWT', 'alg': 'none'})) + '.' + unsigned.split('.')[1] + '.'
    double = decode(unsigned.split('.')[1]).decode().replace('{', '{"exp":99999999999,', 1)
    bad = {
        'alg none': none,
        'alg none with our key': server.forge(header={'alg': 'none'}),
        'another algorithm': server.forge(header={'alg': 'HS256'}),
        'an unknown key': server.forge(header={'kid': '0' * 32}),
        'no key': server.forge(header={'kid': ''}),
        'a key with a path': server.forge(header={'kid': '../../etc/passwd'}),
        'another audience': server.forge({'aud': 'other'}),
        'another issuer': server.forge({'iss': 'other'}),
        'not yet': server.forge({'nbf': 99999999990, 'exp': 99999999999}),
        'no end': server.forge({'exp': None}),
        'no signature': unsigned + '.',
        'the signature of another': unsigned + '.' + server.forge({'jti': 'y'}).split('.')[2],
        'claims twice': unsigned.split('.')[0] + '.' + encode(double) + '.' +
                        server.forge().split('.')[2],
        'padding': server.forge() + '==',
        'more scope than was signed': None,
    }
    header, claims, signature = server.forge().split('.')
    more = json.loads(decode(claims))
    more['access'][0]['actions'] = ['pull', 'push', 'delete']
    bad['more scope than was signed'] = f'{header}.{encode(json.dumps(more))}.{signature}'
    for what, token in bad.items():
        answer = send(server, 'GET', '/v2/matrix/app/manifests/one', bearer(token))
        check.status(answer, 401, what)
    check.status(send(server, 'GET', '/v2/', bearer(server.forge({'x': 'y' * 12000}))), {400, 401})
    check.status(send(server, 'GET', '/v2/', bearer('a' * 20000)), 400)


@suite.case('a malformed question for a token is refused')
def bad_questions(server):
    for scope in ('repository', 'repository:a', 'repository:A/b:pull', 'repository:a//b:pull',
                  'repository:../b:pull', ':a:pull', 'repository::pull',
                  'repository:' + 'a' * 300 + ':pull', 'repository:a\r\nb:pull'):
        check.error(ask_token(server, 'dev', [scope]), 400)
    check.error(ask_token(server, 'dev', [f'repository:team/r{i}:pull' for i in range(33)]), 400,
                None, 'auth.max_scopes')
    check.error(http1.request(server.address, 'GET', '/token?service=other'), 400, None, 'other')
    check.error(http1.request(server.address, 'GET', '/token?service=tidemark&service=other'), 400)
    check.error(http1.request(server.address, 'GET', '/token?scope=%zz'), 400)
    check.error(post_token(server, grant_type='client_credentials'), 400, None, 'grant_type')
    check.error(post_token(server, username='dev', password=PASSWORD), 400)
    check.error(post_token(server, grant_type='password', username='dev\r\nx', password='y'), 400)
    check.error(post_token(server, grant_type='refresh_token', refresh_token='x'), 401)
    check.error(post_token(server, grant_type='refresh_token', refresh_token=PASSWORD,
                           username='dev'), 401)
    check.error(post_token(server, grant_type='x' * 70000), 413)
    answer = http1.request(server.address, 'POST', '/token', {'Content-Type': 'application/json'},
                           b'{}')
    check.error(answer, 415)


@suite.case('many wrong passwords: 429 says how long to wait, tokens go on')
def lockout(server):
    token = server.token('two', 'registry:catalog:*')
    check.status(send(server, 'GET', '/v2/', basic('two')), 200)
    for _ in range(12):
        answer = send(server, 'GET', '/v2/', basic('two', 'wrong'))
        if answer.status == 429:
            break
    check.status(answer, 429)
    check.true(int(answer.field('retry-after')) >= 1, 'Retry-After')
    check.status(send(server, 'GET', '/v2/_catalog', bearer(token)), 200)
    # Nor does the right one, though it was right a moment ago and is remembered.
    check.status(send(server, 'GET', '/v2/', basic('two')), 429)


# ---- What is left behind

@suite.case('refusals and changes of the policy are events')
def events(server):
    def found():
        answer = server.registry('root').request(
            'GET', '/api/v1/events?n=1000&types=access.refused,policy.changed')
        return json.loads(check.status(answer, 200).body)['events']
    check.status(server.registry('v-pull').request('GET', '/v2/quiet/place/tags/list'), 403)
    check.eventually('the refusal is an event', lambda: [
        each for each in found() if each['type'] == 'access.refused' and
        each['actor'] == 'v-pull' and each.get('repository') == 'quiet/place' and
        each['reason'] == 'pull'])
    check.true(any(each['type'] == 'policy.changed' for each in found()), 'no policy.changed')


@suite.case('after a restart the policy is there, and tokens of before are good')
def restart(server):
    token = server.token('dev', 'repository:team/verbs:pull')
    server.restart()
    check.status(server.visitor(bearer(token)).request('GET', '/v2/team/verbs/tags/list'), 200)
    check.status(server.registry('root').request('GET', '/api/v1/access'), 200)


def main():
    server = AccessServer(POLICY, USERS, 'log:\n  level: debug\n')
    suite.add('after all of that fsck finds nothing wrong', lambda _: server.check_is_clean())
    suite.add('the server ends cleanly', lambda _: server.stop())
    try:
        server.start()
        return suite.run(server)
    finally:
        server.remove()


if __name__ == '__main__':
    sys.exit(main())
