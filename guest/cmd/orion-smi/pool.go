// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/orion-vgpu/orion/host/release"
	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
)

// writeTables shows a pool in the manner of nvidia-smi.
func writeTables(w io.Writer, p *poolv1.Pool) error { return writeTablesAs(release.Version, w, p) }

func writeTablesAs(version string, w io.Writer, p *poolv1.Pool) error {
	at := p.At.AsTime()
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", at.Local().Format("Mon Jan _2 15:04:05 2006"))
	gpus := gpuTable(p)
	gpus.title = fmt.Sprintf("ORION-SMI %s    Controller %s    %s", version, p.Release, summary(p))
	gpus.write(&b)
	b.WriteByte('\n')
	leases := leaseTable(p.Leases, at)
	leases.title = "Programs"
	leases.empty = "No program holds a vGPU"
	leases.write(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func summary(p *poolv1.Pool) string {
	var gpus, used, all uint32
	for _, n := range p.Nodes {
		for i := range n.Node.GetGpus() {
			gpus++
			all += n.Node.VgpuCount
			used += granted(n, i).Vgpus
		}
	}
	return fmt.Sprintf("Nodes %d    GPUs %d    vGPUs %d of %d", len(p.Nodes), gpus, used, all)
}

// granted is of the node's GPU i, even if the controller left it out.
func granted(n *poolv1.NodeStatus, i int) *poolv1.Granted {
	if i < len(n.Granted) && n.Granted[i] != nil {
		return n.Granted[i]
	}
	return &poolv1.Granted{}
}

func gpuTable(p *poolv1.Pool) *table {
	t := &table{
		columns: []column{{"Node", false}, {"GPU", true}, {"Name", false}, {"Driver", false}, {"vGPUs", true}, {"Memory granted", true}, {"Compute", true}, {"Memory in use", true}, {"State", false}},
		empty:   "No node has registered: start oriond on the machines that have GPUs",
	}
	for _, n := range p.Nodes {
		state := strings.TrimPrefix(n.State.String(), "STATE_")
		if len(n.Node.GetGpus()) == 0 {
			t.add(n.Node.GetName(), "-", "(no GPU)", "", "", "", "", "", state)
		}
		for i, g := range n.Node.GetGpus() {
			u := granted(n, i)
			t.add(n.Node.Name, fmt.Sprint(g.Index), g.Name, g.DriverVersion, fmt.Sprintf("%d / %d", u.Vgpus, n.Node.VgpuCount),
				fmt.Sprintf("%d / %d MiB", u.MemoryBytes>>20, g.MemoryBytes>>20), fmt.Sprintf("%d %%", u.RatioPercent),
				fmt.Sprintf("%d MiB", g.UsedBytes>>20), state)
		}
		t.rule()
	}
	return t
}

func leaseTable(leases []*poolv1.Lease, at time.Time) *table {
	t := &table{columns: []column{{"Node", false}, {"GPU", true}, {"PID", true}, {"Program", false}, {"Host", false}, {"Memory", true}, {"Compute", true}, {"For", true}}}
	for _, l := range leases {
		pid := "-"
		if l.Pid != 0 {
			pid = fmt.Sprint(l.Pid)
		}
		for _, v := range l.Vgpus {
			t.add(v.Node, fmt.Sprint(v.GpuIndex), pid, shorten(l.Program, 40), shorten(l.Host, 24),
				fmt.Sprintf("%d MiB", v.MemoryBytes>>20), fmt.Sprintf("%d %%", v.RatioPercent), age(at.Sub(l.GrantedAt.AsTime())))
		}
	}
	return t
}

// shorten keeps the end of a long name, where a path says most.
func shorten(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return "..." + string(r[len(r)-most+3:])
}

// age is a duration in its two largest units.
func age(d time.Duration) string {
	d = max(d, 0)
	s := int(d / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 24*3600:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	}
	return fmt.Sprintf("%dd%02dh", s/(24*3600), s/3600%24)
}
