#!/bin/sh
# SPDX-License-Identifier: MIT
# In a guest with QEMU's "edu" and "pci-testdev": what the PCI glue does with devices that are no
# NPUs; speaks TAP.
driver=/sys/bus/pci/drivers/bitnpu
count=0
failed=0

report() {
	count=$((count + 1))
	[ "$1" -eq 0 ] || printf 'not '
	[ "$1" -eq 0 ] || failed=1
	echo "ok $count - $2"
}

find_device() {
	for device in /sys/bus/pci/devices/*; do
		read -r vendor <"$device/vendor"
		read -r number <"$device/device"
		[ "$vendor $number" = "$1" ] && echo "$device" && return
	done
	return 1
}

# Bit 2 of the command register.
is_master() {
	[ $((0x$(od -An -tx2 -j4 -N2 "$1/config" | tr -d ' ') & 4)) -ne 0 ]
}

# No driver, no bus master, no interrupt, no device node.
is_untouched() {
	! [ -e "$1/driver" ] && ! is_master "$1" && ! [ -e "$1/accel" ] &&
		! [ -d "$1/msi_irqs" ] && ! grep -q "${1##*/}" /proc/interrupts
}

refuse() {
	device=$1
	ids=$2
	message=$3
	echo "bitnpu test_pci: $ids" >/dev/kmsg
	status=0
	echo "$ids" >$driver/new_id || status=1
	report $status "$ids: the driver takes the number"
	dmesg | sed "1,/bitnpu test_pci: $ids/d" | grep -q "bitnpu ${device##*/}: .*$message"
	report $? "$ids: the log says: $message"
	is_untouched "$device"
	report $? "$ids: the device is left as it was"
	again=0
	for _ in 1 2 3; do
		echo "${device##*/}" >$driver/bind && again=1
	done 2>/dev/null
	is_untouched "$device" || again=1
	report $again "$ids: three more times"
	status=0
	echo "$ids" >$driver/remove_id || status=1
	report $status "$ids: the driver forgets the number"
}

echo 1..10
if ! edu=$(find_device "0x1234 0x11e8") || ! small=$(find_device "0x1b36 0x0005"); then
	for number in 1 2 3 4 5 6 7 8 9 10; do
		echo "ok $number - # SKIP the guest lacks these devices"
	done
	exit 4
fi
# It has a window as large as an NPU's, and another value in its first register.
refuse "$edu" "1234 11e8" "register ID is 0x010000ed, not 0x55504e42"
refuse "$small" "1b36 0005" "BAR 0 has .*, not 65536"
exit $failed
