// SPDX-License-Identifier: Apache-2.0

package nvml

import (
	"encoding/xml"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/host/release"
	"github.com/orion-vgpu/orion/tests/chain"
)

func TestNvidiaSMI(t *testing.T) {
	smis := nvidiaSMIs(t)
	c := chain.Start(t, chain.Options{GPUs: 2, MemoryMiB: 16384, VGPUCount: 32}) // room for sessions that are just ending
	for name, smi := range smis {
		t.Run(name, func(t *testing.T) {
			run := func(args ...string) string {
				t.Helper()
				r := c.RunEnv(t, c.Env("ORION_VGPU=2", "ORION_GMEM=384"), smi, args...)
				if r.Code != 0 {
					t.Errorf("nvidia-smi %v: exit status %d\n%s%s", args, r.Code, r.Stdout, r.Stderr)
				}
				return r.Stdout
			}
			checkListing(t, run())
			checkList(t, run("-L"))
			checkQuery(t, run("--query-gpu=index,name,memory.total,memory.used,compute_cap,driver_version,utilization.gpu,pci.bus_id",
				"--format=csv,noheader"))
			checkDetails(t, run("-q"), run("-q", "-x"))
			for _, view := range [][]string{{"pmon", "-c", "1"}, {"dmon", "-c", "1"}, {"topo", "-m"}, {"topo", "-p2p", "r"}} {
				if out := run(view...); !regexp.MustCompile(`(?m)^ *(GPU)?1\s`).MatchString(out) {
					t.Errorf("nvidia-smi %v does not tell of the second vGPU:\n%s", view, out)
				}
			}
			if out := run("--query-compute-apps=pid,used_memory", "--format=csv,noheader"); strings.TrimSpace(out) != "" {
				t.Errorf("of running programs it says %q, and only its own session could be known to it", out)
			}
		})
	}
	c.WaitLeases(t, 0, 10*time.Second) // none is left behind
}

func checkListing(t *testing.T, out string) {
	t.Helper()
	if n := strings.Count(out, "/   384MiB |") + strings.Count(out, "/    384MiB |"); n != 2 {
		t.Errorf("%d vGPUs with their quota in the listing, want 2:\n%s", n, out)
	}
	for _, want := range []string{"Orion Software GPU", "CUDA Version: 13.0", "Driver Version: " + release.Version, "No running processes found"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in the listing:\n%s", want, out)
		}
	}
}

var listed = regexp.MustCompile(`(?m)^GPU \d: Orion Software GPU \(UUID: (GPU-[0-9a-f-]{36})\)$`)

func checkList(t *testing.T, out string) {
	t.Helper()
	m := listed.FindAllStringSubmatch(out, -1)
	if len(m) != 2 || m[0][1] == m[1][1] {
		t.Errorf("nvidia-smi -L lists no two different vGPUs:\n%s", out)
	}
}

func checkQuery(t *testing.T, out string) {
	t.Helper()
	const tail = ", Orion Software GPU, 384 MiB, 0 MiB, 9.0, " + "RELEASE" + ", [N/A], 00000000:"
	for i, line := range strings.Split(strings.TrimSpace(out), "\n") {
		if want := strings.Replace(string(rune('0'+i))+tail, "RELEASE", release.Version, 1); !strings.HasPrefix(line, want) {
			t.Errorf("vGPU %d is %q, want %q...", i, line, want)
		}
	}
}

func checkDetails(t *testing.T, text, document string) {
	t.Helper()
	if !regexp.MustCompile(`FB Memory Usage\n *Total +: 384 MiB\n`).MatchString(text) {
		t.Errorf("nvidia-smi -q does not tell the quota:\n%s", text)
	}
	var log struct {
		GPUs []struct {
			Name  string `xml:"product_name"`
			Total string `xml:"fb_memory_usage>total"`
			Fan   string `xml:"fan_speed"`
		} `xml:"gpu"`
	}
	d := xml.NewDecoder(strings.NewReader(document))
	d.Strict = false // its document type is a file that is not here
	if err := d.Decode(&log); err != nil {
		t.Fatalf("read what nvidia-smi -q -x prints: %v", err)
	}
	if len(log.GPUs) != 2 || log.GPUs[1].Total != "384 MiB" || log.GPUs[1].Fan != "N/A" {
		t.Errorf("nvidia-smi -q -x tells of %+v", log.GPUs)
	}
}

// Whom no vGPU was granted learns why, and what to do.
func TestNvidiaSMIWithoutVGPU(t *testing.T) {
	smis := nvidiaSMIs(t)
	c := chain.Start(t, chain.Options{GPUs: 1})
	for name, smi := range smis {
		t.Run(name, func(t *testing.T) {
			for vgpus, want := range map[string]string{"": "ORION_VGPU is not set", "9": "vGPU"} {
				r := c.RunEnv(t, c.Env("ORION_VGPU="+vgpus), smi)
				if r.Code == 0 || !strings.Contains(r.Stderr, want) {
					t.Errorf("with ORION_VGPU=%s: exit status %d, and it says %q; want %q in it", vgpus, r.Code, r.Stderr, want)
				}
			}
		})
	}
}
