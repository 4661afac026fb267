// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"reflect"
	"strings"
	"testing"
)

func TestHelloRoundTrip(t *testing.T) {
	t.Parallel()
	want := Hello{Version: Version, Spec: 1 << 63, PID: 42, VGPUs: 2, GMemMiB: 256, Ratio: 50, Cross: true, Carrier: CarrierDevice,
		Base: DefaultBase, Program: "python3", Host: "vm-1", Release: "0.1.0", Proof: [ProofBytes]byte{0: 1, 31: 2},
		Order: [MaxDevices]byte{2, 1, 15: 16}}
	b, err := want.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var got Hello
	if err := got.UnmarshalBinary(b); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestWelcomeRoundTrip(t *testing.T) {
	t.Parallel()
	want := Welcome{Version: 7, Spec: 9, Status: 100, Devices: 3, Size: MinRegionSize, Base: DefaultBase, Offset: 3 << 20,
		Session: "s-1", Message: "no vGPU is free", Release: "0.1.0"}
	b, _ := want.MarshalBinary()
	var got Welcome
	if err := got.UnmarshalBinary(b); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestOverlongStringsAreCut(t *testing.T) {
	t.Parallel()
	w := Welcome{Message: strings.Repeat("x", 1000)}
	b, _ := w.MarshalBinary()
	var got Welcome
	if err := got.UnmarshalBinary(b); err != nil || len(got.Message) != WelcomeMsgBytes-1 {
		t.Errorf("message of %d bytes, %v; want %d", len(got.Message), err, WelcomeMsgBytes-1)
	}
}

func FuzzHello(f *testing.F) {
	f.Add(make([]byte, HelloSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		var h Hello
		if h.UnmarshalBinary(b) != nil {
			return
		}
		again, _ := h.MarshalBinary()
		var g Hello
		if err := g.UnmarshalBinary(again); err != nil || !reflect.DeepEqual(g, h) {
			t.Fatalf("decoded %+v, encoded and decoded again %+v, %v", h, g, err)
		}
	})
}
