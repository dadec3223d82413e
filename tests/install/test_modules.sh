#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the modules into a staging directory, and through DKMS into a tree of its own; speaks TAP.
#
# usage: tests/install/test_modules.sh BUILD      environment: MAKE, KDIR
set -u
make=${MAKE:-make}
work=$(pwd)/$1/check/install-modules
# A build of its own: other tests use the modules of the usual one at the same time.
build=$work/build
stage=$work/stage
count=0
failed=0

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

skip() {
	count=$((count + 1))
	echo "ok $count - $1 # SKIP $2"
}

run() {
	MAKEFLAGS='' "$make" -s BUILD="$build" ${KDIR:+KDIR="$KDIR"} "$@" >"$work/log" 2>&1
}

rm -rf "$work"
mkdir -p "$work"
kdir=${KDIR:-$(MAKEFLAGS='' "$make" -s print-kdir)}
release=$(cat "$kdir/include/config/kernel.release")
echo 1..8

run DESTDIR="$stage" modules_install
report $? "make modules_install into a staging directory"

find "$stage" -name '*.ko*' >"$work/log"
[ "$(grep -c "lib/modules/$release/updates/bitnpu\(_sim\)\?\.ko" "$work/log")" -eq 2 ]
report $? "both modules, in the kernel's directory for updates"

depmod -b "$stage" "$release" >"$work/log" 2>&1
grep -q '^alias platform:bitnpu bitnpu$' "$stage/lib/modules/$release/modules.alias" &&
	grep -q '^softdep bitnpu_sim pre: bitnpu$' "$stage/lib/modules/$release/modules.softdep"
report $? "depmod finds the aliases that load the driver for a device"

if command -v udevadm >/dev/null && udevadm verify --help >/dev/null 2>&1; then
	udevadm verify --no-summary "$stage/lib/udev/rules.d/60-bitnpu.rules" >"$work/log" 2>&1
	report $? "udev accepts the rule"
else
	skip "udev accepts the rule" "no udevadm verify"
fi

cat "$stage/etc/modprobe.d/bitnpu.conf" >"$work/log"
sed -n 's/^#options \(bitnpu[a-z_]*\) \([a-z_]*\)=.*/\1 \2/p' "$work/log" >"$work/options"
status=0
while read -r module option; do
	modinfo -p "$build/modules/$module.ko" | grep -q "^$option:" || status=1
done <"$work/options"
[ -s "$work/options" ] || status=1
report $status "every option in bitnpu.conf is a parameter of its module"

echo '# mine' >>"$stage/etc/modprobe.d/bitnpu.conf"
run DESTDIR="$stage" install-module-files && grep -q '^# mine$' "$stage/etc/modprobe.d/bitnpu.conf"
report $? "an administrator's options survive a second installation"

run DESTDIR="$stage" dkms-files
version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' "$stage"/usr/src/bitnpu-*/dkms.conf)
[ -n "$version" ] && [ -d "$stage/usr/src/bitnpu-$version" ]
report $? "the sources are where DKMS looks for them"

if command -v dkms >/dev/null && [ "$(id -u)" -eq 0 ]; then
	mkdir -p "$work/dkms" "$work/modules/$release"
	dkms install -m bitnpu -v "$version" -k "$release" --kernelsourcedir "$kdir" \
		--sourcetree "$stage/usr/src" --dkmstree "$work/dkms" --installtree "$work/modules" \
		--no-depmod >"$work/log" 2>&1
	status=$?
	find "$work/dkms" "$work/modules" -name make.log -exec cat {} + >>"$work/log"
	[ $status -eq 0 ] &&
		[ "$(find "$work/modules" -name 'bitnpu*.ko*' | wc -l)" -eq 2 ]
	report $? "DKMS builds and installs both modules"
else
	skip "DKMS builds and installs both modules" "needs dkms and root"
fi
exit $failed
