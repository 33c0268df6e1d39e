#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Every file of the tree stands in a Makefile list: what does not is built in a checkout at best,
# and is missing from the source archive. The check is first tried on a small tree with one file
# left out, so that it cannot pass by being blind.
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

# Prints the files below the tree $1 that are in no list. A folder that is listed stands for all
# that is in it; a test program stands for its one source.
unlisted()
{
	(cd "$1" || exit
	cat Makefile.am ./*/Makefile.inc tests/*/Makefile.inc 2>/dev/null | tr -s ' \t' '\n' |
		sort -u >"$tmp/listed"
	find base storage auth registry release server cli conf docs tests -type f \( \
		-name '*.[ch]' -o -name '*.def' -o -name '*.sh' -o -name '*.py' -o -name '*.t' -o \
		-name '*.md' -o -name '*.go' -o -name 'go.*' -o -name '*.[0-9]' -o -name '*.dict' -o -name '*.in' -o \
		-name '*.sysusers' -o -path 'tests/fuzz/corpus/*' \) 2>/dev/null | sort |
		awk -v listed="$tmp/listed" '
		BEGIN { while ((getline line <listed) > 0) known[line] = 1 }
		{
			program = $0
			sub(/\.c$/, "", program)
			if ($0 in known || ($0 ~ /^tests\// && program in known))
				next
			for (folder = $0; sub("/[^/]*$", "", folder);)
				if (folder in known)
					next
			print
		}')
}

mkdir -p "$tmp/tree/base" "$tmp/tree/tests/unit" "$tmp/tree/tests/fuzz/corpus/a"
cd "$tmp/tree" || exit 99
printf 'EXTRA_DIST = tests/fuzz/corpus\n' >Makefile.am
printf 'libbase_a_SOURCES = \\\n\tbase/a.c base/a.h\n' >base/Makefile.inc
printf 'unit_tests = \\\n\ttests/unit/test_a\n' >tests/unit/Makefile.inc
touch base/a.c base/a.h tests/unit/test_a.c tests/fuzz/corpus/a/one
cd - >/dev/null || exit 99
if [ -z "$(unlisted "$tmp/tree")" ]; then
	tap ok 'nothing is found in a tree whose files are all listed'
else
	tap 'not ok' "nothing is found in a tree whose files are all listed: $(unlisted "$tmp/tree")"
fi
for file in base/b.c base/a.def tests/unit/test_b.c tests/unit/test_c.sh; do
	touch "$tmp/tree/$file"
	if [ "$(unlisted "$tmp/tree")" = "$file" ]; then
		tap ok "left out and found: $file"
	else
		tap 'not ok' "left out: $file, found: $(unlisted "$tmp/tree")"
	fi
	rm "$tmp/tree/$file"
done

found=$(unlisted "$top")
if [ -z "$found" ]; then
	tap ok 'the tree'
else
	printf '%s\n' "$found" | sed 's/^/# in no Makefile list: /'
	tap 'not ok' 'the tree'
fi

echo "1..$count"
exit $status
