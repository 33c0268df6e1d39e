#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes jwt_vectors.h: keys and tokens as another implementation makes them (joserfc, on
cryptography, both from PyPI). The file is checked in, so that the unit tests need no Python package;
keys are made anew by each run.

    python3 tests/unit/jwt_vectors.py >tests/unit/jwt_vectors.h
"""
import base64
import hmac
import json

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

CLAIMS = {"iss": "https://ci.example", "sub": "repo:acme/app", "aud": ["other", "tidemark"],
          "nbf": 1800000000, "iat": 1800000000, "exp": 1800003600}
ALL = jws.JWSRegistry(algorithms=["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"])
lines = []


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def define(name, text):
    lines.append("#define %s \\" % name)
    quoted = [text[i:i + 80].replace("\\", "\\\\").replace('"', '\\"')
              for i in range(0, len(text), 80)]
    lines.extend('    "%s"%s' % (part, " \\" if i + 1 < len(quoted) else "")
                 for i, part in enumerate(quoted))
    lines.append("")


def public(key, kid, **more):
    return dict(key.as_dict(private=False), **{"kid": kid}, **more)


def token(alg, key, kid, claims=None, **header):
    head = dict({"alg": alg, "typ": "JWT"}, **header)
    if kid:
        head["kid"] = kid
    return jwt.encode(head, claims or CLAIMS, key, registry=ALL)


def signed_text(header, payload, key):
    """Signed RS256 by hand: bytes that no library would write."""
    text = b64(header.encode()) + "." + b64(payload.encode())
    raw = key.private_key.sign(text.encode(), padding.PKCS1v15(), SHA256())
    return text + "." + b64(raw)


r2048 = RSAKey.generate_key(2048)
r3072 = RSAKey.generate_key(3072)
p256, p384, p521 = (ECKey.generate_key(curve) for curve in ("P-256", "P-384", "P-521"))
ed = OKPKey.generate_key("Ed25519")
weak = rsa.generate_private_key(65537, 1024).public_key().public_numbers()
weak_jwk = {"kty": "RSA", "kid": "weak", "e": "AQAB", "n": b64(weak.n.to_bytes(128, "big"))}

define("KEYS", json.dumps({"keys": [
    public(r2048, "rsa"), public(r3072, "rs-only", alg="RS256", use="sig"),
    public(p256, "p256", key_ops=["verify"]), public(p384, "p384"), public(ed, "ed")]}))
define("KEY_RSA", json.dumps(public(r2048, "rsa")))
define("KEY_P256", json.dumps(public(p256, "p256")))
define("KEY_P521", json.dumps(public(p521, "p521")))
define("KEY_WEAK", json.dumps(weak_jwk))
define("KEY_PRIVATE", json.dumps(dict(p256.as_dict(private=True), kid="p256")))
define("KEY_SECRET", json.dumps(dict(OctKey.generate_key(256).as_dict(), kid="rsa")))

for alg, key, kid in (("RS256", r2048, "rsa"), ("PS256", r2048, "rsa"), ("ES256", p256, "p256"),
                      ("ES384", p384, "p384"), ("EdDSA", ed, "ed")):
    define("TOKEN_" + alg.upper(), token(alg, key, kid))
define("TOKEN_ED25519", token("Ed25519", ed, "ed"))
define("TOKEN_NO_KID", token("ES256", p256, None))
define("TOKEN_RSA_NO_KID", token("RS256", r2048, None))
define("TOKEN_RS_ONLY", token("RS256", r3072, "rs-only"))
define("TOKEN_PS_OF_RS_ONLY", token("PS256", r3072, "rs-only"))
define("TOKEN_ES512", token("ES512", p521, "p521"))
define("TOKEN_UNKNOWN_KID", token("RS256", r2048, "another"))
define("TOKEN_OTHER_KID", token("ES256", p256, "rsa"))
define("TOKEN_FOREIGN", token("EdDSA", OKPKey.generate_key("Ed25519"), "ed"))
# The public key as the secret of an HMAC: what a verifier that believes the header would accept.
confused = b64(b'{"alg":"HS256","kid":"rsa"}') + "." + b64(json.dumps(CLAIMS).encode())
define("TOKEN_CONFUSED", confused + "." + b64(
    hmac.new(r2048.as_pem(private=False), confused.encode(), "sha256").digest()))
define("TOKEN_NONE", b64(b'{"alg":"none"}') + "." + b64(json.dumps(CLAIMS).encode()) + ".")
define("TOKEN_NONE_SIGNED", signed_text('{"alg":"None","kid":"rsa"}', json.dumps(CLAIMS), r2048))
define("TOKEN_CRIT", signed_text('{"alg":"RS256","kid":"rsa","crit":["b64"],"b64":true}',
                                 json.dumps(CLAIMS), r2048))
define("TOKEN_TWICE", signed_text('{"alg":"RS256","kid":"rsa"}',
                                  '{"sub":"a","exp":1800003600,"sub":"admin"}', r2048))
define("TOKEN_HEADER_TWICE", signed_text('{"alg":"RS256","kid":"rsa","alg":"none"}',
                                         json.dumps(CLAIMS), r2048))
define("TOKEN_OWN_KEY", signed_text('{"alg":"RS256","kid":"x","jwk":%s}' %
                                    json.dumps(public(r2048, "x")), json.dumps(CLAIMS), r2048))
define("TOKEN_AUD_TEXT", token("EdDSA", ed, "ed", dict(CLAIMS, aud="tidemark")))
define("TOKEN_AUD_NUMBER", token("EdDSA", ed, "ed", dict(CLAIMS, aud=7)))
define("TOKEN_ARRAY", signed_text('{"alg":"RS256","kid":"rsa"}', '["exp"]', r2048))

print("/* SPDX-License-Identifier: Apache-2.0 */\n/*\n * Written by tests/unit/jwt_vectors.py. "
      "Keys of nobody.\n */\n#ifndef TESTS_UNIT_JWT_VECTORS_H\n#define TESTS_UNIT_JWT_VECTORS_H\n")
print("/* clang-format off */\n")
print("\n".join(lines))
print("/* clang-format on */\n\n#endif")
