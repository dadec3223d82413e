#!/bin/sh
# SPDX-License-Identifier: MIT
# Fuzzes one target for a while, starting from the tree's corpus and what earlier runs found.
#
# usage: tests/fuzz/run.sh DIR TARGET SECONDS      DIR holds fuzz_TARGET and takes what is found
set -eu
dir=$1
name=$2
seconds=$3
seeds=tests/fuzz/corpus/$name

mkdir -p "$dir/corpus/$name" "$dir/crashes"
[ -d "$seeds" ] || seeds=
dictionary=tests/fuzz/$name.dict
[ -f "$dictionary" ] || dictionary=

export ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
# libFuzzer writes what it finds to the first directory only.
exec "$dir/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
	-artifact_prefix="$dir/crashes/$name-" -print_final_stats=1 \
	${dictionary:+-dict="$dictionary"} "$dir/corpus/$name" ${seeds:+"$seeds"}
