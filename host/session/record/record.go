// SPDX-License-Identifier: Apache-2.0

// Package record keeps a file for each session, so that a restarted oriond finds the workers that run and
// the leases that they hold, and so that an administrator finds them without oriond.
package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"time"

	"github.com/orion-vgpu/orion/host/session/process"
)

// Session is what is known of a session.
type Session struct {
	ID      string      `json:"id"`
	Lease   string      `json:"lease"`
	Boot    string      `json:"boot"`   // the run of the machine in which the processes live
	Worker  process.Ref `json:"worker"` // zero while the session starts
	Client  process.Ref `json:"client"` // zero where the client's process cannot be seen
	UID     uint32      `json:"uid"`    // of the client, where it came by the unix socket
	From    string      `json:"from"`   // vsock address or host of a client that did not
	Program string      `json:"program"`
	Host    string      `json:"host"`
	VGPUs   []VGPU      `json:"vgpus"`
	Since   time.Time   `json:"since"`
	Log     string      `json:"log"` // path of the session's log
	Slice   *Slice      `json:"slice,omitempty"`
}

// Slice is the memory that a program in a virtual machine shares with its worker.
type Slice struct {
	Domain string `json:"domain"` // of the virtual machine
	Offset uint64 `json:"offset"` // in the domain's region
	Size   uint64 `json:"size"`
}

// VGPU is one granted share of a GPU.
type VGPU struct {
	GPU          int    `json:"gpu"` // index on this node
	UUID         string `json:"uuid"`
	MemoryBytes  uint64 `json:"memory_bytes"`
	RatioPercent int    `json:"ratio_percent"`
}

// Store is a folder of records, which belongs to one oriond. It is safe for concurrent use.
type Store struct {
	dir string
}

// Dir returns the folder of the records of the oriond that listens on socket.
func Dir(socket string) string { return strings.TrimSuffix(socket, ".sock") + ".sessions" }

// NewStore opens a folder, and creates it where it is absent.
func NewStore(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create folder of session records: %w", err)
	}
	return &Store{dir: dir}, nil
}

var validID = regexp.MustCompile(`^[0-9a-f]{1,31}$`)

func (s *Store) path(id string) (string, error) {
	if !validID.MatchString(id) {
		return "", fmt.Errorf("%q is not the id of a session: want hexadecimal digits", id)
	}
	return filepath.Join(s.dir, id+".json"), nil
}

// Save writes a record in place of an earlier one; a reader sees either the one or the other.
func (s *Store) Save(r Session) error {
	path, err := s.path(r.ID)
	if err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("save session %s: %w", r.ID, err)
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, append(b, '\n'), 0o600); err != nil {
		os.Remove(tmp)
		return fmt.Errorf("save session %s: %w", r.ID, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		os.Remove(tmp)
		return fmt.Errorf("save session %s: %w", r.ID, err)
	}
	return nil
}

// Remove deletes a record; one that is not there is no error.
func (s *Store) Remove(id string) error {
	path, err := s.path(id)
	if err != nil {
		return fmt.Errorf("remove session: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove session %s: %w", id, err)
	}
	return nil
}

// Load returns all records, oldest first. Records that cannot be read are left out and described in the
// error, which then comes along with the others. A folder that is not there has no records.
func (s *Store) Load() ([]Session, error) { return Load(s.dir) }

// Load is Store.Load for a reader who is not the owner of the folder.
func Load(dir string) ([]Session, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("load sessions: %w", err)
	}
	var all []Session
	var failed []error
	for _, e := range entries {
		id, isRecord := strings.CutSuffix(e.Name(), ".json")
		if !isRecord {
			continue
		}
		r, err := load(filepath.Join(dir, e.Name()), id)
		switch {
		case errors.Is(err, fs.ErrNotExist): // ended in between
		case err != nil:
			failed = append(failed, err)
		default:
			all = append(all, r)
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Since.Before(all[j].Since) })
	return all, errors.Join(failed...)
}

func load(path, id string) (Session, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Session{}, fmt.Errorf("load session: %w", err)
	}
	var r Session
	if err := json.Unmarshal(b, &r); err != nil {
		return Session{}, fmt.Errorf("load session from %s: %w", path, err)
	}
	if r.ID != id || !validID.MatchString(id) {
		return Session{}, fmt.Errorf("load session from %s: it is the record of %q", path, r.ID)
	}
	return r, nil
}
