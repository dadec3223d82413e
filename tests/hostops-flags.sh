#!/bin/sh
# SPDX-License-Identifier: MIT
# Compiles the pinned float operations with every compiler and optimization level at hand and runs
# their test, whose committed hashes fail when one of them changes a bit.  Speaks TAP.
set -u

cd "$(dirname "$0")/.." || exit 1
out=$(mktemp -d) || exit 1
trap 'rm -rf "$out"' EXIT
sources="tests/unit/test_hostops.c tests/support/plain_ops.c tests/support/random.c
	 libbitnpu/half.c libbitnpu/hostops.c libbitnpu/exp.c libbitnpu/rope.c libbitnpu/attention.c"
number=0

build_and_run() {
	# shellcheck disable=SC2046,SC2086 # lists of words
	$1 -std=gnu11 -D_GNU_SOURCE -ffp-contract=off -Wall -Wextra -Werror -Wno-unused-parameter \
		-Wno-sign-compare $2 -Iuapi -I. $sources $(pkg-config --cflags --libs cmocka libxxhash) \
		-lm -o "$out/test_hostops" && "$out/test_hostops"
}

for compiler in gcc clang; do
	for flags in -O0 -O1 -O2 -O3 "-O3 -march=native" -Os; do
		number=$((number + 1))
		if ! command -v "$compiler" >/dev/null; then
			echo "ok $number - $compiler $flags # SKIP not installed"
		elif build_and_run "$compiler" "$flags" >"$out/log" 2>&1; then
			echo "ok $number - $compiler $flags"
		else
			sed 's/^/# /' "$out/log"
			echo "not ok $number - $compiler $flags"
		fi
	done
done
echo "1..$number"
