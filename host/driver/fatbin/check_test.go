// SPDX-License-Identifier: Apache-2.0

package fatbin

import (
	"encoding/binary"
	"errors"
	"testing"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	wrapper := binary.LittleEndian.AppendUint32(nil, wrapperMagic)
	wrapper = binary.LittleEndian.AppendUint32(wrapper, 1)
	wrapper = binary.LittleEndian.AppendUint64(wrapper, 0x600000000000)
	one := container(entry{kind: kindELF, sm: 90, payload: []byte("\x7fELF....")})
	for _, c := range []struct {
		name  string
		image []byte
		sound bool
	}{
		{"nothing", nil, true},
		{"text", []byte(".version 8.0\x00"), true},
		{"a container", one, true},
		{"two containers", append(append([]byte(nil), one...), one...), true},
		{"addresses", wrapper, false},
		{"addresses, cut off", wrapper[:4], false},
		{"a container, cut off", one[:len(one)-8], false},
		{"half of a header", one[:headerSize-1], false},
		{"an entry beyond its container", append(append([]byte(nil), one[:headerSize+8]...), append([]byte{0xff, 0xff}, one[headerSize+10:]...)...), false},
	} {
		if err := Check(c.image); (err == nil) != c.sound || err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
