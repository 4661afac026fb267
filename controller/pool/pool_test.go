// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/orion-vgpu/orion/controller/scheduler"
	"github.com/orion-vgpu/orion/controller/store"
	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
)

var background = context.Background()

// fixture is a pool under test, and oriond's side of it. Inside a synctest bubble its time is virtual.
type fixture struct {
	t *testing.T
	*Pool
	sequence map[string]uint64
}

func newFixture(t *testing.T) *fixture {
	return &fixture{t, New(Config{Store: store.NewMemory(), Log: slog.New(slog.DiscardHandler)}), map[string]uint64{}}
}

// run lets the pool watch over its nodes until the test ends.
func (f *fixture) run() {
	ctx, cancel := context.WithCancel(background)
	var done sync.WaitGroup
	done.Go(func() { f.Run(ctx) })
	f.t.Cleanup(func() { cancel(); done.Wait() })
}

// beat is a heartbeat of a node with two GPUs of 4096 MiB, cut into four each.
func beat(node string, sequence uint64, leases ...*poolv1.Lease) *poolv1.HeartbeatRequest {
	r := &poolv1.HeartbeatRequest{Protocol: poolv1.Protocol, Sequence: sequence, Leases: leases, Node: &poolv1.Node{
		Name: node, BootId: "boot", Instance: node + "-1", StartedAt: timestamppb.New(time.Unix(1, 0)), VgpuCount: 4}}
	for i := range 2 {
		r.Node.Gpus = append(r.Node.Gpus, &poolv1.GPU{Index: uint32(i), Uuid: fmt.Sprintf("GPU-%s-%d", node, i), MemoryBytes: 4096 << 20})
	}
	return r
}

func (f *fixture) beat(node string, leases ...store.Lease) {
	f.t.Helper()
	f.sequence[node]++
	r := beat(node, f.sequence[node])
	for _, l := range leases {
		r.Leases = append(r.Leases, ToProto(l))
	}
	f.send(r)
}

func (f *fixture) send(r *poolv1.HeartbeatRequest) {
	f.t.Helper()
	if err := CheckHeartbeat(r); err != nil {
		f.t.Fatal(err)
	}
	if err := f.Heartbeat(background, r); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) grant(node string, vgpus uint32) store.Lease {
	f.t.Helper()
	l, err := f.Grant(background, &poolv1.GrantRequest{Node: node, Vgpus: vgpus, LocalOnly: true})
	if err != nil {
		f.t.Fatal(err)
	}
	return l
}

// expect checks which nodes and how many leases there are, as "a:ready b:lost / 2".
func (f *fixture) expect(want string) {
	f.t.Helper()
	s, err := f.List(background)
	if err != nil {
		f.t.Fatal(err)
	}
	var words []string
	for _, n := range s.Nodes {
		words = append(words, n.Node.Name+":"+strings.ToLower(strings.TrimPrefix(n.State.String(), "STATE_")))
	}
	if got := fmt.Sprintf("%s / %d", strings.Join(words, " "), len(s.Leases)); got != want {
		f.t.Errorf("pool is %q, want %q", got, want)
	}
}

func kind(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}

func TestGrantUntilFullAndBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.beat("a")
	var leases []store.Lease
	for range 4 {
		leases = append(leases, f.grant("a", 2))
	}
	_, err := f.Grant(background, &poolv1.GrantRequest{Node: "a", Vgpus: 1})
	if kind(err) != Starting { // other nodes may yet come
		t.Errorf("got %v", err)
	}
	var refused *scheduler.Refusal
	_, err = f.Grant(background, &poolv1.GrantRequest{Node: "a", Vgpus: 1, LocalOnly: true})
	if !errors.As(err, &refused) || refused.Short != scheduler.VGPUs {
		t.Errorf("got %v", err)
	}
	s, err := f.List(background)
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range s.Nodes[0].Granted {
		if g.Vgpus != 4 || g.MemoryBytes != 4096<<20 || g.RatioPercent != 100 {
			t.Errorf("GPU %d has granted %v", i, g)
		}
	}
	for _, l := range leases {
		for range 2 { // releasing again is no error
			if err := f.Release(background, l.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	f.expect("a:ready / 0")
	f.grant("a", 2)
}

func TestGrantErrors(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.beat("a")
	f.beat("b")
	taken, err := f.Grant(background, &poolv1.GrantRequest{Node: "b", Vgpus: 1, LocalOnly: true, LeaseId: "l1"})
	if err != nil || taken.ID != "l1" {
		t.Fatal(taken, err)
	}
	again, err := f.Grant(background, &poolv1.GrantRequest{Node: "b", Vgpus: 1, LocalOnly: true, LeaseId: "l1"})
	if err != nil || fmt.Sprint(again) != fmt.Sprint(taken) {
		t.Errorf("a repeated grant gave %v, %v, want %v", again, err, taken)
	}
	f.expect("a:ready b:ready / 1")
	if err := f.Release(background, "l2"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		request *poolv1.GrantRequest
		want    Kind
	}{
		{"unknown node", &poolv1.GrantRequest{Node: "c", Vgpus: 1}, UnknownNode},
		{"lease of another node", &poolv1.GrantRequest{Node: "a", Vgpus: 1, LeaseId: "l1"}, Invalid},
		{"released before it was granted", &poolv1.GrantRequest{Node: "a", Vgpus: 1, LeaseId: "l2"}, Ended},
	} {
		if _, err := f.Grant(background, c.request); kind(err) != c.want {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	f.expect("a:ready b:ready / 1")
}

func TestRestartLearnsLeases(t *testing.T) {
	t.Parallel()
	before := newFixture(t)
	before.beat("a")
	running := before.grant("a", 2)

	after := newFixture(t)
	if _, err := after.Grant(background, &poolv1.GrantRequest{Node: "a", Vgpus: 1, LocalOnly: true}); kind(err) != UnknownNode {
		t.Errorf("granted before the node has told what runs there: %v", err)
	}
	after.beat("a", running)
	s, err := after.List(background)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Leases) != 1 || s.Leases[0].Id != running.ID || s.Nodes[0].Granted[1].Vgpus != 1 || !s.Leases[0].GrantedAt.AsTime().Equal(running.GrantedAt) {
		t.Errorf("after the restart: %v", s)
	}
	if err := after.Release(background, running.ID); err != nil {
		t.Fatal(err)
	}
	after.beat("a", running) // sent before the release, and late
	after.expect("a:ready / 0")
}

func TestRemoteGrantsWaitForTheNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		gpuless := beat("z", 1)
		gpuless.Node.Gpus = nil
		f.send(gpuless)
		f.beat("a")
		_, err := f.Grant(background, &poolv1.GrantRequest{Node: "z", Vgpus: 1})
		if kind(err) != Starting {
			t.Errorf("got %v", err)
		}
		time.Sleep(6 * time.Second)
		l, err := f.Grant(background, &poolv1.GrantRequest{Node: "z", Vgpus: 1})
		if err != nil || l.Node != "z" || l.VGPUs[0].Node != "a" {
			t.Errorf("got %v, %v", l, err)
		}
	})
}

func TestLeaseThatTheNodeDoesNotKnow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.beat("a")
		kept, gone := f.grant("a", 1), f.grant("a", 1)
		for range 4 { // 8 s: the session may still be starting
			time.Sleep(2 * time.Second)
			f.beat("a", kept)
		}
		f.expect("a:ready / 2")
		time.Sleep(3 * time.Second)
		f.beat("a", kept)
		f.expect("a:ready / 1")
		_, err := f.Grant(background, &poolv1.GrantRequest{Node: "a", Vgpus: 1, LeaseId: gone.ID, LocalOnly: true})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestLostNode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.run()
		f.beat("a")
		f.beat("b")
		running := f.grant("b", 1)
		for range 6 {
			time.Sleep(2 * time.Second)
			f.beat("a")
		}
		f.expect("a:ready b:lost / 1")
		if _, err := f.Grant(background, &poolv1.GrantRequest{Node: "b", Vgpus: 1}); kind(err) != UnknownNode {
			t.Errorf("a lost node asks: %v", err)
		}
		for range 8 { // all of a, nothing of b
			if l, err := f.Grant(background, &poolv1.GrantRequest{Node: "a", Vgpus: 1}); err != nil || l.VGPUs[0].Node != "a" {
				t.Fatal(l, err)
			}
		}
		if l, err := f.Grant(background, &poolv1.GrantRequest{Node: "a", Vgpus: 1}); err == nil {
			t.Errorf("granted on a lost node: %v", l)
		}
		f.beat("b", running)
		f.expect("a:ready b:ready / 9")
		time.Sleep(303 * time.Second)
		f.expect("a:lost b:lost / 0")
		f.beat("b", running) // the node has the last word
		f.expect("a:lost b:ready / 1")
	})
}

func TestReboot(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.beat("a")
	f.grant("a", 1)
	rebooted := beat("a", 1)
	rebooted.Node.BootId, rebooted.Node.Instance, rebooted.Node.StartedAt = "next", "a-2", timestamppb.New(time.Unix(2, 0))
	f.send(rebooted)
	f.expect("a:ready / 0")
}

func TestTwoNodesOfOneName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		older, newer := beat("a", 1), beat("a", 1)
		newer.Node.Instance, newer.Node.StartedAt = "a-2", timestamppb.New(time.Unix(2, 0))
		f.send(older)
		f.send(newer)
		older.Sequence++
		if err := f.Heartbeat(background, older); kind(err) != NameTaken || !strings.Contains(err.Error(), "node_name") {
			t.Errorf("got %v", err)
		}
		time.Sleep(11 * time.Second) // the newer has ended
		f.send(older)
	})
}

func TestOvertakenHeartbeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.send(beat("a", 2))
		lease := f.grant("a", 1)
		time.Sleep(11 * time.Second)
		f.send(beat("a", 4, ToProto(lease)))
		f.send(beat("a", 3)) // would free the lease
		f.expect("a:ready / 1")
	})
}

func TestReleasedByHeartbeat(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.beat("a")
	lease := f.grant("a", 1)
	r := beat("a", 9)
	r.Released = []string{lease.ID, "never-granted"}
	f.send(r)
	f.expect("a:ready / 0")
	if _, err := f.Grant(background, &poolv1.GrantRequest{Node: "a", Vgpus: 1, LeaseId: "never-granted"}); kind(err) != Ended {
		t.Errorf("a grant that was given up is granted late: %v", err)
	}
}

func TestNodesDoNotSpeakForEachOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.beat("a")
	f.beat("b")
	lease := f.grant("a", 1)
	r := beat("b", 2, ToProto(lease))
	f.send(r)
	f.expect("a:ready b:ready / 1")
	if s, _ := f.List(background); s.Leases[0].Node != "a" {
		t.Errorf("lease moved: %v", s.Leases)
	}
}

func TestOvercommittedByAdoption(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	big := &poolv1.Lease{Id: "big", Vgpus: []*poolv1.VGPU{{Node: "a", GpuUuid: "GPU-a-0", MemoryBytes: 1 << 40, RatioPercent: 100}}}
	more := &poolv1.Lease{Id: "more", Vgpus: big.Vgpus}
	f.send(beat("a", 1, big, more))
	if l := f.grant("a", 1); l.VGPUs[0].UUID != "GPU-a-1" {
		t.Errorf("granted %v beside what takes more than there is", l)
	}
}

func TestCrossNode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		time.Sleep(6 * time.Second)
		f.beat("a")
		f.beat("b")
		l, err := f.Grant(background, &poolv1.GrantRequest{Node: "b", Vgpus: 4, RatioPercent: 100, CrossNode: true})
		if err != nil {
			t.Fatal(err)
		}
		var nodes []string
		for _, v := range l.VGPUs {
			nodes = append(nodes, v.Node)
		}
		if got := strings.Join(nodes, ""); got != "bbaa" {
			t.Errorf("nodes are %q", got)
		}
	})
}

// TestGrantAndReleaseRace has many programs come and go at once: never is more granted than there is, and
// nothing is left at the end.
func TestGrantAndReleaseRace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.beat("a")
	var all sync.WaitGroup
	granted := make(chan int, 16)
	for i := range 16 {
		all.Go(func() {
			n := 0
			for j := range 50 {
				id := fmt.Sprintf("%d-%d", i, j)
				release := func() {
					if err := f.Release(background, id); err != nil {
						t.Error(err)
					}
				}
				if j%5 == 4 { // a client that gave up: its release overtakes its grant, or not
					all.Go(release)
				}
				if _, err := f.Grant(background, &poolv1.GrantRequest{Node: "a", Vgpus: 2, LocalOnly: true, LeaseId: id}); err == nil {
					n++
				}
				s, err := f.List(background)
				if err != nil {
					t.Error(err)
				}
				for _, g := range s.Nodes[0].Granted {
					if g.Vgpus > 4 || g.MemoryBytes > 4096<<20 || g.RatioPercent > 100 {
						t.Errorf("granted more than there is: %v", g)
					}
				}
				release()
			}
			granted <- n
		})
	}
	all.Wait()
	close(granted)
	total := 0
	for n := range granted {
		total += n
	}
	if total < 50 {
		t.Errorf("only %d grants: the test tests little", total)
	}
	f.expect("a:ready / 0")
}
