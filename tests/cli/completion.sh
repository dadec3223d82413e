#!/bin/sh
# SPDX-License-Identifier: MIT
# Completion in bash.
. tests/cli/lib.sh

if ! command -v bash >/dev/null; then
	echo '1..0 # SKIP bash is not installed'
	exit 0
fi

# completes NAME WANTED WORD... - whether the last word completes to WANTED, among others
completes() {
	name=$1
	want=$2
	shift 2
	bash -c '. tools/completion/bitnpu.bash
		program=$1
		shift
		COMP_WORDS=("$program" "$@")
		COMP_CWORD=$#
		_bitnpu "$program" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
		printf "%s\n" "${COMPREPLY[@]}"' bash "$BITNPU" "$@" >"$tmp/out" 2>"$tmp/err"
	rc=$?
	[ "$rc" -eq 0 ] && [ ! -s "$tmp/err" ] && grep -qxF -e "$want" "$tmp/out"
	report $? "$name"
}

completes 'a command' verify ve
completes 'every command' devices ''
[ "$(wc -l <"$tmp/out")" -eq 8 ]
report $? 'there are eight'
completes 'a command after help' bench help be
completes 'a long option' --roof-buffer bench --ro
completes 'every option' --json pack -
completes 'an option that takes a file' --compare bench --co
completes 'and the file' Makefile bench --compare Makef
completes 'a device' golden run --device go
! grep -q ':$' "$tmp/out"
report $? 'and nothing that is no device'
completes 'a device after a letter' golden run -d go
completes 'a format' binary-g128 bench --format bi
completes 'a file' Makefile inspect Makef

finish
