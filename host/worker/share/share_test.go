// SPDX-License-Identifier: Apache-2.0

package share

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/driver"
)

func file(t *testing.T, text string) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("share-test", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "memory")
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFetch(t *testing.T) {
	t.Parallel()
	var g Giver
	defer g.Close()
	plain, err := g.Offer(1, func() (driver.Shared, error) { return driver.Shared{Data: []byte("memory")}, nil })
	if err != nil {
		t.Fatal(err)
	}
	withFile, _ := g.Offer(2, func() (driver.Shared, error) {
		return driver.Shared{Data: []byte("block"), File: file(t, "content")}, nil
	})
	broken, _ := g.Offer(3, func() (driver.Shared, error) { return driver.Shared{}, errors.New("no") })
	for range 3 {
		s, err := Fetch(plain)
		if err != nil || string(s.Data) != "memory" || s.File != nil {
			t.Fatalf("Fetch = %q %v, %v", s.Data, s.File, err)
		}
	}
	s, err := Fetch(withFile)
	if err != nil || string(s.Data) != "block" || s.File == nil {
		t.Fatalf("Fetch = %q %v, %v", s.Data, s.File, err)
	}
	defer s.Close()
	b, err := io.ReadAll(io.NewSectionReader(s.File, 0, 100))
	if err != nil || string(b) != "content" {
		t.Errorf("the file holds %q, %v", b, err)
	}
	if flags, err := unix.FcntlInt(s.File.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Error("the file is inherited by programs that are started")
	}
	other := plain
	other[30] ^= 1
	kind := plain
	kind[40] = 2
	nowhere := plain
	nowhere[10] ^= 1
	for name, token := range map[string]Token{"broken": broken, "guessed": other, "of another kind": kind, "of nobody": nowhere, "empty": {}} {
		if _, err := Fetch(token); !errors.Is(err, ErrUnknown) {
			t.Errorf("a token that is %s gives %v", name, err)
		}
	}
	g.Withdraw(plain)
	if _, err := Fetch(plain); !errors.Is(err, ErrUnknown) {
		t.Errorf("what was withdrawn gives %v", err)
	}
}

// TestNonsense: who sends something else gets nothing, and does not keep others from getting theirs.
func TestNonsense(t *testing.T) {
	t.Parallel()
	var g Giver
	defer g.Close()
	token, err := g.Offer(1, func() (driver.Shared, error) { return driver.Shared{Data: []byte("x")}, nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "short", string(make([]byte, 300))} {
		c, err := net.Dial("unixpacket", token.socket())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte(text))
		if text == "" {
			c.Close()
			continue
		}
		b := make([]byte, 10)
		if n, err := c.Read(b); n > 0 || err == nil {
			t.Errorf("%q is answered with %q", text, b[:n])
		}
		c.Close()
	}
	if _, err := Fetch(token); err != nil {
		t.Error(err)
	}
}

func TestCloseEndsOffers(t *testing.T) {
	t.Parallel()
	var g Giver
	token, err := g.Offer(1, func() (driver.Shared, error) { return driver.Shared{}, nil })
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
	if _, err := Fetch(token); !errors.Is(err, ErrUnknown) {
		t.Errorf("after Close, Fetch gives %v", err)
	}
}
