// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/guest/check/system"
	"github.com/orion-vgpu/orion/vmm"
)

func TestFlag(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ command, want string }{
		{"oriond", ""},
		{"oriond --config /a.conf", "/a.conf"},
		{"oriond run -c /a.conf --other x", "/a.conf"},
		{"oriond --config=/b.conf", "/b.conf"},
		{"oriond --config", ""},
		{"oriond --configure /a", ""},
	} {
		if got := flag(c.command, "--config", "-c"); got != c.want {
			t.Errorf("%s: got %q, want %q", c.command, got, c.want)
		}
	}
}

func TestGather(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	conf := filepath.Join(root, "s.conf")
	for path, text := range map[string]string{
		"/s.conf":                                           "[log]\nlog_dir = /log\n[server]\nsocket = /o.sock\nbind_addr = 127.0.0.1\nlisten_port = 1\n[controller]\ncontroller_addr = 127.0.0.1:1\n",
		"/log/server.log":                                   "",
		"/proc/driver/nvidia/version":                       "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27\n",
		"/proc/driver/nvidia/gpus/0/information":            "Model: \t\t NVIDIA H200\nIRQ:   \t\t 16\n",
		"/sys/module/nvidia_uvm/parameters/uvm_disable_hmm": "N\n",
		"/proc/12/comm":                                     "oriond\n",
		"/proc/12/cmdline":                                  "/usr/bin/oriond\x00--worker-user\x00ghost\x00--config\x00s.conf\x00",
		"/proc/13/comm":                                     "oriond\n",
		"/proc/13/cmdline":                                  "/usr/bin/oriond\x00worker\x00",
		"/proc/sys/kernel/osrelease":                        "6.1.0-28-amd64\n",
		"/dev/nvidiactl":                                    "",
		"/run/libvirt/libvirt-sock":                         "",
		"/dev/kvm":                                          "",
		"/sys/class/infiniband/mlx5_0/x":                    "",
		"/etc/passwd":                                       "root:x:0:0:root:/root:/bin/sh\n",
	} {
		if err := os.MkdirAll(filepath.Dir(root+path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(root+path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(root, root+"/proc/12/cwd"); err != nil {
		t.Fatal(err)
	}
	var ran []string
	s := &system.System{Root: root, Lookup: func(string) (string, bool) { return "", false },
		Run: func(_ context.Context, name string, args ...string) (string, error) {
			ran = append(ran, name+" "+strings.Join(args, " "))
			switch name {
			case "virsh":
				return "Compiled against library: libvirt 9.0.0\nUsing library: libvirt 9.0.0\nUsing API: QEMU 9.0.0\nRunning hypervisor: QEMU 7.2.15", nil
			case "/usr/bin/oriond":
				return `[{"name": "vm1", "state": "failed", "reason": "no slot"}]`, nil
			}
			return "", errors.New("not here")
		}}
	f := Gather(t.Context(), s, Options{})
	if f.ConfigErr != nil || f.ConfigPath != conf || f.WorkerErr != "ghost" || len(f.Processes) != 1 || f.LogErr != nil || f.DataErr == nil || f.Data != "127.0.0.1:1" {
		t.Errorf("got %+v", f)
	}
	if d := f.Driver; d.Version != "580.65.06" || !slices.Equal(d.GPUs, []string{"NVIDIA H200 at 0"}) || !slices.Equal(d.Nodes, []string{"/dev/nvidia0", "/dev/nvidia-uvm"}) || !d.HMM {
		t.Errorf("driver %+v", d)
	}
	if v := f.VM; v.Version != "9.0.0" || !v.KVM || v.VSock || len(v.Domains) != 1 || v.Domains[0] != (Domain{"vm1", vmm.Failed, "no slot"}) {
		t.Errorf("virtual machines %+v", v)
	}
	if !slices.Contains(ran, "/usr/bin/oriond vm list -o json --config "+conf) {
		t.Errorf("ran %q", ran)
	}
	if f.Kernel.Major != 6 || f.PoolErr == nil || f.ControllerSet != conf+":8" || len(f.RDMA) != 1 {
		t.Errorf("got %+v", f)
	}

	if err := os.WriteFile(conf, []byte("[server]\nlisten_prot = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if f := Gather(t.Context(), s, Options{}); f.ConfigErr == nil || len(f.Information()) == 0 {
		t.Errorf("of a wrong file: %+v", f)
	}
}
