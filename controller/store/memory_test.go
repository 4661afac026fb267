// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

func ids(t *testing.T, s Store) string {
	t.Helper()
	var out []string
	err := s.View(context.Background(), func(tx *Tx) error {
		tx.Leases(func(l Lease) { out = append(out, l.ID+l.Node) })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestMemory(t *testing.T) {
	s := NewMemory()
	failed := errors.New("failed")
	for _, c := range []struct {
		name string
		fn   func(*Tx) error
		err  error
		want string
	}{
		{"put", func(tx *Tx) error { tx.Put(Lease{ID: "1"}); tx.Put(Lease{ID: "2"}); return nil }, nil, "1 2"},
		{"replace", func(tx *Tx) error { tx.Put(Lease{ID: "1", Node: "a"}); return nil }, nil, "1a 2"},
		{"a failure changes nothing", func(tx *Tx) error { tx.Delete("1"); tx.Put(Lease{ID: "3"}); return failed }, failed, "1a 2"},
		{"delete", func(tx *Tx) error { tx.Delete("1"); tx.Delete("9"); return nil }, nil, "2"},
		{"put and delete", func(tx *Tx) error { tx.Put(Lease{ID: "3"}); tx.Delete("3"); return nil }, nil, "2"},
		{"delete and put", func(tx *Tx) error { tx.Delete("2"); tx.Put(Lease{ID: "2", Node: "b"}); return nil }, nil, "2b"},
		{"delete while listing", func(tx *Tx) error {
			tx.Put(Lease{ID: "4"})
			tx.Leases(func(l Lease) { tx.Delete(l.ID) })
			return nil
		}, nil, ""},
	} {
		if err := s.Update(context.Background(), c.fn); err != c.err {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := ids(t, s); got != c.want {
			t.Errorf("%s: leases are %q, want %q", c.name, got, c.want)
		}
	}
}

func TestTxSeesItself(t *testing.T) {
	s := NewMemory()
	err := s.Update(context.Background(), func(tx *Tx) error {
		tx.Put(Lease{ID: "1", Node: "a"})
		if l, ok := tx.Get("1"); !ok || l.Node != "a" {
			t.Errorf("got %v, %v", l, ok)
		}
		tx.Delete("1")
		if _, ok := tx.Get("1"); ok {
			t.Error("a deleted lease is there")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(t, s); got != "" {
		t.Errorf("leases are %q", got)
	}
}
