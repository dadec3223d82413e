#!/bin/sh
# SPDX-License-Identifier: MIT
# Every level of the cpu engine that this processor has, forced in turn: a model's hashes are golden's,
# and the conformance tests pass.  The argument is the conformance program.
. tests/cli/lib.sh

conformance=$1
same='[v["identical"] for v in d["devices"]] == [True] and d["devices"][0]["layers"]'

# What golden and portable float operations compute, in hashes.
BITNPU_CPU_LEVEL=scalar run verify "$MODEL" --device golden --json
json "$same"
report $? 'golden, in portable C'
cp "$tmp/out" "$tmp/golden"

for level in scalar avx2 avxvnni avx512vnni amx neon dotprod i8mm; do
	export BITNPU_CPU_LEVEL=$level
	run verify "$MODEL" --device cpu --json
	if [ "$rc" -ne 0 ] && one_line "=$level: (not on this processor|no such level)$"; then
		skip "$level" 'not on this processor'
		continue
	fi
	json "$same and [(l['layer'], l['result'], l['hash']) for l in d['devices'][0]['layers']] ==
	      [(l['layer'], l['result'], l['hash'])
	       for l in json.load(open('$tmp/golden'))['devices'][0]['layers']]"
	report $? "$level: the model's hashes are golden's"
	"$conformance" --quick --device cpu >"$tmp/out" 2>"$tmp/err"
	rc=$?
	[ "$rc" -eq 0 ] && grep -q '^ok ' "$tmp/out"
	report $? "$level: conformance"
done
unset BITNPU_CPU_LEVEL

finish
