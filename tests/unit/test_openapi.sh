#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# docs/openapi.yaml and server/route.def name the same endpoints outside /v2: every pattern with
# every method, in both. HEAD beside a GET is implied, and must be there in the router.
set -u
top=${TOP_SRCDIR:-.}
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
count=0
status=0

tap()
{
	count=$((count + 1))
	[ "$1" = ok ] || status=1
	echo "$1 $count - $2"
}

# router FILE: "GET /api/v1/repos/<>" for each method of each pattern, placeholders without names.
router()
{
	awk -F '[(),]' '
		/^X\(/ { pattern = $0; sub(/^[^"]*"/, "", pattern); sub(/".*/, "", pattern)
			gsub(/<[a-z]+>/, "<>", pattern); patterns[$2] = pattern }
		/^M\(/ { method = $3; gsub(/ /, "", method)
			if (patterns[$2] !~ "^/v2/") print method, patterns[$2] }' "$1" | sort
}

# document FILE: the same of an OpenAPI document: two spaces before a path, four before a method. A
# <ref> of the router is ":{tag}" in one path there and "@{digest}" in another.
document()
{
	awk '
		/^[a-z]/ { in_paths = /^paths:/ }
		in_paths && /^  \// { path = $1; sub(/:$/, "", path)
			gsub(/[:@][{][a-z]+[}]/, "<>", path); gsub(/[{][a-z]+[}]/, "<>", path) }
		in_paths && /^    (get|put|post|patch|delete|head):/ {
			method = $1; sub(/:$/, "", method); print toupper(method), path
			if (method == "get") print "HEAD", path }' "$1" | sort -u
}

# Methods that only one of the two has.
differences()
{
	router "$1" >"$tmp/router"
	document "$2" >"$tmp/document"
	comm -23 "$tmp/router" "$tmp/document" | sed 's/^/only the router has: /'
	comm -13 "$tmp/router" "$tmp/document" | sed 's/^/only the document has: /'
}

# The comparison itself, on two that differ in known ways.
cat >"$tmp/route.def" <<'END'
X(A, "/a/<name>/-/b/<arg>")
X(B, "/b")
X(C, "/c/<name><ref>/")
X(V2, "/v2/c")
#ifdef M
M(A, GET, a_get)
M(A, HEAD, a_get)
M(A, PUT, a_put)
M(B, GET, b_get)
M(C, PUT, c_put)
M(C, DELETE, c_delete)
M(V2, GET, v2_get)
#endif
END
cat >"$tmp/openapi.yaml" <<'END'
openapi: 3.1.0
paths:
  /a/{name}/-/b/{digest}:
    get:
      summary: x
  /b:
    get:
      summary: x
    delete:
      summary: x
  /c/{name}:{tag}/:
    put:
      summary: x
    patch:
      summary: x
  /c/{name}@{digest}/:
    delete:
      summary: x
components:
  /no/path:
    get: {}
END
expected='only the router has: PUT /a/<>/-/b/<>
only the document has: DELETE /b
only the document has: HEAD /b
only the document has: PATCH /c/<><>/'
if [ "$(differences "$tmp/route.def" "$tmp/openapi.yaml")" = "$expected" ]; then
	tap ok 'differences are found'
else
	differences "$tmp/route.def" "$tmp/openapi.yaml" | sed 's/^/# /'
	tap 'not ok' 'differences are found'
fi

found=$(differences "$top/server/route.def" "$top/docs/openapi.yaml")
if [ -z "$found" ] && [ -s "$tmp/router" ]; then
	tap ok 'the document and the router name the same endpoints'
else
	printf '%s\n' "$found" | sed 's/^/# /'
	tap 'not ok' 'the document and the router name the same endpoints'
fi

echo "1..$count"
exit $status
