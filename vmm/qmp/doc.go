// SPDX-License-Identifier: Apache-2.0

// Package qmp gives a region to one QEMU that libvirt does not manage, through its monitor (QMP). A monitor
// serves one program at a time: QEMU needs one for Orion alone (-qmp unix:PATH,server=on,wait=off).
package qmp
