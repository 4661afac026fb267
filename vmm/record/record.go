// SPDX-License-Identifier: Apache-2.0

// Package record keeps a file for each virtual machine that has a region, so that the next oriond finds the
// regions of one that crashed, serves the sessions in them, and removes what no machine uses any more.
package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Domain is what is to be known of a virtual machine after a restart of oriond.
type Domain struct {
	Name     string   `json:"name"`
	UUID     string   `json:"uuid,omitempty"`
	Run      string   `json:"run"`              // names this run of the machine
	Region   string   `json:"region,omitempty"` // name of the file; empty: it has none
	Size     uint64   `json:"size,omitempty"`   // bytes of the region
	Attached bool     `json:"attached"`         // the guest had the device
	Held     bool     `json:"held"`             // detached by an administrator, to stay so in this run
	CID      uint32   `json:"cid,omitempty"`
	Monitor  *Monitor `json:"monitor,omitempty"` // of a machine that libvirt does not manage
}

// Monitor says how to reach a virtual machine that libvirt does not manage, and what it is to have: a QEMU by
// Socket, or any by Vsock.
type Monitor struct {
	Socket string `json:"socket,omitempty"` // of QMP
	Size   uint64 `json:"size,omitempty"`   // of the region, with Socket
	CID    uint32 `json:"cid,omitempty"`    // with Socket
	Vsock  string `json:"vsock,omitempty"`  // of hybrid vsock: PATH, where the monitor connects to PATH_PORT
}

// Store is a folder of records, which belongs to one oriond. It is safe for concurrent use where each record
// has one writer.
type Store struct{ dir string }

// Open opens a folder, and creates it where it is absent.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create folder of virtual machines: %w", err)
	}
	return &Store{dir}, nil
}

func (s *Store) path(name string) string {
	return filepath.Join(s.dir, url.PathEscape(name)+".json")
}

// Save writes a record in place of an earlier one; a reader sees either the one or the other.
func (s *Store) Save(d Domain) error {
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return fmt.Errorf("record virtual machine %s: %w", d.Name, err)
	}
	path := s.path(d.Name)
	tmp := path + ".tmp"
	if err = os.WriteFile(tmp, append(b, '\n'), 0o600); err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
		return fmt.Errorf("record virtual machine %s: %w", d.Name, err)
	}
	return nil
}

// Remove deletes a record; one that is not there is no error.
func (s *Store) Remove(name string) error {
	if err := os.Remove(s.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove record of virtual machine %s: %w", name, err)
	}
	return nil
}

// Load returns all records. Those that cannot be read are left out and described in the error, which then
// comes along with the others.
func (s *Store) Load() ([]Domain, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("load virtual machines: %w", err)
	}
	var all []Domain
	var failed []error
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		path := filepath.Join(s.dir, e.Name())
		var d Domain
		b, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(b, &d)
		}
		if err == nil && path != s.path(d.Name) {
			err = fmt.Errorf("it is the record of %q", d.Name)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("load virtual machine from %s: %w", path, err))
			continue
		}
		all = append(all, d)
	}
	return all, errors.Join(failed...)
}
