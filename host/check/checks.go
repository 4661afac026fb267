// SPDX-License-Identifier: Apache-2.0

package check

import (
	"time"

	"github.com/orion-vgpu/orion/guest/check"
	"github.com/orion-vgpu/orion/host/release"
	"github.com/orion-vgpu/orion/proto/cuda"
	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
)

// Checks are those of a node, in the order in which one would mend.
func Checks() []check.Check[*Facts] {
	return []check.Check[*Facts]{
		{Name: "config", Remedy: "edit the file that is named; oriond check-config", Judge: configuration},
		{Name: "driver", Remedy: "install NVIDIA's driver, or set gpus = softgpu in server.conf", Judge: nvidia},
		{Name: "devices", Remedy: "sudo nvidia-modprobe -c 0 -u", Judge: devices},
		{Name: "libraries", Remedy: "install NVIDIA's user-space libraries of the driver's version", Judge: libraries},
		{Name: "hmm", Remedy: "echo options nvidia_uvm uvm_disable_hmm=1 | sudo tee /etc/modprobe.d/orion-hmm.conf, then load nvidia_uvm again", Judge: hmm},
		{Name: "kernel", Remedy: "use Linux 5.4 or newer", Judge: kernelFeatures},
		{Name: "oriond", Remedy: "sudo systemctl start oriond", Judge: running},
		{Name: "socket", Remedy: "sudo systemctl restart oriond", Judge: socket},
		{Name: "release", Remedy: "install the same release of oriond and orion-check, then: sudo systemctl restart oriond", Judge: sameRelease},
		{Name: "workers", Remedy: "sudo systemd-sysusers", Judge: workers},
		{Name: "logs", Remedy: "sudo systemd-tmpfiles --create", Judge: logs},
		{Name: "port", Remedy: "sudo systemctl restart oriond", Judge: port},
		{Name: "shm", Remedy: "sudo mount -o remount,size=50% /dev/shm", Judge: shm},
		{Name: "kvm", Remedy: "sudo modprobe kvm_intel, or kvm_amd; see that virtualization is on in the firmware", Judge: kvm},
		{Name: "libvirt", Remedy: "install libvirt-daemon-system and libvirt-clients, or set enable_kvm = false in server.conf", Judge: libvirt},
		{Name: "vhost-vsock", Remedy: "sudo modprobe vhost_vsock", Judge: vhost},
		{Name: "domains", Remedy: "oriond vm status", Judge: domains},
		{Name: "security", Remedy: "sudo setenforce 0, to see whether it is the cause; ausearch -m avc -ts recent", Judge: security},
		{Name: "rdma", Remedy: "set enable_rdma = false in server.conf", Judge: rdma},
		{Name: "controller", Remedy: "sudo systemctl start orion-controller there, or set controller_addr in server.conf", Judge: controller},
		{Name: "node", Remedy: "see /var/log/orion/server.log", Judge: node},
		{Name: "clock", Remedy: "sudo timedatectl set-ntp true", Judge: clock},
		{Name: "vgpus", Remedy: "orion-smi shows who holds them", Judge: vgpus},
	}
}

// unread is what checks say that need a configuration, when there is none.
func unread(f *Facts) (check.Finding, bool) {
	return check.Passed("not looked at: the configuration cannot be read"), f.Config == nil
}

func configuration(f *Facts) check.Finding {
	if f.ConfigErr != nil {
		return check.Failed("%v", f.ConfigErr)
	}
	if f.ConfigPath == "" {
		return check.Passed("server.conf is right")
	}
	return check.Passed("%s is right", f.ConfigPath)
}

func kernelFeatures(f *Facts) check.Finding {
	k := f.Kernel
	switch {
	case k.MemFD != nil:
		return check.Failed("Linux %s has no memfd_create: %v", k.Release, k.MemFD)
	case k.PidFD != nil:
		return check.Failed("Linux %s has no pidfd_open: %v", k.Release, k.PidFD)
	case k.Major < 5 || k.Major == 5 && k.Minor < 4:
		return check.Failed("Linux %s is older than 5.4", k.Release)
	}
	return check.Passed("Linux %s", k.Release)
}

func running(f *Facts) check.Finding {
	switch {
	case len(f.Processes) == 0 && f.Service == "failed":
		return check.Failed("oriond does not run: its service failed").By("journalctl -u oriond, then: sudo systemctl restart oriond")
	case len(f.Processes) == 0:
		return check.Failed("oriond does not run")
	case len(f.Processes) > 1:
		return check.Warned("%d oriond run here", len(f.Processes)).By("stop those that you do not want")
	}
	return check.Passed("process %d: %s", f.Processes[0].PID, f.Processes[0].Command)
}

func socket(f *Facts) check.Finding {
	if found, none := unread(f); none {
		return found
	}
	path := f.Config.Server.Socket
	switch {
	case !f.Config.Server.EnableShm:
		return check.Warned("enable_shm = false: programs of this host are not served").By("set enable_shm = true in server.conf")
	case !f.Socket:
		return check.Failed("%s is not there", path)
	case f.AnswerErr != nil:
		return check.Failed("oriond does not answer at %s: %v", path, f.AnswerErr)
	case f.Mode&0o006 == 0:
		return check.Passed("oriond answers at %s, whose mode %04o lets only some users in", path, f.Mode)
	}
	return check.Passed("oriond answers at %s", path)
}

func sameRelease(f *Facts) check.Finding {
	a := f.Answer
	switch {
	case f.Config == nil || f.AnswerErr != nil:
		return check.Passed("not compared: oriond does not answer")
	case a.Commands != cuda.SpecHash:
		return check.Failed("oriond is of release %s (commands %016x), orion-check of %s (commands %016x)", a.Release, a.Commands,
			release.Version, uint64(cuda.SpecHash))
	case a.Release != release.Version:
		return check.Warned("oriond is of release %s, orion-check of %s", a.Release, release.Version)
	}
	return check.Passed("oriond and orion-check are of release %s", a.Release)
}

func workers(f *Facts) check.Finding {
	switch {
	case f.WorkerErr != "":
		return check.Failed("there is no user %s, as which workers are to run", f.WorkerErr)
	case len(f.Processes) == 0:
		return check.Passed("oriond does not run")
	case flag(f.Processes[0].Command, "--worker-user") == "":
		return check.Warned("workers run as oriond's own user").By("start oriond with --worker-user orion-worker, as its service does")
	}
	return check.Passed("workers run as %s", flag(f.Processes[0].Command, "--worker-user"))
}

func logs(f *Facts) check.Finding {
	if found, none := unread(f); none {
		return found
	}
	if f.LogErr != nil && f.Root {
		return check.Failed("%s cannot be written: %v", f.LogDir, f.LogErr)
	}
	return check.Passed("%s", f.LogDir)
}

func port(f *Facts) check.Finding {
	if found, none := unread(f); none {
		return found
	}
	switch {
	case f.DataErr != nil && f.Data == "":
		return check.Failed("%v", f.DataErr).By("edit bind_addr or bind_net in server.conf")
	case f.Data == "":
		return check.Passed("listen_port = 0: the system chose the port, see server.log")
	case f.DataErr != nil:
		return check.Failed("%s does not answer: %v", f.Data, f.DataErr)
	}
	return check.Passed("%s answers", f.Data)
}

func rdma(f *Facts) check.Finding {
	if found, none := unread(f); none {
		return found
	}
	switch {
	case !f.Config.Server.EnableRDMA:
		return check.Passed("enable_rdma = false")
	case f.Config.Server.IbverbsDevice != "" && len(f.RDMA) == 0:
		return check.Warned("ibverbs_device = %s, and there is no RDMA device", f.Config.Server.IbverbsDevice)
	case len(f.RDMA) == 0:
		return check.Passed("no RDMA device: the network is TCP")
	}
	return check.Passed("%d RDMA devices", len(f.RDMA))
}

func controller(f *Facts) check.Finding {
	if found, none := unread(f); none {
		return found
	}
	if f.PoolErr != nil {
		return check.Failed("%s: %v", f.Config.Controller, f.PoolErr)
	}
	return check.Passed("orion-controller %s answers at %s", f.Pool.Release, f.Config.Controller)
}

func node(f *Facts) check.Finding {
	if f.Config == nil || f.Pool == nil {
		return check.Passed("not known: no controller answers")
	}
	name := f.Config.Server.NodeName
	n := f.Pool.Node(name)
	switch {
	case n == nil:
		return check.Failed("the controller does not know the node %s", name)
	case n.State != poolv1.NodeStatus_STATE_READY:
		return check.Failed("the controller holds the node %s for lost", name)
	case len(n.Node.GetGpus()) == 0:
		return check.Warned("the node %s has no GPU", name)
	}
	return check.Passed("the controller knows the node %s, with %d GPUs", name, len(n.Node.GetGpus()))
}

func clock(f *Facts) check.Finding {
	switch {
	case f.Pool == nil:
		return check.Passed("not compared: no controller answers")
	case f.Pool.Skew.Abs() > skew:
		return check.Warned("the controller's clock and this machine's differ by %v", f.Pool.Skew.Abs().Round(time.Second))
	}
	return check.Passed("the controller's clock agrees")
}

func vgpus(f *Facts) check.Finding {
	switch {
	case f.Pool == nil:
		return check.Passed("not known: no controller answers")
	case f.Pool.Total == 0:
		return check.Warned("the pool has no GPU").By("start oriond on machines with GPUs")
	case f.Pool.Free == 0:
		return check.Warned("none of %d in the pool is free", f.Pool.Total)
	}
	return check.Passed("%d of %d in the pool are free", f.Pool.Free, f.Pool.Total)
}
