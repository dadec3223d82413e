#!/bin/sh
# SPDX-License-Identifier: MIT
# Compiles the pinned float operations with every compiler and optimization level at hand and runs
# their test, whose committed hashes fail when one of them changes a bit.
set -eu

cd "$(dirname "$0")/.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
sources="libbitnpu/half.c libbitnpu/hostops.c libbitnpu/exp.c libbitnpu/rope.c libbitnpu/attention.c"
failed=0
for compiler in gcc clang; do
	if ! command -v "$compiler" >/dev/null; then
		echo "skip $compiler: not installed"
		continue
	fi
	for flags in -O0 -O1 -O2 -O3 "-O3 -march=native" -Os; do
		# shellcheck disable=SC2086,SC2046 # lists of words
		$compiler -std=gnu11 -D_GNU_SOURCE -ffp-contract=off -Wall -Wextra -Werror \
			-Wno-unused-parameter -Wno-sign-compare $flags -Iuapi -I. \
			tests/unit/test_hostops.c tests/support/plain_ops.c tests/support/random.c $sources \
			$(pkg-config --cflags --libs cmocka libxxhash) -lm -o "$out/test_hostops"
		if "$out/test_hostops" >"$out/log" 2>&1; then
			echo "ok $compiler $flags"
		else
			cat "$out/log"
			echo "not ok $compiler $flags"
			failed=1
		fi
	done
done
exit $failed
