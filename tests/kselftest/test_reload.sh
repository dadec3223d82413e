#!/bin/sh
# SPDX-License-Identifier: MIT
# Unloads and loads both modules a hundred times, with jobs in between; KTAP.
#
# BITNPU_MODULES names the directory of the modules, BITNPU_SELFTESTS that of the other tests; without
# them they are modprobe's and the one this lies in.
ROUNDS=100
here=${BITNPU_SELFTESTS:-$(dirname "$0")}

load() {
	if [ -n "$BITNPU_MODULES" ]; then
		insmod "$BITNPU_MODULES/bitnpu.ko" && insmod "$BITNPU_MODULES/bitnpu_sim.ko"
	else
		modprobe bitnpu && modprobe bitnpu_sim
	fi
}

echo "TAP version 13"
echo "1..3"
if [ ! -d /sys/module/bitnpu_sim ]; then
	for i in 1 2 3; do
		echo "ok $i # SKIP the simulator is not loaded"
	done
	exit 4
fi

failed=0
round=0
while [ $round -lt $ROUNDS ] && [ $failed -eq 0 ]; do
	# An odd round takes the driver away first: the device stays, without it.
	if [ $((round % 2)) -eq 0 ]; then
		rmmod bitnpu_sim && rmmod bitnpu || failed=1
	else
		rmmod bitnpu && rmmod bitnpu_sim || failed=1
	fi
	load || failed=1
	[ -c /dev/accel/accel0 ] || failed=1
	round=$((round + 1))
done
[ $failed -eq 0 ] || printf 'not '
echo "ok 1 $round times unloaded and loaded"

status=0
exec 3<>/dev/accel/accel0
if rmmod bitnpu 2>/dev/null; then
	status=1
fi
exec 3>&-
[ $status -eq 0 ] || printf 'not '
echo "ok 2 a driver whose device is open stays"

"$here/test_submit" -t shapes >/dev/null
status2=$?
[ $status2 -eq 0 ] || printf 'not '
echo "ok 3 jobs run afterwards"
exit $((failed || status || status2))
