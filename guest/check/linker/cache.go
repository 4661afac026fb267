// SPDX-License-Identifier: Apache-2.0

package linker

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
)

// The form of /etc/ld.so.cache since glibc 2.2. Older programs' form may come before it. Strings are found by their
// distance from this header.
const (
	cacheMagic  = "glibc-ld.so.cache1.1"
	cacheHeader = 48
	entrySize   = 24
	maxEntries  = 1 << 17
)

// flags of libraries for this kind of processor, and glibc.
var abi = map[string]uint32{"amd64": 0x0303, "arm64": 0x0a03}[runtime.GOARCH]

// parseCache returns the paths of libraries by their names, those that come first first.
func parseCache(b []byte) (map[string][]string, error) {
	at := bytes.Index(b, []byte(cacheMagic))
	if at < 0 || len(b)-at < cacheHeader {
		return nil, fmt.Errorf("read the dynamic linker's cache: its form is unknown")
	}
	b = b[at:]
	le := binary.LittleEndian
	n := le.Uint32(b[len(cacheMagic):])
	if n > maxEntries || int(n)*entrySize > len(b)-cacheHeader {
		return nil, fmt.Errorf("read the dynamic linker's cache: %d entries in %d bytes", n, len(b))
	}
	libraries := map[string][]string{}
	for i := range int(n) {
		e := b[cacheHeader+i*entrySize:]
		if le.Uint32(e) != abi || le.Uint64(e[16:]) != 0 {
			continue
		}
		name, path := stringAt(b, le.Uint32(e[4:])), stringAt(b, le.Uint32(e[8:]))
		if name != "" && path != "" {
			libraries[name] = append(libraries[name], path)
		}
	}
	return libraries, nil
}

func stringAt(b []byte, offset uint32) string {
	if uint64(offset) >= uint64(len(b)) {
		return ""
	}
	s, _, ok := bytes.Cut(b[offset:], []byte{0})
	if !ok {
		return ""
	}
	return string(s)
}
