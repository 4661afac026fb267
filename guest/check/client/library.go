// SPDX-License-Identifier: Apache-2.0

package client

import (
	"fmt"
	"strings"

	"github.com/orion-vgpu/orion/guest/check"
	"github.com/orion-vgpu/orion/guest/check/daemon"
)

// nvidiaVersion finds the version in /proc/driver/nvidia/version.
func nvidiaVersion(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	for _, word := range strings.Fields(line) {
		if strings.Count(word, ".") >= 1 && word[0] >= '0' && word[0] <= '9' {
			return word
		}
	}
	if text != "" {
		return "of unknown version"
	}
	return ""
}

func glibc(f *Facts) check.Finding {
	c := f.Libc
	switch {
	case c.Err != nil:
		return check.Failed("%v: CUDA programs and Orion's libraries need glibc 2.17 or newer", c.Err)
	case c.Major < 2 || c.Major == 2 && c.Minor < 17:
		return check.Failed("glibc %d.%d at %s is older than 2.17", c.Major, c.Minor, c.Path)
	}
	return check.Passed("glibc %d.%d at %s", c.Major, c.Minor, c.Path)
}

func library(f *Facts) check.Finding {
	l := f.Library
	switch {
	case l.Path == "" && f.Installed && f.Configured:
		return check.Failed("the dynamic linker finds no libcuda.so.1, though %s has one", Folder).By("sudo ldconfig")
	case l.Path == "" && f.Installed:
		return check.Failed("the dynamic linker finds no libcuda.so.1; %s has one", Folder).By("export LD_LIBRARY_PATH=%s", Folder)
	case l.Path == "":
		return check.Failed("the dynamic linker finds no libcuda.so.1")
	case l.Release == "":
		found := check.Failed("programs get %s (%s), which is not Orion's", l.Path, l.By)
		switch {
		case !f.Installed:
			return found
		case l.By != "LD_LIBRARY_PATH" && f.Configured:
			return found.By("sudo ldconfig")
		}
		return found.By("export LD_LIBRARY_PATH=%s${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}", Folder)
	}
	return check.Passed("programs get %s (%s), release %s", l.Path, l.By, l.Release)
}

func nvml(f *Facts) check.Finding {
	l := f.NVML
	switch {
	case l.Path == "":
		return check.Warned("the dynamic linker finds no libnvidia-ml.so.1, by which frameworks count GPUs")
	case l.Release == "":
		return check.Warned("programs get %s (%s), which is not Orion's: frameworks would count GPUs otherwise than libcuda.so.1", l.Path, l.By)
	case f.Library.Release != "" && l.Release != f.Library.Release:
		return check.Failed("%s is of release %s, and %s of %s", l.Path, l.Release, f.Library.Path, f.Library.Release)
	}
	return check.Passed("programs get %s (%s)", l.Path, l.By)
}

func others(f *Facts) check.Finding {
	if len(f.Others) == 0 {
		return check.Passed("there is no other libcuda.so.1")
	}
	return check.Warned("also here: %s, for programs whose rpath leads there", strings.Join(f.Others, ", "))
}

func program(f *Facts) check.Finding {
	if f.ProgramErr != nil {
		return check.Failed("%v", f.ProgramErr).By("name a program by --program, or a library that it opens, such as libcudart.so.12; of a script, its interpreter")
	}
	for _, u := range f.Uses {
		verb := "opens"
		if u.Needs {
			verb = "needs"
		}
		switch {
		case u.Path == "":
			return check.Failed("%s %s libcuda.so.1 and finds none", u.Object, verb)
		case u.Ours:
			continue
		}
		found := check.Failed("%s gets %s (%s), which is not Orion's", u.Object, u.Path, u.By)
		if owner, ok := strings.CutPrefix(u.By, "RPATH of "); ok {
			return found.By("patchelf --remove-rpath %s", owner)
		}
		return found.By("export LD_LIBRARY_PATH=%s${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}", Folder)
	}
	return check.Passed("%s gets Orion's libcuda.so.1", f.Program)
}

func driver(f *Facts) check.Finding {
	if f.NVIDIADriver != "" {
		return check.Warned("NVIDIA's driver %s is here too: programs with Orion's library use vGPUs, not this machine's GPUs", f.NVIDIADriver)
	}
	return check.Passed("no NVIDIA driver, and none is needed")
}

// releaseMatch compares the library with the oriond that programs would reach.
func releaseMatch(f *Facts) check.Finding {
	at := f.reached()
	if at == nil || f.Library.Release == "" {
		return check.Passed("not compared: %s", missing(at == nil, f.Library.Release == ""))
	}
	a := at.Answer
	if a.Status == daemon.Mismatch && at == &f.Relay {
		return check.Failed("by orion-relay: %s", a.Message)
	}
	if f.Library.Commands != 0 && f.Library.Commands != a.Commands {
		return check.Failed("the library is of release %s (commands %016x), oriond of %s (commands %016x)",
			f.Library.Release, f.Library.Commands, a.Release, a.Commands)
	}
	if at == &f.Relay {
		return check.Passed("library, orion-relay and oriond match")
	}
	return check.Passed("library %s and oriond %s match", f.Library.Release, a.Release)
}

func missing(oriond, library bool) string {
	switch {
	case oriond && library:
		return "neither library nor oriond"
	case oriond:
		return "no oriond answers"
	}
	return "no library of Orion's"
}

func environment(f *Facts) check.Finding {
	if f.VGPU == "" {
		return check.Warned("ORION_VGPU is not set here: programs say by it how many vGPUs they want")
	}
	if f.DemandErr != nil {
		return check.Failed("%v", f.DemandErr)
	}
	d := f.Demand
	text := fmt.Sprintf("ORION_VGPU=%d", d.VGPUs)
	if d.MemoryMiB != 0 {
		text += fmt.Sprintf(" ORION_GMEM=%d", d.MemoryMiB)
	}
	if d.RatioPercent != 0 {
		text += fmt.Sprintf(" ORION_RATIO=%d", d.RatioPercent)
	}
	return check.Passed("%s", text)
}
