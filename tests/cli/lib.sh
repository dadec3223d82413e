# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# What the tests of the command share.  They speak TAP, run at the top of the tree, and take the
# command from BITNPU and a model from MODEL.
set -u

BITNPU=${BITNPU:-build/bitnpu}
MODEL=${MODEL:-$(find models -name '*.gguf' | sort | head -n 1)}
PYTHON=${PYTHON:-python3}
export PYTHON
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

vendors=${OCL_ICD_VENDORS-}
tests=0
failures=0

# report STATUS NAME - one line of TAP; what the command last run said, if it failed
report() {
	tests=$((tests + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tests - $2"
		return 0
	fi
	failures=$((failures + 1))
	echo "not ok $tests - $2"
	echo "# exit ${rc-?}"
	[ -f "$tmp/out" ] && { head -c 2000 "$tmp/out"; echo; } | sed 's/^/# out: /'
	[ -f "$tmp/err" ] && { head -c 2000 "$tmp/err"; echo; } | sed 's/^/# err: /'
	return 1
}

skip() {
	tests=$((tests + 1))
	echo "ok $tests - $1 # SKIP $2"
}

# Ends every test: the plan, and whether all was well.
finish() {
	echo "1..$tests"
	[ "$failures" -eq 0 ]
	exit
}

# run ARGUMENT... - run bitnpu; its output and exit code go to $tmp/out, $tmp/err and $rc
run() {
	"$BITNPU" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	rc=$?
}

# expect CODE NAME ARGUMENT... - run bitnpu, which must exit with CODE
expect() {
	want=$1
	name=$2
	shift 2
	run "$@"
	[ "$rc" -eq "$want" ]
	report $? "$name"
}

# one_line PATTERN - whether stderr is one line that matches
one_line() {
	[ "$(wc -l <"$tmp/err")" -eq 1 ] && grep -qE -e "$1" "$tmp/err"
}

# fails CODE NAME PATTERN ARGUMENT... - it must exit with CODE, print nothing on stdout and one line
# that matches PATTERN on stderr
fails() {
	want=$1
	name=$2
	pattern=$3
	shift 3
	run "$@"
	[ "$rc" -eq "$want" ] && [ ! -s "$tmp/out" ] && one_line "$pattern"
	report $? "$name"
}

usage_error() {
	fails 2 "$@"
}

failure() {
	fails 1 "$@"
}

# json EXPRESSION - whether stdout is JSON, d, for which a Python expression holds
json() {
	"$PYTHON" -c 'import json, sys
d = json.load(open(sys.argv[1], encoding="ascii"))
sys.exit(0 if eval("(" + sys.argv[2] + ")") else 1)' "$tmp/out" "$1"
}

# expect_json NAME EXPRESSION ARGUMENT... - it must succeed and print such JSON
expect_json() {
	name=$1
	expression=$2
	shift 2
	run "$@"
	[ "$rc" -eq 0 ] && json "$expression"
	report $? "$name"
}

# damage HOW OUT [IN] - a damaged copy of the model; damage.py lists the ways
damage() {
	"$PYTHON" tests/cli/damage.py "$1" "${3:-$MODEL}" "$2"
}

# without_opencl COMMAND... - where no OpenCL platform is installed
without_opencl() {
	OCL_ICD_VENDORS=$tmp/none
	export OCL_ICD_VENDORS
	"$@"
	if [ -n "$vendors" ]; then
		OCL_ICD_VENDORS=$vendors
	else
		unset OCL_ICD_VENDORS
	fi
}

# has_device NAME - whether there is such a device and it can be used
has_device() {
	"$BITNPU" devices --json 2>/dev/null | "$PYTHON" -c 'import json, sys
sys.exit(0 if any(d["usable"] and sys.argv[1] in (d["name"], d["engine"])
                  for d in json.load(sys.stdin)["devices"]) else 1)' "$1"
}
