#!/bin/sh
# SPDX-License-Identifier: MIT
# Compiles the pinned float operations with every compiler and optimization level at hand and runs
# their test, whose committed hashes fail when one of them changes a bit.  Speaks TAP.
set -u

cd "$(dirname "$0")/.." || exit 1
out=$(mktemp -d) || exit 1
trap 'rm -rf "$out"' EXIT
sources="tests/unit/test_hostops.c tests/support/plain_ops.c tests/support/random.c
	 libbitnpu/half.c libbitnpu/rope.c libbitnpu/hostops/level.c libbitnpu/hostops/baseline.c"
number=0

# compile COMPILER FLAGS ARGUMENTS...
compile() {
	compiler_=$1 flags_=$2
	shift 2
	# shellcheck disable=SC2086 # a list of words
	"$compiler_" -std=gnu11 -D_GNU_SOURCE -ffp-contract=off -Wall -Wextra -Werror \
		-Wno-unused-parameter -Wno-sign-compare $flags_ -Iuapi -I. "$@"
}

build_and_run() {
	objects=
	if [ "$(uname -m)" = x86_64 ]; then
		compile "$1" "$2 -mavx2 -mf16c -mfma" -c -o "$out/avx2.o" libbitnpu/hostops/avx2.c || return
		compile "$1" "$2 -mavx512f -mf16c -mfma" -c -o "$out/avx512.o" libbitnpu/hostops/avx512.c ||
			return
		objects="$out/avx2.o $out/avx512.o"
	fi
	# shellcheck disable=SC2046,SC2086 # lists of words
	compile "$1" "$2" $sources $objects $(pkg-config --cflags --libs cmocka libxxhash) -lm \
		-o "$out/test_hostops" && "$out/test_hostops"
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
