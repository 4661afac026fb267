// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"sync"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/cuda"
)

// userObjects knows the user objects that the driver has ended, whose ids are not valid any more.
type userObjects struct {
	mu    sync.Mutex
	ended []*userObject
}

// userObject is what the driver calls when the last reference to one is gone.
type userObject struct {
	objects *userObjects
	call    hostCall // the client's destructor
	handle  driver.UserObject
}

// Run returns at once: the driver may be in the middle of a call of the ring goroutine's.
func (u *userObject) Run() {
	u.objects.mu.Lock()
	u.objects.ended = append(u.objects.ended, u)
	u.objects.mu.Unlock()
	go u.call.calls.ask(u.call.id)
}

// forgetUserObjects unbinds the ids of those that have ended. The driver may then use their handles again.
func (s *server) forgetUserObjects() {
	s.userObjects.mu.Lock()
	defer s.userObjects.mu.Unlock()
	for _, u := range s.userObjects.ended {
		s.handles.forget(handle{value: uint64(u.handle), kind: cuda.KindUserObject})
	}
	s.userObjects.ended = nil
}

func (s *server) onUserObjectCreate(api driver.API, id uint64, references uint32) (driver.UserObject, driver.Result) {
	s.forgetUserObjects()
	u := &userObject{objects: &s.userObjects, call: hostCall{s.calls, id}}
	handle, r := api.UserObjectCreate(u, references)
	u.handle = handle
	return handle, r
}
