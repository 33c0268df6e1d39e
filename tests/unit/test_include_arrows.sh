#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A folder includes only itself and the folders below it, by paths from the top of the tree; every
# .c starts with config.h, no header has it. (docs/ARCHITECTURE.md, "The stack".) The check is
# first tried on a small tree with one violation of each kind, so that it cannot pass by being blind.
set -u

top=${TOP_SRCDIR:-.}
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

# Prints a line for each violation below the folder $1.
violations()
{
	# The dollars are awk's.
	# shellcheck disable=SC2016
	(cd "$1" && find base storage auth registry release server cli -name '*.[ch]' -o \
		-name '*.def' 2>/dev/null | sort | xargs awk '
	BEGIN {
		split("base storage auth registry release server", stack, " ")
		for (i in stack)
			rank[stack[i]] = i + 0
		rank["cli"] = 7
	}
	function complain(why) { print FILENAME ":" FNR ": " why }
	function may(from, to) {
		if (from == to)
			return 1
		if (from == "cli")
			return to == "base"
		if (to == "cli")
			return FILENAME == "server/main.c"
		return rank[to] < rank[from]
	}
	FNR == 1 {
		folder = FILENAME
		sub("/.*", "", folder)
		is_c = FILENAME ~ /\.c$/
		includes = 0
	}
	/^[ \t]*#[ \t]*include/ {
		includes++
		path = $0
		sub(/^[ \t]*#[ \t]*include[ \t]*/, "", path)
		quoted = path ~ /^"/
		sub(/^["<]/, "", path)
		sub(/[">].*/, "", path)
		if (is_c && includes == 1 && !(quoted && path == "config.h"))
			complain("config.h is not the first include")
		if (path == "config.h") {
			if (!is_c)
				complain("a header includes config.h")
			next
		}
		target = path
		sub("/.*", "", target)
		if (path ~ /\.\./)
			complain("include of a path with ..: " path)
		else if (!quoted && path ~ "/" && target in rank)
			complain("our header in angle brackets: " path)
		else if (quoted && !(path ~ "/" && target in rank))
			complain("include not qualified by a folder of the stack: " path)
		else if (quoted && !may(folder, target))
			complain("include upwards: " folder " -> " target ": " path)
	}')
}

# plant FILE LINE...: the check finds exactly one violation in a tree with only this file.
plant()
{
	file=$1
	shift
	rm -rf "$tmp/tree"
	mkdir -p "$tmp/tree/$(dirname "$file")"
	printf '%s\n' "$@" >"$tmp/tree/$file"
	found=$(violations "$tmp/tree")
	if [ "$(printf '%s\n' "$found" | grep -c "^$file:")" -eq 1 ]; then
		tap ok "planted in $file and found: ${found#*: }"
	else
		printf '%s\n' "$found" | sed 's/^/# /'
		tap 'not ok' "planted in $file: $*"
	fi
}

plant base/a.c '#include "config.h"' '#include "storage/kv.h"'
plant storage/a.h '#include "server/conn.h"'
plant registry/a.c '#include "config.h"' '  #  include "release/gate.h"'
plant base/a.def '#include "registry/tag.h"'
plant cli/a.c '#include "config.h"' '#include "storage/kv.h"'
plant server/http.c '#include "config.h"' '#include "cli/run.h"'
plant server/a.c '#include "config.h"' '#include "conn.h"'
plant server/a.c '#include "config.h"' '#include "tests/support/cunit_main.h"'
plant server/a.c '#include "config.h"' '#include <base/err.h>'
plant server/a.c '#include "config.h"' '#include "server/../base/err.h"'
plant server/a.c '#include <stdio.h>' '#include "config.h"'
plant server/a.h '#include "config.h"'

rm -rf "$tmp/tree"
mkdir -p "$tmp/tree/server"
printf '%s\n' '#include "config.h"' '#include "server/main.h"' '' '#include "base/err.h"' \
	'#include "cli/run.h"' '' '#include <openssl/evp.h>' '#include <sys/stat.h>' \
	>"$tmp/tree/server/main.c"
if [ -z "$(violations "$tmp/tree")" ]; then
	tap ok 'nothing is found in a good file'
else
	violations "$tmp/tree" | sed 's/^/# /'
	tap 'not ok' 'nothing is found in a good file'
fi

found=$(violations "$top")
if [ -z "$found" ]; then
	tap ok 'the tree'
else
	printf '%s\n' "$found" | sed 's/^/# /'
	tap 'not ok' 'the tree'
fi

echo "1..$count"
exit $status
