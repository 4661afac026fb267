#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# libvirtd DIR CACHE ACCEL: the first process of the namespaces that libvirtd and its guests run in. It ends with its
# standard input, and all others with it. A line on it starts libvirtd anew, while the guests go on.
set -eu
dir=$1 cache=$2 accel=$3
export LC_ALL=C
mount --make-rprivate /
mount -t proc proc /proc

# The daemon's folders are fixed when it is built.
mkdir -p "$dir"/{run,lib,log,etc} /run/libvirt /var/{lib,log,cache}/libvirt /etc/libvirt
mount --bind "$dir/run" /run/libvirt
mount --bind "$dir/lib" /var/lib/libvirt
mount --bind "$dir/log" /var/log/libvirt
mount --bind "$dir/etc" /etc/libvirt
mount --bind "$cache" /var/cache/libvirt
# A KVM that does not work makes libvirt ask QEMU again and again, one that cannot be opened does not: no driver has
# this number.
if [ "$accel" != kvm ] && [ -e /dev/kvm ]; then
	mknod "$dir/no-kvm" c 10 255
	mount --bind "$dir/no-kvm" /dev/kvm
fi

cat >/etc/libvirt/qemu.conf <<END
stdio_handler = "file"
security_driver = "none"
namespaces = []
cgroup_controllers = []
END
cat >/etc/libvirt/libvirtd.conf <<END
auth_unix_rw = "none"
unix_sock_rw_perms = "0700"
END

# As a process of the shell's: libvirt counts on somebody to wait for the orphans that QEMU makes when it goes into
# the background.
exec 3<&0
start() {
	libvirtd --pid-file /run/libvirt/libvirtd.pid </dev/null 3<&- &
	daemon=$!
}
start
while kill -0 "$daemon" 2>/dev/null; do
	status=0
	read -r -t 1 _ <&3 || status=$?
	if [ "$status" = 0 ]; then
		kill "$daemon"
		wait "$daemon" || true
		start
	elif [ "$status" -le 128 ]; then # not for the time, which is up
		break
	fi
done
# Where the test was killed, its oriond may have been, too: what its guests shared with it lies there still.
shared=$(cat /proc/[0-9]*/maps 2>/dev/null | grep -o '/dev/shm/orion-[0-9a-f]*' | sort -u || true)
kill -KILL -1 2>/dev/null || true
# shellcheck disable=SC2086
rm -rf "$dir" $shared
