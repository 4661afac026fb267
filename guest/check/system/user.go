// SPDX-License-Identifier: Apache-2.0

package system

import (
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// User is who runs programs.
type User struct {
	Name string
	Home string
	UID  uint32
	GIDs []uint32 // in effect

	self bool // the process's own
}

// may says what permissions say; lists of access control are not seen.
func (u *User) may(st *unix.Stat_t, a Access) bool {
	if u.UID == 0 {
		return true
	}
	bits := st.Mode
	switch {
	case st.Uid == u.UID:
		bits >>= 6
	case slices.Contains(u.GIDs, st.Gid):
		bits >>= 3
	}
	return bits&uint32(a) == uint32(a)
}

// Is says whether this is the user of the process itself.
func (u *User) Is() bool { return u.self }

type group struct {
	gid     uint32
	members []string
}

// groups reads /etc/group.
func (s *System) groups() map[string]group {
	all := map[string]group{}
	for _, line := range strings.Split(s.Text("/etc/group"), "\n") {
		f := strings.Split(line, ":")
		if len(f) != 4 {
			continue
		}
		if gid, err := strconv.ParseUint(f[2], 10, 32); err == nil {
			all[f[0]] = group{uint32(gid), strings.Split(f[3], ",")}
		}
	}
	return all
}

// Member says whether there is a group of that name, whether the user is listed in it, and whether that is in effect
// already: a process has the groups of its login.
func (s *System) Member(name string) (exists, listed, effective bool) {
	g, exists := s.groups()[name]
	return exists, slices.Contains(g.members, s.User.Name), exists && slices.Contains(s.User.GIDs, g.gid)
}

// account returns the line of /etc/passwd whose field has the value.
func (s *System) account(field int, value string) []string {
	for _, line := range strings.Split(s.Text("/etc/passwd"), "\n") {
		if f := strings.Split(line, ":"); len(f) == 7 && f[field] == value {
			return f
		}
	}
	return nil
}

// Account says whether there is a user of that name.
func (s *System) Account(name string) bool { return s.account(0, name) != nil }

// whoAsks is the process's user, or who became root by sudo.
func (s *System) whoAsks() User {
	if name := os.Getenv("SUDO_USER"); os.Geteuid() == 0 && name != "" && name != "root" {
		if f := s.account(0, name); f != nil {
			return s.named(f)
		}
	}
	u := User{UID: uint32(os.Geteuid()), Home: os.Getenv("HOME"), self: true}
	u.Name = strconv.Itoa(os.Geteuid())
	if f := s.account(2, u.Name); f != nil {
		u.Name = f[0]
	}
	gids, _ := os.Getgroups()
	for _, g := range append(gids, os.Getegid()) {
		u.GIDs = append(u.GIDs, uint32(g))
	}
	return u
}

// named is a user of /etc/passwd, as it will be at the next login.
func (s *System) named(account []string) User {
	number := func(i int) uint32 {
		n, _ := strconv.ParseUint(account[i], 10, 32)
		return uint32(n)
	}
	u := User{Name: account[0], Home: account[5], UID: number(2), GIDs: []uint32{number(3)}}
	for _, g := range s.groups() {
		if slices.Contains(g.members, u.Name) {
			u.GIDs = append(u.GIDs, g.gid)
		}
	}
	return u
}
