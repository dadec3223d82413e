#!/bin/sh
# SPDX-License-Identifier: MIT
# The kernel modules, and the datapath as freestanding code; speaks TAP.
#
# usage: tests/kbuild.sh BUILD      environment: MAKE, KDIR
set -u
# A build of its own: other tests use the modules of the usual one at the same time.
build=$1/check/kbuild/build
make=${MAKE:-make}
work=$1/check/kbuild
modules='bitnpu bitnpu_sim'
count=0
failed=0
mkdir -p "$work"

report() {
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $count - $2"
	else
		sed 's/^/# /' "$work/log"
		echo "not ok $count - $2"
		failed=1
	fi
}

# Neither a module nor the freestanding object may need anything that is not there.
undefined() {
	nm -u "$1" | awk '{ print $NF }' | sort -u
}

if ! command -v modinfo >/dev/null; then
	echo "1..0 # SKIP no modinfo: install kmod"
	exit 0
fi
echo 1..11

rm -rf "$build/modules"
MAKEFLAGS='' "$make" BUILD="$build" ${KDIR:+KDIR="$KDIR"} W=1 KCFLAGS=-Werror modules \
	>"$work/log" 2>&1
report $? "the modules build with W=1 and -Werror"

! grep -i warning "$work/log" | grep -v 'compiler differs' >"$work/warnings"
status=$?
cp "$work/warnings" "$work/log"
report $status "without any warning"

kdir=${KDIR:-$(MAKEFLAGS='' "$make" -s BUILD="$build" print-kdir)}
awk '{ print $2 }' "$kdir/Module.symvers" | sort -u >"$work/kernel"
for module in $modules; do
	undefined "$build/modules/$module.ko" >"$work/needs" 2>"$work/log" &&
		comm -23 "$work/needs" "$work/kernel" >"$work/log" && [ ! -s "$work/log" ]
	report $? "$module needs only symbols that the kernel exports"

	modinfo "$build/modules/$module.ko" >"$work/log" 2>&1 &&
		grep -q '^license: *GPL$' "$work/log" &&
		grep -q '^description: *BitNPU' "$work/log" &&
		grep -q "^name: *$module\$" "$work/log" &&
		grep -q '^vermagic: *[6-9]' "$work/log"
	report $? "modinfo names licence, description and kernel of $module"
done

! nm "$build/modules/bitnpu.ko" | grep -i ' [TDBR] .*sim' >"$work/log"
report $? "the driver knows of no simulator"

case $(uname -m) in
x86_64 | aarch64) integers=-mgeneral-regs-only ;;
*) integers= ;;
esac
for compiler in gcc clang; do
	if ! command -v $compiler >/dev/null; then
		count=$((count + 1))
		echo "ok $count - freestanding with $compiler # SKIP no $compiler"
		continue
	fi
	status=0
	: >"$work/log"
	for level in -O0 -O1 -O2 -O3 -Os; do
		$compiler -std=gnu11 $level -ffreestanding -fno-stack-protector $integers \
			-Wall -Wextra -Wvla -Wframe-larger-than=2048 -Werror -Iuapi \
			-c -o "$work/datapath.o" libbitnpu/datapath.c >>"$work/log" 2>&1 || status=1
		undefined "$work/datapath.o" >"$work/needs"
		if [ -s "$work/needs" ]; then
			echo "$level needs" >>"$work/log"
			cat "$work/needs" >>"$work/log"
			status=1
		fi
	done
	report $status "freestanding with $compiler: no libc, no float, frames under 2 KiB"
done

case $(uname -m) in
x86_64) sizes='-m32 -m64' ;;
*) sizes= ;;
esac
: >"$work/log"
status=0
for size in ${sizes:--O0}; do
	# The kernel's headers are the same for both; only their directory has a word size in its name.
	# shellcheck disable=SC2046 # words
	gcc -std=gnu11 "$size" -ffreestanding -fsyntax-only -Wall -Wextra -Werror -Iuapi \
		-isystem "/usr/include/$(gcc -print-multiarch)" $(pkg-config --cflags libdrm) \
		-xc tests/kselftest/bitnpu_abi.h >>"$work/log" 2>&1 || status=1
done
report $status "the ioctls have one layout for 32 and 64 bits"

! grep -nE '\b(float|double)\b' libbitnpu/datapath.c libbitnpu/datapath.h uapi/drm/bitnpu_isa.h |
	grep -vE ':[[:space:]]*(/?\*|//)|/\*.*(float|double).*\*/' >"$work/log"
report $? "its sources name no floating-point type"
exit $failed
