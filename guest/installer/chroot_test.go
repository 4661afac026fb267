// SPDX-License-Identifier: Apache-2.0

package installer

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const device = "/sys/bus/pci/devices/0000:00:05.0"

// chroot makes a machine of its own, of busybox and nothing else, with an ivshmem device in its /sys. It returns what
// runs a command there.
func chroot(t *testing.T, shell []string, installer string) (root string, inside func(args ...string) string) {
	t.Helper()
	if shell[0] != "busybox" {
		t.Skip("the machine has busybox only: done in its shell")
	}
	if os.Getuid() != 0 {
		t.Skip("only root can change the root folder")
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip(err)
	}
	root = t.TempDir()
	for path, text := range map[string]string{
		"/etc/passwd": "root:x:0:0:root:/:/bin/sh\nbob:x:1000:1000:Bob:/:/bin/sh\n", "/etc/group": "root:x:0:\nbob:x:1000:\n", "/tmp/.keep": "", "/proc/.keep": "",
		device + "/vendor": "0x1af4\n", device + "/device": "0x1110\n", device + "/enable": "0\n", device + "/resource2": "", device + "/resource2_wc": "",
		"/sys/bus/pci/devices/0000:00:06.0/vendor": "0x8086\n", "/sys/bus/pci/devices/0000:00:06.0/device": "0x1110\n", "/sys/bus/pci/devices/0000:00:06.0/resource2": "",
		"/lib64/ld-linux-x86-64.so.2": "",
	} {
		if err := os.MkdirAll(filepath.Dir(root+path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(root+path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for from, to := range map[string]string{busybox: "/bin/busybox", installer: "/install-client"} {
		if err := os.MkdirAll(filepath.Dir(root+to), 0o755); err != nil {
			t.Fatal(err)
		}
		if text, err := exec.Command("cp", from, root+to).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	inside = func(args ...string) string {
		t.Helper()
		cmd := exec.Command("/bin/busybox", args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
		cmd.Dir, cmd.Env = "/", []string{"PATH=/bin:/sbin:/usr/bin"}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if err := os.Mkdir(root+"/dev", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mknod(root+"/dev/null", syscall.S_IFCHR|0o666, 1<<8|3); err != nil {
		t.Skipf("a machine of its own needs a /dev/null: %v", err)
	}
	inside("--install", "-s", "/bin")
	return root, inside
}

// inChroot installs where there is neither udev nor systemd, nor ldconfig, nor a tool for groups. It makes the group,
// and lets it at the device.
func inChroot(t *testing.T, shell []string, installer string) {
	root, inside := chroot(t, shell, installer)
	before := list(t, root)
	groups, err := os.ReadFile(root + "/etc/group")
	if err != nil {
		t.Fatal(err)
	}

	out := inside("sh", "/install-client", "-y", "--user", "bob")
	for _, want := range []string{"bob is now in group orion", "no udev runs here", "there is no ldconfig"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	inside("sh", "/install-client", "-y", "--user", "bob")
	group := inside("grep", "^orion:", "/etc/group")
	if !strings.HasSuffix(strings.TrimSpace(group), ":bob") {
		t.Errorf("the group is %s", group)
	}
	if got := inside("stat", "-c", "%G %a", device+"/resource2", device+"/resource2_wc"); got != "orion 660\norion 660\n" {
		t.Errorf("the device's memory is of %s", got)
	}
	if got := inside("stat", "-c", "%G %a", "/sys/bus/pci/devices/0000:00:06.0/resource2"); got != "root 600\n" {
		t.Errorf("another device's memory is of %s", got)
	}
	if text, err := os.ReadFile(root + device + "/enable"); err != nil || string(text) != "1\n" {
		t.Errorf("the device is enabled: %s, %v", text, err)
	}
	if version := inside("sh", "-c", "orion-check version"); !strings.HasPrefix(version, "orion-check ") {
		t.Errorf("orion-check says %s", version)
	}

	inside("sh", "/install-client", "-y", "--uninstall")
	left := list(t, root)
	if want := slices.Clone(before); !slices.Equal(modeless(left), modeless(want)) {
		t.Errorf("left:\n%s", strings.Join(left, "\n"))
	}
	if after, err := os.ReadFile(root + "/etc/group"); err != nil || string(after) != string(groups) {
		t.Errorf("/etc/group is %s, %v", after, err)
	}
}

// withServices installs where udev and systemd run, and sees what it asks of them.
func withServices(t *testing.T, shell []string, installer string) {
	root, inside := chroot(t, shell, installer)
	for _, dir := range []string{"/run/systemd/system", "/sbin"} {
		if err := os.MkdirAll(root+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, tool := range []string{"/bin/systemctl", "/bin/udevadm", "/sbin/ldconfig", "/bin/groupadd", "/bin/groupdel", "/bin/usermod"} {
		text := "#!/bin/sh\necho ${0##*/} \"$@\" >>/log\n"
		if tool == "/bin/groupadd" {
			text += "echo orion:x:990: >>/etc/group\n"
		}
		if err := os.WriteFile(root+tool, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	asked := func(args ...string) string {
		t.Helper()
		inside(append([]string{"sh", "/install-client", "-y"}, args...)...)
		text, err := os.ReadFile(root + "/log")
		if err != nil || os.Remove(root+"/log") != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	const reload = "udevadm control --reload\n"
	const trigger = "udevadm trigger --subsystem-match=pci --attr-match=vendor=0x1af4\nudevadm settle --timeout=10\n"
	const relay = "systemctl --quiet daemon-reload\nsystemctl --quiet enable orion-relay\nsystemctl --quiet restart orion-relay\n"
	if got, want := asked("--user", "bob"), "groupadd -r orion\nusermod -aG orion bob\nldconfig\n"+reload+trigger+relay; got != want {
		t.Errorf("installed by\n%swant\n%s", got, want)
	}
	if got, want := asked(), "ldconfig\n"+reload+trigger+relay; got != want {
		t.Errorf("installed again by\n%swant\n%s", got, want)
	}
	if got, want := asked("--uninstall"), "systemctl --quiet disable --now orion-relay\ngroupdel orion\n"+reload+"systemctl --quiet daemon-reload\n"; got != want {
		t.Errorf("removed by\n%swant\n%s", got, want)
	}
}

// modeless takes permissions away from a list.
func modeless(lines []string) []string {
	var paths []string
	for _, line := range lines {
		path, _, _ := strings.Cut(line, " ")
		paths = append(paths, path)
	}
	return paths
}
