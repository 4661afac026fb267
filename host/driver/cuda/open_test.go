// SPDX-License-Identifier: Apache-2.0

package cuda

import (
	"strings"
	"testing"
)

// A node on which the client's libraries are installed for all programs must say so, and not serve itself.
func TestOpenRefusesOrionsOwnLibrary(t *testing.T) {
	t.Parallel()
	path := libraryInC(t, "int orion_session(void) { return 0; }\n")
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "Orion's client library") {
		t.Errorf("open: %v", err)
	}
}

func TestOpenNamesAMissingLibrary(t *testing.T) {
	t.Parallel()
	if _, err := Open("/nonexistent/libcuda.so.1"); err == nil || !strings.Contains(err.Error(), "/nonexistent/libcuda.so.1") {
		t.Errorf("open: %v", err)
	}
}

// A library that lacks functions is a driver older than they are: each is refused when it is called.
func TestOldDriverRefusesNewFunctions(t *testing.T) {
	t.Parallel()
	api := driverInC(t, `
int cuInit(unsigned flags) { return 0; }
int cuDeviceGetCount(int *n) { *n = 3; return 0; }
int cuMemAlloc_v2(unsigned long *p, unsigned long n) { *p = n + 1; return n == 7 ? 2 : 0; }
`)
	if n, r := api.DeviceGetCount(); n != 3 || r != 0 {
		t.Errorf("count: %d, %v", n, r)
	}
	if p, r := api.MemAlloc(41); p != 42 || r != 0 {
		t.Errorf("alloc: %d, %v", p, r)
	}
	if _, r := api.MemAlloc(7); r != 2 {
		t.Errorf("alloc: %v, want out of memory", r)
	}
	if _, r := api.StreamCreateWithPriority(0, 0); r != 801 {
		t.Errorf("a function that the driver lacks: %v", r)
	}
}

// The driver tells a pointer to no bytes from NULL: the strides of a tensor map of one dimension must be somewhere.
func TestBlobsOfNoBytesAreSomewhere(t *testing.T) {
	t.Parallel()
	api := driverInC(t, `
int cuInit(unsigned flags) { return 0; }
int cuDeviceGetCount(int *n) { *n = 1; return 0; }
int cuTensorMapEncodeTiled(char *map, int type, int rank, void *address, const unsigned long *dim, const void *strides, const int *box) {
	if (!map || !dim || !strides || !box)
		return 1;
	map[127] = (char)(dim[0] + box[0]);
	return 0;
}
`)
	tensorMap, dim, box := make([]byte, 128), []byte{0: 40, 7: 0}, []byte{0: 2, 3: 0}
	if r := api.TensorMapEncodeTiled(tensorMap, 7, 1, 4096, dim, dim[8:], box, box, 0, 0, 0, 0); r != 0 || tensorMap[127] != 42 {
		t.Errorf("strides of no bytes: %v, %d", r, tensorMap[127])
	}
	if r := api.TensorMapEncodeTiled(tensorMap, 7, 1, 4096, dim, nil, box, box, 0, 0, 0, 0); r != 1 {
		t.Errorf("no strides: %v", r)
	}
}
