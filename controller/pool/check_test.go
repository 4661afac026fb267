// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"strings"
	"testing"

	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
)

func TestCheckHeartbeat(t *testing.T) {
	t.Parallel()
	vgpu := &poolv1.VGPU{Node: "a", GpuUuid: "GPU-a-0", MemoryBytes: 1, RatioPercent: 1}
	for _, c := range []struct {
		name   string
		change func(*poolv1.HeartbeatRequest)
		want   string
	}{
		{"complete", func(*poolv1.HeartbeatRequest) {}, ""},
		{"no node", func(r *poolv1.HeartbeatRequest) { r.Node = nil }, "no node"},
		{"no name", func(r *poolv1.HeartbeatRequest) { r.Node.Name = "" }, "node.name is empty"},
		{"escape in the name", func(r *poolv1.HeartbeatRequest) { r.Node.Name = "\x1b[2J" }, "printable"},
		{"long name", func(r *poolv1.HeartbeatRequest) { r.Node.Name = strings.Repeat("x", 257) }, "at most 256 bytes"},
		{"no instance", func(r *poolv1.HeartbeatRequest) { r.Node.Instance = "" }, "node.instance is empty"},
		{"no vgpu_count", func(r *poolv1.HeartbeatRequest) { r.Node.VgpuCount = 0 }, "want 1 to 100"},
		{"no uuid", func(r *poolv1.HeartbeatRequest) { r.Node.Gpus[1].Uuid = "" }, "GPU 1 has no uuid"},
		{"uuid twice", func(r *poolv1.HeartbeatRequest) { r.Node.Gpus[1].Uuid = r.Node.Gpus[0].Uuid }, "listed twice"},
		{"no memory", func(r *poolv1.HeartbeatRequest) { r.Node.Gpus[0].MemoryBytes = 0 }, "0 bytes of memory"},
		{"too much memory", func(r *poolv1.HeartbeatRequest) { r.Node.Gpus[0].MemoryBytes = 1 << 63 }, "bytes of memory"},
		{"too many GPUs", func(r *poolv1.HeartbeatRequest) { r.Node.Gpus = make([]*poolv1.GPU, 65) }, "at most 64"},
		{"lease without vGPUs", func(r *poolv1.HeartbeatRequest) { r.Leases = []*poolv1.Lease{{Id: "1"}} }, "0 vGPUs"},
		{"lease twice", func(r *poolv1.HeartbeatRequest) {
			l := &poolv1.Lease{Id: "1", Vgpus: []*poolv1.VGPU{vgpu}}
			r.Leases = []*poolv1.Lease{l, l}
		}, "listed twice"},
		{"lease id", func(r *poolv1.HeartbeatRequest) { r.Leases = []*poolv1.Lease{{Id: "a/b"}} }, "lease id \"a/b\""},
		{"released id", func(r *poolv1.HeartbeatRequest) { r.Released = []string{""} }, "lease id"},
		{"lease ratio", func(r *poolv1.HeartbeatRequest) {
			r.Leases = []*poolv1.Lease{{Id: "1", Vgpus: []*poolv1.VGPU{{RatioPercent: 101}}}}
		}, "more than a GPU has"},
	} {
		r := beat("a", 1)
		c.change(r)
		if err := CheckHeartbeat(r); c.want == "" && err != nil || c.want != "" && (kind(err) != Invalid || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestCheckGrant(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		request *poolv1.GrantRequest
		want    string
	}{
		{"least", &poolv1.GrantRequest{Node: "a", Vgpus: 1}, ""},
		{"most", &poolv1.GrantRequest{Node: "a", Vgpus: 64, MemoryMib: 1 << 24, RatioPercent: 100, CrossNode: true, LeaseId: "x-1"}, ""},
		{"no node", &poolv1.GrantRequest{Vgpus: 1}, "node is empty"},
		{"no vGPU", &poolv1.GrantRequest{Node: "a"}, "0 vGPUs asked: want 1 to 64 (ORION_VGPU)"},
		{"too many", &poolv1.GrantRequest{Node: "a", Vgpus: 65}, "65 vGPUs asked"},
		{"too much memory", &poolv1.GrantRequest{Node: "a", Vgpus: 1, MemoryMib: 1<<24 + 1}, "ORION_GMEM"},
		{"ratio", &poolv1.GrantRequest{Node: "a", Vgpus: 1, RatioPercent: 101}, "ORION_RATIO"},
		{"cross-node parts", &poolv1.GrantRequest{Node: "a", Vgpus: 1, CrossNode: true, RatioPercent: 50}, "ORION_CROSS_NODE=1 needs ORION_RATIO=100"},
		{"cross-node default", &poolv1.GrantRequest{Node: "a", Vgpus: 1, CrossNode: true}, "needs ORION_RATIO=100"},
		{"lease id", &poolv1.GrantRequest{Node: "a", Vgpus: 1, LeaseId: strings.Repeat("x", 65)}, "lease id"},
		{"program", &poolv1.GrantRequest{Node: "a", Vgpus: 1, Program: "a\nb"}, "printable"},
	} {
		if err := CheckGrant(c.request); c.want == "" && err != nil || c.want != "" && (kind(err) != Invalid || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}
