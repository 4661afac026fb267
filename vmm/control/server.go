// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/vmm"
	"github.com/orion-vgpu/orion/vmm/record"
)

// Machines is what the commands need of vmm.Manager.
type Machines interface {
	Report() vmm.Report
	Detach(ctx context.Context, name string) error
	Attach(name string) error
	AttachMonitor(name string, m record.Monitor) error
}

// Serve answers commands until ctx is over. The folder of the socket belongs to one oriond, and is closed to
// others: a socket that is there was left by an earlier one.
func Serve(ctx context.Context, path string, m Machines) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("serve commands about virtual machines: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return fmt.Errorf("serve commands about virtual machines: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return fmt.Errorf("serve commands about virtual machines: %w", err)
	}
	server := &http.Server{Handler: handler(m), ReadTimeout: 5 * time.Second, MaxHeaderBytes: 4096,
		BaseContext: func(net.Listener) context.Context { return ctx }}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("serve commands about virtual machines: %w", err)
	}
	return nil
}

func handler(m Machines) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pathReport, func(w http.ResponseWriter, _ *http.Request) { answer(w, m.Report(), nil) })
	command := func(path string, do func(context.Context, request) error) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			var req request
			err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&req)
			if err == nil {
				err = do(r.Context(), req)
			}
			answer(w, struct{}{}, err)
		})
	}
	command(pathDetach, func(ctx context.Context, r request) error {
		ctx, cancel := context.WithTimeout(ctx, time.Duration(min(max(r.Seconds, 1), maxSeconds))*time.Second)
		defer cancel()
		return m.Detach(ctx, r.Name)
	})
	command(pathAttach, func(_ context.Context, r request) error { return m.Attach(r.Name) })
	command(pathMonitor, func(_ context.Context, r request) error {
		return m.AttachMonitor(r.Name, record.Monitor{Socket: r.Socket, Size: r.Size, CID: r.CID, Vsock: r.Vsock})
	})
	return mux
}

func answer(w http.ResponseWriter, value any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusConflict)
		value = failure{err.Error()}
	}
	json.NewEncoder(w).Encode(value)
}
