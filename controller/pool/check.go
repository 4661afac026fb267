// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"strings"

	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
)

// Bounds on what a request may hold.
const (
	maxText       = 256
	maxVGPUs      = 64
	maxGPUs       = 64
	maxNodeLeases = 1 << 16
	maxMemoryMiB  = 1 << 24
	maxVGPUCount  = 100
)

// CheckHeartbeat returns an *Error unless the request is complete and within bounds.
func CheckHeartbeat(r *poolv1.HeartbeatRequest) error {
	n := r.Node
	if n == nil {
		return errorf(Invalid, "the heartbeat has no node")
	}
	for _, t := range []struct{ what, text string }{{"node.name", n.Name}, {"node.boot_id", n.BootId}, {"node.instance", n.Instance}} {
		if t.text == "" {
			return errorf(Invalid, "%s is empty", t.what)
		}
		if err := checkText(t.what, t.text); err != nil {
			return err
		}
	}
	if err := checkTexts("node", n.DataAddress, n.Release); err != nil {
		return err
	}
	if n.VgpuCount < 1 || n.VgpuCount > maxVGPUCount {
		return errorf(Invalid, "node.vgpu_count is %d: want 1 to %d", n.VgpuCount, maxVGPUCount)
	}
	if err := checkGPUs(n.Gpus); err != nil {
		return err
	}
	if len(r.Leases) > maxNodeLeases || len(r.Released) > maxNodeLeases {
		return errorf(Invalid, "the heartbeat has more than %d leases", maxNodeLeases)
	}
	ids := map[string]bool{}
	for _, l := range r.Leases {
		if err := checkLease(l); err != nil {
			return err
		}
		if ids[l.Id] {
			return errorf(Invalid, "lease %s is listed twice", l.Id)
		}
		ids[l.Id] = true
	}
	for _, id := range r.Released {
		if err := CheckLeaseID(id); err != nil {
			return err
		}
	}
	return nil
}

func checkGPUs(gpus []*poolv1.GPU) error {
	if len(gpus) > maxGPUs {
		return errorf(Invalid, "node.gpus has %d GPUs: want at most %d", len(gpus), maxGPUs)
	}
	uuids := map[string]bool{}
	for _, g := range gpus {
		switch {
		case g.Uuid == "":
			return errorf(Invalid, "GPU %d has no uuid", g.Index)
		case uuids[g.Uuid]:
			return errorf(Invalid, "GPU %s is listed twice", g.Uuid)
		case g.MemoryBytes == 0 || g.MemoryBytes>>20 > maxMemoryMiB:
			return errorf(Invalid, "GPU %s has %d bytes of memory", g.Uuid, g.MemoryBytes)
		}
		uuids[g.Uuid] = true
		if err := checkTexts("GPU", g.Uuid, g.Name, g.ComputeCapability, g.DriverVersion, g.PciBusId); err != nil {
			return err
		}
	}
	return nil
}

func checkLease(l *poolv1.Lease) error {
	if err := CheckLeaseID(l.Id); err != nil {
		return err
	}
	if len(l.Vgpus) < 1 || len(l.Vgpus) > maxVGPUs {
		return errorf(Invalid, "lease %s has %d vGPUs: want 1 to %d", l.Id, len(l.Vgpus), maxVGPUs)
	}
	for _, v := range l.Vgpus {
		if v.RatioPercent > 100 || v.MemoryBytes>>20 > maxMemoryMiB {
			return errorf(Invalid, "lease %s takes more than a GPU has", l.Id)
		}
		if err := checkTexts("lease", v.Node, v.GpuUuid); err != nil {
			return err
		}
	}
	return checkTexts("lease", l.Program, l.Host)
}

// CheckGrant returns an *Error unless the request makes sense in some pool.
func CheckGrant(r *poolv1.GrantRequest) error {
	switch {
	case r.Node == "":
		return errorf(Invalid, "node is empty: name the registered node that asks")
	case r.Vgpus < 1 || r.Vgpus > maxVGPUs:
		return errorf(Invalid, "%d vGPUs asked: want 1 to %d (ORION_VGPU)", r.Vgpus, maxVGPUs)
	case r.MemoryMib > maxMemoryMiB:
		return errorf(Invalid, "%d MiB asked: want at most %d (ORION_GMEM)", r.MemoryMib, maxMemoryMiB)
	case r.RatioPercent > 100:
		return errorf(Invalid, "%d %% asked: want at most 100 (ORION_RATIO)", r.RatioPercent)
	case r.CrossNode && r.RatioPercent != 100:
		return errorf(Invalid, "vGPUs across nodes are whole GPUs: ORION_CROSS_NODE=1 needs ORION_RATIO=100")
	}
	if r.LeaseId != "" {
		if err := CheckLeaseID(r.LeaseId); err != nil {
			return err
		}
	}
	return checkTexts("grant", r.Node, r.Program, r.Host)
}

// CheckLeaseID returns an *Error unless the id is 1 to 64 letters, digits and hyphens.
func CheckLeaseID(id string) error {
	strange := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-')
	}
	if id == "" || len(id) > 64 || strings.ContainsFunc(id, strange) {
		return errorf(Invalid, "lease id %.80q: want 1 to 64 letters, digits and hyphens", id)
	}
	return nil
}

func checkTexts(what string, texts ...string) error {
	for _, t := range texts {
		if err := checkText(what, t); err != nil {
			return err
		}
	}
	return nil
}

// checkText keeps what peers call themselves from playing with the terminals and logs that show it.
func checkText(what, text string) error {
	if len(text) > maxText || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' || r >= 0x80 && r < 0xa0 }) {
		return errorf(Invalid, "%s: %.80q: want at most %d bytes of printable text", what, text, maxText)
	}
	return nil
}
