// SPDX-License-Identifier: Apache-2.0

package system

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// tree makes a machine of files by their paths.
func tree(t *testing.T, files map[string]string) *System {
	t.Helper()
	root := t.TempDir()
	for path, text := range files {
		if err := os.MkdirAll(filepath.Dir(root+path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(root+path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return &System{Root: root, Lookup: func(string) (string, bool) { return "", false }}
}

func TestMember(t *testing.T) {
	t.Parallel()
	s := tree(t, map[string]string{"/etc/group": "root:x:0:\norion:x:990:bob,eve\nbroken\nnumber:x:many:eve\n"})
	for _, c := range []struct {
		user                      User
		group                     string
		exists, listed, effective bool
	}{
		{User{Name: "bob", GIDs: []uint32{100, 990}}, "orion", true, true, true},
		{User{Name: "eve", GIDs: []uint32{100}}, "orion", true, true, false},
		{User{Name: "joe"}, "orion", true, false, false},
		{User{Name: "joe"}, "none", false, false, false},
		{User{Name: "eve"}, "number", false, false, false},
	} {
		s.User = c.user
		if a, b, e := s.Member(c.group); a != c.exists || b != c.listed || e != c.effective {
			t.Errorf("%s in %s: got %v, %v, %v", c.user.Name, c.group, a, b, e)
		}
	}
}

func TestAllowed(t *testing.T) {
	t.Parallel()
	s := tree(t, map[string]string{"/f": ""})
	me, mine := uint32(os.Getuid()), uint32(os.Getgid())
	for _, c := range []struct {
		mode   fs.FileMode
		user   User
		access Access
		ok     bool
	}{
		{0o600, User{UID: me + 1, GIDs: []uint32{mine}}, Read, false},
		{0o660, User{UID: me + 1, GIDs: []uint32{mine}}, Read | Write, true},
		{0o660, User{UID: me + 1, GIDs: []uint32{mine + 1}}, Read, false},
		{0o604, User{UID: me + 1, GIDs: []uint32{mine + 1}}, Read, true},
		{0o604, User{UID: me + 1, GIDs: []uint32{mine + 1}}, Read | Write, false},
		{0o606, User{UID: me + 1, GIDs: []uint32{mine}}, Read, false}, // the group's permissions hold for its members
		{0o000, User{UID: 0}, Write, true},
	} {
		if err := os.Chmod(s.Path("/f"), c.mode); err != nil {
			t.Fatal(err)
		}
		s.User = c.user
		if err := s.Allowed("/f", c.access); (err == nil) != c.ok || err != nil && !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%+v: got %v", c, err)
		}
	}
	if err := s.Allowed("/absent", Read); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of an absent file: got %v", err)
	}
}

func TestSudo(t *testing.T) {
	s := tree(t, map[string]string{"/etc/passwd": "bob:x:1000:100:Bob:/home/bob:/bin/sh\n", "/etc/group": "orion:x:990:bob\n"})
	t.Setenv("SUDO_USER", "bob")
	u := s.whoAsks()
	if os.Geteuid() != 0 {
		if u.Name == "bob" {
			t.Errorf("who is not root is taken for %+v", u)
		}
		t.Skip("only root's SUDO_USER counts")
	}
	if u.Name != "bob" || u.UID != 1000 || u.Home != "/home/bob" || len(u.GIDs) != 2 || u.GIDs[1] != 990 || u.Is() {
		t.Errorf("got %+v", u)
	}
	t.Setenv("SUDO_USER", "nobody-of-that-name")
	if u := s.whoAsks(); u.UID != 0 || !u.Is() {
		t.Errorf("got %+v", u)
	}
}

func TestGateway(t *testing.T) {
	t.Parallel()
	const head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	for _, c := range []struct{ table, want string }{
		{"", ""},
		{head, ""},
		{head + "eth0\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n", "10.0.2.2"},
		{head + "eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\neth1\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\n", "192.168.0.1"},
		{head + "eth0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\n", ""},
		{head + "eth0\t00000000\tgarbage\t0003\n", ""},
	} {
		if got := tree(t, map[string]string{"/proc/net/route": c.table}).Gateway(); got != c.want {
			t.Errorf("%q: got %q, want %q", c.table, got, c.want)
		}
	}
}

func TestState(t *testing.T) {
	t.Parallel()
	s := tree(t, map[string]string{
		"/sys/kernel/security/lockdown": "none [integrity] confidentiality\n", "/sys/fs/selinux/enforce": "1",
		"/sys/module/apparmor/parameters/enabled": "Y\n", "/proc/cpuinfo": "model name\t: x\nflags\t\t: fpu hypervisor sse\n",
		"/proc/sys/kernel/osrelease": "3.10.0-1160.el7.x86_64\n",
		"/proc/7/comm":               "oriond\n", "/proc/7/cmdline": "/usr/bin/oriond\x00--config\x00/etc/x.conf\x00",
		"/proc/8/comm": "oriond\n", "/proc/8/cmdline": "/usr/bin/oriond\x00worker\x00", "/proc/9/comm": "sh\n",
	})
	if l, e, a := s.Security(); l != "integrity" || e != "enforcing" || a != "on" {
		t.Errorf("got %s, %s, %s", l, e, a)
	}
	if !s.Virtual() {
		t.Error("the machine is not virtual")
	}
	if r, major, minor := s.Kernel(); r != "3.10.0-1160.el7.x86_64" || major != 3 || minor != 10 {
		t.Errorf("got %s, %d, %d", r, major, minor)
	}
	if p := s.Processes("oriond", "worker"); len(p) != 1 || p[0] != (Process{7, uint32(os.Getuid()), "/usr/bin/oriond --config /etc/x.conf"}) || !p[0].Trusted() {
		t.Errorf("got %v", p)
	}
	if (Process{UID: uint32(os.Getuid()) + 1}).Trusted() {
		t.Error("another user's process is trusted")
	}
	if state := s.Service(context.Background(), "x"); state != "" {
		t.Errorf("without systemd the service is %q", state)
	}
	bare := tree(t, nil)
	if l, e, a := bare.Security(); l != "none" || e != "off" || a != "off" || bare.Virtual() {
		t.Errorf("of a bare machine: got %s, %s, %s", l, e, a)
	}
}
