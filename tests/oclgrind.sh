#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs a program on Oclgrind's simulated device: fails when the program does, or when Oclgrind saw a
# data race, a read of memory that nobody wrote, or an access out of bounds.
#
# usage: tests/oclgrind.sh LOG PROGRAM [ARGUMENT]...
set -u
log=$1
shift

if ! command -v oclgrind >/dev/null; then
	echo "oclgrind is not installed (Debian 13 has none)"
	exit 77
fi
mkdir -p "$(dirname "$log")"
rm -f "$log"
oclgrind --data-races --uninitialized --log "$log" "$@"
status=$?
if [ -s "$log" ]; then
	head -n 40 "$log"
	exit 1
fi
exit $status
