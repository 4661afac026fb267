// SPDX-License-Identifier: Apache-2.0

//go:build !(linux && cgo && libvirt_dlopen)

package libvirt

import (
	"context"
	"errors"
	"log/slog"

	"github.com/orion-vgpu/orion/vmm"
)

// ErrNotBuilt says that this program cannot speak to libvirt.
var ErrNotBuilt = errors.New("this oriond was built without libvirt (go build -tags libvirt_dlopen)")

type absent struct{}

// New returns a Hypervisor that has no machines.
func New(string, *slog.Logger) vmm.Hypervisor { return absent{} }

func (absent) Watch(ctx context.Context, tell func(vmm.Event)) {
	tell(vmm.Event{Kind: vmm.Disconnected, Reason: ErrNotBuilt})
	<-ctx.Done()
}

func (absent) Machine(context.Context, string) (vmm.Machine, error) {
	return vmm.Machine{}, ErrNotBuilt
}
func (absent) Attach(context.Context, string, vmm.Device) error { return ErrNotBuilt }
func (absent) Detach(context.Context, string, vmm.Device) error { return ErrNotBuilt }
func (absent) AttachVsock(context.Context, string) error        { return ErrNotBuilt }

// Enable opts a domain in.
func Enable(uri, name string, size uint64, node string) (Change, error) { return Change{}, ErrNotBuilt }

// Disable takes the opting in back.
func Disable(uri, name string) (Change, error) { return Change{}, ErrNotBuilt }

// List returns all domains that opted in.
func List(uri string) ([]Domain, error) { return nil, ErrNotBuilt }
