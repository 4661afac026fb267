// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Restart ends libvirtd and starts it again, while the guests go on.
func (h *Host) Restart(ctx context.Context) error {
	pidFile := filepath.Join(h.Dir, "run", "libvirtd.pid")
	before, err := os.ReadFile(pidFile)
	if err != nil {
		return fmt.Errorf("restart libvirtd: %w", err)
	}
	if _, err := io.WriteString(h.life, "restart\n"); err != nil {
		return fmt.Errorf("restart libvirtd: %w", err)
	}
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		now, err := os.ReadFile(pidFile)
		if err == nil && len(now) > 0 && !bytes.Equal(before, now) {
			if _, err := h.Virsh(ctx, "version"); err == nil {
				return nil
			}
		}
		if time.Now().After(end) {
			return fmt.Errorf("restart libvirtd: it is not there after %v\n%s", patience, h.Log())
		}
	}
}
