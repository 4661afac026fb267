// SPDX-License-Identifier: Apache-2.0

package nvml

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// On a machine with a GPU, this machine's nvidia-smi says the same of the vGPU as of the GPU, memory aside. Run in the
// environment of a pool's client:
//
//	go test -c -o nvml.test ./tests/nvml          # where there is Go
//	cd tests/nvml && GPUS=cuda ../with-pool env ORION_TEST_ENV=ORION_VGPU=1 ./nvml.test -test.v -test.run Native
func TestAgainstNative(t *testing.T) {
	environment := os.Getenv("ORION_TEST_ENV")
	if environment == "" || environment == "native" {
		t.Skip("ORION_TEST_ENV does not lead to a vGPU: see the comment on this test")
	}
	smi, err := exec.LookPath("nvidia-smi")
	if err != nil {
		t.Skip("no nvidia-smi in PATH: this needs a machine with a GPU")
	}
	vgpu := append(os.Environ(), strings.Fields(environment)...)
	native := slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "LD_LIBRARY_PATH=") })
	query := func(env []string, fields string, args ...string) []string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), smi, append(args, "--format=csv,noheader", "--query-gpu="+fields)...)
		cmd.Env = env
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
		}
		first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return strings.Split(first, ", ")
	}

	const same = "uuid,name,driver_version,compute_cap,pci.bus_id,pcie.link.gen.max,power.limit,persistence_mode,ecc.mode.current"
	got := query(vgpu, same)
	want := query(native, same, "-i", got[0])
	if !slices.Equal(got, want) {
		t.Errorf("nvidia-smi tells of the vGPU\n%q\nand of the GPU\n%q", got, want)
	}
	const numbers = "utilization.gpu,temperature.gpu,power.draw,clocks.sm,clocks.mem,memory.total,memory.used"
	got = query(vgpu, numbers)
	for i, field := range strings.Split(numbers, ",") {
		if !regexp.MustCompile(`^[0-9.]+( (%|W|MHz|MiB))?$`).MatchString(got[i]) {
			t.Errorf("%s of the vGPU is %q", field, got[i])
		}
	}
	t.Logf("%s: %q", numbers, got)
	for _, args := range [][]string{nil, {"-L"}, {"-q"}, {"-q", "-x"}, {"dmon", "-c", "1"}, {"pmon", "-c", "1"}, {"topo", "-m"}} {
		cmd := exec.CommandContext(t.Context(), smi, args...)
		cmd.Env = vgpu
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("nvidia-smi %v: %v\n%s", args, err, out)
		} else if args == nil {
			t.Logf("%s", out)
		}
	}
}
