// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"slices"

	"github.com/orion-vgpu/orion/host/driver"
)

// linking is a link in progress. One unit of PTX links to itself; several would need a linker.
type linking struct {
	id    uint64
	image []byte
}

func (t *thread) LinkCreate([]driver.JITOption) (driver.LinkState, driver.Result) {
	if _, r := t.context(); r != driver.Success {
		return 0, r
	}
	l := &linking{}
	l.id = t.d.handles.add(l)
	return driver.LinkState(l.id), driver.Success
}

func (t *thread) LinkAdd(h driver.LinkState, kind uint32, data []byte, _ string, _ []driver.JITOption, log *driver.JITLog) driver.Result {
	const ptxInput, fatbinInput = 1, 2
	l, r := find[*linking](t.d, h)
	if r != driver.Success {
		return r
	}
	if kind != ptxInput && kind != fatbinInput {
		return driver.ErrorNoBinaryForGpu
	}
	if l.image != nil {
		t.d.refuse("cuLinkAddData with more than one input")
		return driver.ErrorNotSupported
	}
	if _, r := t.d.parse(data, log); r != driver.Success {
		return r
	}
	l.image = slices.Clone(data)
	return driver.Success
}

func (t *thread) LinkComplete(h driver.LinkState, _ *driver.JITLog) ([]byte, driver.Result) {
	l, r := find[*linking](t.d, h)
	if r != driver.Success {
		return nil, r
	}
	if l.image == nil {
		return nil, driver.ErrorInvalidValue
	}
	return l.image, driver.Success
}

func (t *thread) LinkDestroy(h driver.LinkState) driver.Result {
	l, r := find[*linking](t.d, h)
	if r == driver.Success {
		t.d.handles.remove(l.id)
	}
	return r
}
