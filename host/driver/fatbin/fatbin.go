// SPDX-License-Identifier: Apache-2.0

// Package fatbin finds the PTX and code in what programs hand to the driver as a module image: a fatbin container,
// PTX text, or an ELF, which holds machine code of a real GPU only.
package fatbin

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

const (
	magic      = 0xBA55ED50
	headerSize = 16
	entrySize  = 64
	kindPTX    = 1
	kindELF    = 2
	flagLZ4    = 0x2000
	flagZstd   = 0x8000
	maxText    = 1 << 30
)

var (
	// ErrNoPTX means that an image is whole but holds nothing except machine code, or PTX for newer GPUs.
	ErrNoPTX = errors.New("the image holds machine code of a real GPU but no PTX that this GPU can run: build with -gencode arch=compute_60,code=compute_60")
	// ErrFormat means that an image is damaged or of no known kind.
	ErrFormat = errors.New("not a fatbin, an ELF or PTX")
)

// entry is one image within a container.
type entry struct {
	kind         uint16
	sm           uint32
	flags        uint64
	payload      []byte
	uncompressed uint64
}

// PTX returns the PTX text for a GPU of the given compute capability, 90 for 9.0: of several the newest that
// the GPU can run. Errors match ErrNoPTX or ErrFormat.
func PTX(image []byte, capability int) (string, error) {
	switch {
	case len(image) >= 4 && binary.LittleEndian.Uint32(image) == magic:
		return fromContainers(image, capability)
	case bytes.HasPrefix(image, []byte("\x7fELF")):
		return "", ErrNoPTX
	}
	text, _, _ := bytes.Cut(image, []byte{0})
	if bytes.Contains(text[:min(len(text), 1<<16)], []byte(".version")) {
		return string(text), nil
	}
	return "", ErrFormat
}

// Code returns the machine code for a GPU of the given compute capability, or nil and the PTX to make it of. Errors
// match ErrNoPTX or ErrFormat.
func Code(image []byte, capability int) (elf []byte, text string, err error) {
	if bytes.HasPrefix(image, []byte("\x7fELF")) {
		return image, "", nil
	}
	if len(image) >= 4 && binary.LittleEndian.Uint32(image) == magic {
		best, err := newest(image, isCodeFor(capability))
		if err != nil {
			return nil, "", err
		}
		if best != nil {
			elf, err := best.data()
			return elf, "", err
		}
	}
	text, err = PTX(image, capability)
	return nil, text, err
}

// fromContainers looks through containers that follow one another.
func fromContainers(image []byte, capability int) (string, error) {
	best, err := newest(image, isTextFor(capability))
	if err != nil {
		return "", err
	}
	if best == nil {
		return "", ErrNoPTX
	}
	return best.text()
}

// isCodeFor says which entries have code for a GPU: it runs on GPUs of its own major capability, from its minor one on.
func isCodeFor(capability int) func(*entry) bool {
	return func(e *entry) bool {
		return e.kind == kindELF && int(e.sm) <= capability && int(e.sm)/10 == capability/10
	}
}

// isTextFor says which entries have PTX that can be translated for a GPU.
func isTextFor(capability int) func(*entry) bool {
	return func(e *entry) bool { return e.kind == kindPTX && int(e.sm) <= capability }
}

// newest is the entry for the newest GPUs of those that fit, nil if none does.
func newest(image []byte, fits func(*entry) bool) (*entry, error) {
	var best *entry
	for len(image) >= headerSize && binary.LittleEndian.Uint32(image) == magic {
		n, err := containerSize(image)
		if err != nil {
			return nil, err
		}
		entries, err := list(image[binary.LittleEndian.Uint16(image[6:]):n])
		if err != nil {
			return nil, err
		}
		for i := range entries {
			if e := &entries[i]; fits(e) && (best == nil || e.sm > best.sm) {
				best = e
			}
		}
		image = image[n:]
	}
	return best, nil
}

// containerSize is the size of the container that an image begins with, its header included.
func containerSize(image []byte) (int, error) {
	header := int(binary.LittleEndian.Uint16(image[6:]))
	size := binary.LittleEndian.Uint64(image[8:])
	if header < headerSize || header > len(image) || size > uint64(len(image)-header) {
		return 0, fmt.Errorf("%w: container of %d bytes in an image of %d", ErrFormat, size, len(image))
	}
	return header + int(size), nil
}

func list(b []byte) ([]entry, error) {
	var entries []entry
	for len(b) >= entrySize {
		le := binary.LittleEndian
		header, padded := uint64(le.Uint32(b[4:])), le.Uint64(b[8:])
		if header < entrySize || header > uint64(len(b)) || padded > uint64(len(b))-header {
			return nil, fmt.Errorf("%w: entry of %d bytes in %d", ErrFormat, padded, len(b))
		}
		e := entry{kind: le.Uint16(b), sm: le.Uint32(b[28:]), flags: le.Uint64(b[40:]),
			uncompressed: le.Uint64(b[56:]), payload: b[header : header+padded]}
		if n := uint64(le.Uint32(b[16:])); n > 0 && n <= padded && e.flags&(flagLZ4|flagZstd) != 0 {
			e.payload = e.payload[:n]
		}
		entries = append(entries, e)
		b = b[header+padded:]
	}
	return entries, nil
}

// text is an entry's PTX.
func (e *entry) text() (string, error) {
	out, err := e.data()
	text, _, _ := bytes.Cut(out, []byte{0})
	return string(text), err
}

// data is an entry's content, decompressed.
func (e *entry) data() ([]byte, error) {
	out := e.payload
	var err error
	switch {
	case e.flags&(flagLZ4|flagZstd) != 0 && e.uncompressed > maxText:
		return nil, fmt.Errorf("%w: %d bytes of text", ErrFormat, e.uncompressed)
	case e.flags&flagLZ4 != 0:
		// A block expands at most 255 times, so a lie about the size costs no memory beyond that.
		if e.uncompressed > 255*uint64(len(e.payload))+64 {
			return nil, fmt.Errorf("%w: %d bytes cannot hold %d", ErrFormat, len(e.payload), e.uncompressed)
		}
		out = make([]byte, e.uncompressed)
		var n int
		n, err = lz4.UncompressBlock(e.payload, out)
		out = out[:max(n, 0)]
	case e.flags&flagZstd != 0:
		var d *zstd.Decoder
		if d, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxText)); err == nil {
			out, err = d.DecodeAll(e.payload, nil)
			d.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: decompress: %w", ErrFormat, err)
	}
	return out, nil
}
