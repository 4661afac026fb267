#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The first that a test guest does.
/bin/busybox --install -s 2>/dev/null
export PATH=/sbin:/usr/sbin:/bin:/usr/bin
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
while read -r module; do
	insmod "/modules/$module.ko"
done </modules/order
hostname guest
ip link set lo up
# As QEMU's network in user mode has it; the host's loopback is the gateway.
if [ -e /sys/class/net/eth0 ]; then
	ip link set eth0 up
	ip addr add 10.0.2.15/24 dev eth0
	ip route add default via 10.0.2.2
fi
