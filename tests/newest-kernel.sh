#!/bin/sh
# SPDX-License-Identifier: MIT
# The modules against the newest kernel headers that Debian has, in a root of that release, because its
# kernel tools need its C library.  Needs root, debootstrap and a Debian mirror; speaks TAP.
#
# usage: tests/newest-kernel.sh BUILD      environment: MAKE, NEWEST_SUITE, NEWEST_MIRROR
set -u
build=$1
suite=${NEWEST_SUITE:-sid}
mirror=${NEWEST_MIRROR:-http://deb.debian.org/debian}
root=$build/newest-$suite
log=$build/newest-kernel.log
headers=linux-headers-$(dpkg --print-architecture)
mkdir -p "$build"
: >"$log"

bail() {
	tail -n 20 "$log" | sed 's/^/# /'
	echo "Bail out! $1"
	exit 1
}

if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap >/dev/null; then
	echo "1..0 # SKIP needs root and debootstrap"
	exit 0
fi
echo 1..2

if [ ! -e "$root/complete" ]; then
	echo "# making a root of Debian $suite in $root"
	rm -rf "$root"
	debootstrap --variant=minbase --include="gcc,libc6-dev,make,$headers" "$suite" "$root" \
		"$mirror" >>"$log" 2>&1 || bail "debootstrap failed"
	touch "$root/complete"
else
	# A mirror that lags behind serves an index past its date; its kernel is still the newest there.
	chroot "$root" sh -c "apt-get -o Acquire::Check-Valid-Until=false update &&
		DEBIAN_FRONTEND=noninteractive apt-get install -y $headers" >>"$log" 2>&1 ||
		bail "apt-get failed"
fi

kdir=$(cd "$root" && find lib/modules -mindepth 2 -maxdepth 2 -name build | sort -V | tail -n 1)
rm -rf "$root/source"
mkdir "$root/source"
cp -r Makefile Kbuild make kmod uapi libbitnpu "$root/source" || bail "cannot copy the sources"
# objtool looks into /proc.
# shellcheck disable=SC2016 # for the inner shell
unshare -m sh -c 'mount -t proc proc "$1/proc" && exec chroot "$1" \
	make -C "/$2" M=/source W=1 KCFLAGS=-Werror modules' - "$root" "$kdir" >"$log" 2>&1
status=$?
[ $status -eq 0 ] || sed 's/^/# /' "$log"
[ $status -eq 0 ] || printf 'not '
echo "ok 1 - the modules build against $kdir with W=1 and -Werror"

problems=$(grep -E 'warning|WARNING|undefined' "$log")
[ $status -eq 0 ] || problems="it did not build"
[ -z "$problems" ] || echo "$problems" | sed 's/^/# /'
[ -z "$problems" ] || printf 'not '
echo "ok 2 - without a warning"
[ $status -eq 0 ] && [ -z "$problems" ]
