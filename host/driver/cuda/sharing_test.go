// SPDX-License-Identifier: Apache-2.0

package cuda

import (
	"io"
	"testing"

	"github.com/orion-vgpu/orion/host/driver"
)

// TestSharing: handles go to the driver by value, its files come and go by number.
func TestSharing(t *testing.T) {
	t.Parallel()
	api := driverInC(t, `
#include <string.h>
#include <unistd.h>
struct handle { unsigned char b[64]; };
static int is(const unsigned char *b, int first) { for (int i = 0; i < 64; i++) if (b[i] != (unsigned char)(first + i)) return 0; return 1; }
static void put(unsigned char *b, int first) { for (int i = 0; i < 64; i++) b[i] = (unsigned char)(first + i); }
int cuInit(unsigned flags) { return 0; }
int cuIpcGetMemHandle(struct handle *h, unsigned long p) { put(h->b, (int)p); return 0; }
int cuIpcOpenMemHandle_v2(unsigned long *p, struct handle h, unsigned flags) { *p = 0x7000; return is(h.b, 5) && flags == 1 ? 0 : 1; }
int cuIpcCloseMemHandle(unsigned long p) { return p == 0x7000 ? 0 : 1; }
int cuIpcGetEventHandle(struct handle *h, void *e) { put(h->b, (int)(long)e); return 0; }
int cuIpcOpenEventHandle(void **e, struct handle h) { *e = (void *)0x99; return is(h.b, 9) ? 0 : 1; }
int cuMemExportToShareableHandle(int *fd, unsigned long h, int type, unsigned long flags) {
	int ends[2];
	if (h != 3 || type != 1 || flags || pipe(ends) || write(ends[1], "memory", 6) != 6) return 1;
	close(ends[1]);
	*fd = ends[0];
	return 0;
}
int cuMemImportFromShareableHandle(unsigned long *h, void *fd, int type) {
	char b[6];
	*h = 4;
	return type == 1 && read((int)(long)fd, b, 6) == 6 && !memcmp(b, "memory", 6) ? 0 : 1;
}
int cuMemPoolExportPointer(struct handle *d, unsigned long p) { put(d->b, (int)p); return 0; }
int cuMemPoolImportPointer(unsigned long *p, void *pool, struct handle *d) { *p = 0x8000; return pool == (void *)6 && is(d->b, 7) ? 0 : 1; }
`)
	s, r := api.IpcGetMem(5)
	if r != driver.Success || len(s.Data) != 64 || s.Data[63] != 68 {
		t.Fatalf("IpcGetMem = %v, %v", s.Data, r)
	}
	if p, r := api.IpcOpenMem(s, 1); p != 0x7000 || r != driver.Success {
		t.Errorf("IpcOpenMem = %#x, %v", uint64(p), r)
	}
	if r := api.IpcCloseMem(0x7000); r != driver.Success {
		t.Errorf("IpcCloseMem = %v", r)
	}
	if s, r = api.IpcGetEvent(9); r != driver.Success {
		t.Fatalf("IpcGetEvent = %v", r)
	}
	if e, r := api.IpcOpenEvent(s); e != 0x99 || r != driver.Success {
		t.Errorf("IpcOpenEvent = %#x, %v", uint64(e), r)
	}
	if _, r := api.IpcOpenEvent(driver.Shared{Data: s.Data[:63]}); r == driver.Success {
		t.Error("a short handle is opened")
	}
	if s, r = api.MemExport(3); r != driver.Success || s.File == nil {
		t.Fatalf("MemExport = %v, %v", s, r)
	}
	if h, r := api.MemImport(s); h != 4 || r != driver.Success {
		t.Errorf("MemImport = %d, %v", h, r)
	}
	if rest, err := io.ReadAll(s.File); err != nil || len(rest) > 0 {
		t.Errorf("the file is not its caller's any more: %q, %v", rest, err)
	}
	s.Close()
	if _, r := api.MemImport(driver.Shared{}); r == driver.Success {
		t.Error("no file is imported")
	}
	if s, r = api.PoolExportPointer(7); r != driver.Success {
		t.Fatalf("PoolExportPointer = %v", r)
	}
	if p, r := api.PoolImportPointer(6, s); p != 0x8000 || r != driver.Success {
		t.Errorf("PoolImportPointer = %#x, %v", uint64(p), r)
	}
	if _, r := api.PoolExport(1); r != driver.ErrorNotSupported {
		t.Errorf("a driver without memory pools: %v", r)
	}
}
