// SPDX-License-Identifier: Apache-2.0

// Package control lets commands on the same machine ask a running oriond about its virtual machines: HTTP and
// JSON on a unix socket that only oriond's user can open.
package control

import "path/filepath"

// Socket returns the path of the socket for a folder of records.
func Socket(dir string) string { return filepath.Join(dir, "control") }

const (
	pathReport  = "/v1/machines"
	pathDetach  = "/v1/detach"
	pathAttach  = "/v1/attach"
	pathMonitor = "/v1/monitor"
)

// request is what the commands send.
type request struct {
	Name    string `json:"name"`
	Seconds int    `json:"seconds,omitempty"` // to wait for a guest that detaches
	Socket  string `json:"socket,omitempty"`  // of QEMU's monitor
	Size    uint64 `json:"size_bytes,omitempty"`
	CID     uint32 `json:"cid,omitempty"`
	Vsock   string `json:"vsock,omitempty"` // of the monitor's hybrid vsock
}

// failure is an answer that is none.
type failure struct {
	Error string `json:"error"`
}

// Limits of a request.
const (
	maxRequest = 64 << 10
	maxSeconds = 600
)
