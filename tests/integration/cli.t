#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The command line before any verb runs: help, version, mistakes and their exit statuses.
set -u

tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT

count=0
failed=0

# run STATUS ARGUMENT...: the exit status is as told; the output is left in $tmp/out and $tmp/err.
run()
{
	expected=$1
	shift
	"$TIDEMARK" "$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
	[ "$status" -eq "$expected" ] && return 0
	echo "# tidemark $*: exit status $status, not $expected"
	return 1
}

# ok NAME COMMAND...: one test.
ok()
{
	count=$((count + 1))
	name=$1
	shift
	if "$@"; then
		echo "ok $count - $name"
	else
		sed 's/^/# out: /' "$tmp/out"
		sed 's/^/# err: /' "$tmp/err"
		echo "not ok $count - $name"
		failed=1
	fi
}

help_lists_the_verbs()
{
	run 0 "$1" && grep -q '^Usage: tidemark' "$tmp/out" && grep -q '^  version ' "$tmp/out" &&
		[ ! -s "$tmp/err" ]
}

version_is_that_of_the_tree()
{
	run 0 "$1" && grep -qx "tidemark $(cat "$TOP_SRCDIR/VERSION")" "$tmp/out"
}

no_verb()
{
	run 2 && [ ! -s "$tmp/out" ] && grep -q '^Usage: tidemark' "$tmp/err"
}

unknown_verb()
{
	run 2 sevre && [ ! -s "$tmp/out" ] && grep -q "no verb 'sevre'" "$tmp/err"
}

for word in help --help -h; do
	ok "$word lists the verbs" help_lists_the_verbs $word
done
for word in version --version -V; do
	ok "$word prints the version" version_is_that_of_the_tree $word
done
ok 'without a verb: help on standard error, status 2' no_verb
ok 'an unknown verb is named, status 2' unknown_verb

echo "1..$count"
exit $failed
