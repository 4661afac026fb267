// SPDX-License-Identifier: Apache-2.0

package check

import (
	"strings"

	"github.com/orion-vgpu/orion/guest/check"
	"github.com/orion-vgpu/orion/vmm"
)

// software says whether the node is to have software GPUs only.
func (f *Facts) software() bool { return f.Config != nil && f.Config.Server.GPUs == "softgpu" }

func nvidia(f *Facts) check.Finding {
	d := f.Driver
	switch {
	case f.software():
		return check.Passed("gpus = softgpu: software GPUs")
	case d.Version != "":
		return check.Passed("NVIDIA's driver %s, %d GPUs", d.Version, len(d.GPUs))
	case d.Nouveau:
		return check.Failed("the driver nouveau is loaded, in place of NVIDIA's").By("blacklist nouveau, and install NVIDIA's driver")
	case f.Config != nil && f.Config.Server.GPUs == "cuda":
		return check.Failed("gpus = cuda, and NVIDIA's driver is not loaded").By("sudo modprobe nvidia")
	}
	return check.Warned("NVIDIA's driver is not loaded: oriond offers software GPUs")
}

func devices(f *Facts) check.Finding {
	if f.software() || f.Driver.Version == "" {
		return check.Passed("none are needed")
	}
	if len(f.Driver.Nodes) > 0 {
		return check.Failed("%s not there", strings.Join(f.Driver.Nodes, " and "))
	}
	return check.Passed("/dev/nvidia* are there")
}

func libraries(f *Facts) check.Finding {
	d := f.Driver
	switch {
	case d.Hidden:
		bad := check.Failed
		if f.software() || d.Version == "" {
			bad = check.Warned
		}
		return bad("%s (%s) is Orion's client library: oriond needs NVIDIA's", d.Cuda.Path, d.Cuda.By).
			By("sudo rm /etc/ld.so.conf.d/000-orion.conf && sudo ldconfig")
	case f.software() || d.Version == "":
		return check.Passed("none are needed")
	case d.Cuda.Path == "":
		return check.Failed("there is no libcuda.so.1")
	case d.NVML.Path == "":
		return check.Failed("there is no libnvidia-ml.so.1")
	}
	return check.Passed("%s, %s", d.Cuda.Path, d.NVML.Path)
}

// hmm is about heterogeneous memory management: with it, kernels reach all memory of the process that has the context, by
// the addresses that it has there. That is the worker, for whoever sends it kernels.
func hmm(f *Facts) check.Finding {
	switch {
	case f.software() || f.Driver.Version == "":
		return check.Passed("no GPU of NVIDIA's")
	case f.Driver.HMM:
		return check.Warned("HMM is not off: kernels of a program may reach all memory of its worker")
	}
	return check.Passed("kernels do not reach the memory of workers")
}

// kvmOff is what checks of virtual machines say where these are not served.
func kvmOff(f *Facts) (check.Finding, bool) {
	if found, none := unread(f); none {
		return found, true
	}
	return check.Passed("enable_kvm = false"), !f.Config.Server.EnableKVM
}

func shm(f *Facts) check.Finding {
	if found, off := kvmOff(f); off {
		return found
	}
	k := f.Kernel
	const least = 256 << 20 // a region of the usual size
	switch {
	case k.ShmErr != nil:
		return check.Failed("/dev/shm cannot hold virtual machines' regions: %v", k.ShmErr).By("sudo mount -t tmpfs tmpfs /dev/shm")
	case k.ShmFree < least:
		return check.Warned("/dev/shm has %d of %d MiB free, and a virtual machine's region has 256", k.ShmFree>>20, k.ShmBytes>>20)
	}
	return check.Passed("/dev/shm has %d of %d MiB free, with %d regions", k.ShmFree>>20, k.ShmBytes>>20, len(f.VM.Regions))
}

func kvm(f *Facts) check.Finding {
	if found, off := kvmOff(f); off {
		return found
	}
	if !f.VM.KVM && f.VM.Libvirt != "" {
		return check.Warned("/dev/kvm is not there: virtual machines are emulated, slowly")
	}
	if !f.VM.KVM {
		return check.Passed("no /dev/kvm, and no libvirt to need it")
	}
	return check.Passed("/dev/kvm is there")
}

func libvirt(f *Facts) check.Finding {
	if found, off := kvmOff(f); off {
		return found
	}
	v := f.VM
	switch {
	case v.Libvirt == "":
		return check.Passed("no libvirt: only QEMU processes that are attached by hand are served")
	case v.VersionErr != nil:
		return check.Warned("%s is there, and virsh does not get on with it: %v", v.Libvirt, v.VersionErr).By("sudo systemctl restart libvirtd")
	}
	return check.Passed("libvirt, %s, at %s", v.Version, v.Libvirt)
}

func vhost(f *Facts) check.Finding {
	if found, off := kvmOff(f); off {
		return found
	}
	switch {
	case !f.VM.VSock && f.VM.Libvirt != "":
		return check.Warned("/dev/vhost-vsock is not there: virtual machines reach oriond by TCP only")
	case !f.VM.VSock:
		return check.Passed("no /dev/vhost-vsock, and no libvirt to need it")
	}
	return check.Passed("/dev/vhost-vsock is there")
}

func domains(f *Facts) check.Finding {
	if found, off := kvmOff(f); off {
		return found
	}
	v := f.VM
	if v.Libvirt == "" && len(v.Domains) == 0 {
		return check.Passed("no libvirt, and no domain")
	}
	if v.DomainsErr != nil {
		return check.Warned("oriond vm list: %v", v.DomainsErr)
	}
	var attached int
	for _, d := range v.Domains {
		switch d.State {
		case vmm.Failed, vmm.Waiting:
			return check.Warned("%s (%s) has no device: %s", d.Name, d.State, d.Reason).By("oriond vm status %s", d.Name)
		case vmm.Attached:
			attached++
		}
	}
	return check.Passed("%d domains opted in, %d of them have their device", len(v.Domains), attached)
}

func security(f *Facts) check.Finding {
	if f.SELinux == "enforcing" && len(f.VM.Unlabelled) > 0 {
		return check.Warned("SELinux enforces, and %s has no virtual machine's label", f.VM.Unlabelled[0])
	}
	if f.SELinux == "enforcing" && f.AnswerErr != nil && len(f.Processes) > 0 {
		return check.Warned("SELinux enforces, and oriond runs without answering")
	}
	return check.Passed("SELinux %s, AppArmor %s", f.SELinux, f.AppArmor)
}
