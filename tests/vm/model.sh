#!/bin/sh
# SPDX-License-Identifier: MIT
# In the guest: the shipped models on the accel device; speaks TAP.
#
# usage: tests/vm/model.sh BUILD      expects the host's text in BUILD/vm/golden.txt
set -u
bitnpu=$1/bitnpu
expected=$1/vm/golden.txt
count=0
failed=0

report() {
	count=$((count + 1))
	if [ "$1" -ne 0 ]; then
		sed 's/^/# /' /tmp/log
		printf 'not '
		failed=1
	fi
	echo "ok $count - $2"
}

set -- "$1" models/*.gguf
echo "1..$((2 * $# - 1))"
"$bitnpu" devices >/tmp/log 2>&1 && grep -q '^accel' /tmp/log
report $? "bitnpu devices lists the device"
for model in models/*.gguf; do
	"$bitnpu" run "$model" -p "In the beginning" -n 32 --temp 0 --device accel >/tmp/text 2>/tmp/log
	status=$?
	diff "$expected" /tmp/text >>/tmp/log
	report $((status + $?)) "$model writes what golden wrote on the host"
	"$bitnpu" verify "$model" --device accel >/tmp/log 2>&1
	report $? "$model: every layer has golden's hash"
done
exit $failed
