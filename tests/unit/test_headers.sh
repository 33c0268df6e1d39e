#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Every header compiles alone and twice, and its guard follows its path.
set -u

top=${TOP_SRCDIR:-.}
build=${TOP_BUILDDIR:-.}
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT

count=0
status=0

tap()
{
	count=$((count + 1))
	echo "$1 $count - $2"
	[ "$1" = ok ] || status=1
}

check()
{
	guard=$(echo "$1" | tr 'a-z/.-' 'A-Z___')
	if ! grep -q "^#ifndef $guard\$" "$top/$1" || ! grep -q "^#define $guard\$" "$top/$1"; then
		echo "# $1: the guard is not $guard"
		return 1
	fi
	printf '#include "config.h"\n#include "%s"\n#include "%s"\n' "$1" "$1" >"$tmp/alone.c"
	# The flags are words: no quotes.
	# shellcheck disable=SC2086
	${CC:-cc} -std=gnu11 -fsyntax-only -Wall -Wextra -Werror -I"$build" -I"$top" \
		${TEST_CPPFLAGS-} "$tmp/alone.c" >"$tmp/errors" 2>&1 && return 0
	sed 's/^/# /' "$tmp/errors"
	return 1
}

headers=$(cd "$top" && find base storage auth registry release server cli tests -name '*.h' \
	2>/dev/null | sort)
for header in $headers; do
	if check "$header"; then
		tap ok "$header"
	else
		tap 'not ok' "$header"
	fi
done

[ "$count" -gt 0 ] || tap 'not ok' 'there are headers to check'
echo "1..$count"
exit $status
