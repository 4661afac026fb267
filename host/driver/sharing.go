// SPDX-License-Identifier: Apache-2.0

package driver

import "os"

// Shared is what one process gives another so that it may have a thing of its driver's: bytes that mean something
// to the same kind of backend, and a file where there is one. Who gets it closes the file.
type Shared struct {
	Data []byte
	File *os.File
}

// Close closes the file, if there is one.
func (s Shared) Close() {
	if s.File != nil {
		s.File.Close()
	}
}

// Sharing are the driver functions by which processes share memory and events. What they give is for other
// processes of the same host, user and kind of backend.
type Sharing interface {
	// IpcGetMem and the like are cuIpcGetMemHandle and the like.
	IpcGetMem(p DevicePtr) (Shared, Result)
	IpcOpenMem(s Shared, flags uint32) (DevicePtr, Result)
	IpcCloseMem(p DevicePtr) Result
	IpcGetEvent(e Event) (Shared, Result)
	IpcOpenEvent(s Shared) (Event, Result)
	// MemExport and MemImport are cuMemExportToShareableHandle and cuMemImportFromShareableHandle for files;
	// the Pool functions those of memory pools.
	MemExport(h MemHandle) (Shared, Result)
	MemImport(s Shared) (MemHandle, Result)
	PoolExport(p MemPool) (Shared, Result)
	PoolImport(s Shared) (MemPool, Result)
	PoolExportPointer(p DevicePtr) (Shared, Result)
	PoolImportPointer(p MemPool, s Shared) (DevicePtr, Result)
}
