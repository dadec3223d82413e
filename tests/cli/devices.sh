#!/bin/sh
# SPDX-License-Identifier: MIT
# bitnpu devices.
. tests/cli/lib.sh

usage_error 'an argument' "extra argument 'golden'" devices golden
expect 0 'devices' devices
grep -q '^golden ' "$tmp/out"
report $? 'golden is listed'
expect_json 'devices --json' \
	'[x["name"] for x in d["devices"] if x["auto"]] and
	 any(x["engine"] == "golden" and x["usable"] and len(x["features"]) == 10
	     and x["memory_bytes"] >= 0 and x["unified_memory"] for x in d["devices"])' devices --json
expect_json 'one device is auto, and it can be used' \
	'[x["usable"] for x in d["devices"] if x["auto"]] == [True]' devices --json
without_opencl expect_json 'without OpenCL there are cpu and golden' \
	'[x["name"] for x in d["devices"] if x["engine"] != "accel"] == ["cpu", "golden"]' devices --json
"$BITNPU" devices >/dev/full 2>"$tmp/err"
rc=$?
[ $rc -eq 1 ] && one_line '^bitnpu devices: standard output: '
report $? 'a full standard output'

finish
