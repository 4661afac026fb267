// SPDX-License-Identifier: Apache-2.0

package carry

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Kind says what a frame does.
type Kind uint8

// The kinds of frames. Offsets are those in the region.
const (
	Memory   Kind = 1 + iota // stores the payload at offset argument
	Word                     // stores the payload, 4 or 8 bytes, at offset argument in one access
	Commands                 // appends the payload to the ring; with argument 1 the next frame goes on with a command
	Filler                   // leads the ring back to its start over argument bytes
	Share                    // begins to keep twins of the memory at offset argument; the payload is its size, u64
	Patch                    // brings what has changed in shared memory near offset argument; see package twin
	Written                  // the memory that the cast numbered by the argument writes has come
	Ping                     // says that this side lives
	End                      // the session has ended: the argument is a CUresult, the payload the reason
	kinds
)

// Sizes in bytes.
const (
	HeaderSize = 16
	// MaxPayload is small enough for answers to pass between the pieces of a large copy.
	MaxPayload = 256 << 10

	bufferSize = 16 << 10 // of what is small; most of a large payload goes around it, uncopied
)

// Header is a frame without its payload.
type Header struct {
	Kind   Kind
	Length uint32
	Arg    uint64
}

var errUnknown = errors.New("read frame: the peer does not speak this protocol")

func (h *Header) decode(b []byte) error {
	le := binary.LittleEndian
	*h = Header{Kind(b[0]), le.Uint32(b[4:]), le.Uint64(b[8:])}
	if h.Kind == 0 || h.Kind >= kinds || b[1]|b[2]|b[3] != 0 || h.Length > MaxPayload {
		return fmt.Errorf("%w: kind %d, %d bytes", errUnknown, h.Kind, h.Length)
	}
	return nil
}

// Reader reads frames. It belongs to one goroutine.
type Reader struct {
	r      *bufio.Reader
	header [HeaderSize]byte
	buffer []byte
	left   uint32 // of the frame's payload
}

// NewReader returns a reader of frames from r.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, bufferSize), buffer: make([]byte, MaxPayload)}
}

// Next returns the next frame's header. A payload that was not taken is passed over.
func (r *Reader) Next() (h Header, err error) {
	if r.left > 0 {
		if _, err := r.r.Discard(int(r.left)); err != nil {
			return h, err
		}
	}
	if _, err := io.ReadFull(r.r, r.header[:]); err != nil {
		return h, err
	}
	if err := h.decode(r.header[:]); err != nil {
		return h, err
	}
	r.left = h.Length
	return h, nil
}

// Payload returns the frame's payload, which is valid until the next call.
func (r *Reader) Payload() ([]byte, error) {
	b := r.buffer[:r.left]
	return b, r.Into(b)
}

// Into reads the frame's payload into b, which is of its length.
func (r *Reader) Into(b []byte) error {
	r.left = 0
	_, err := io.ReadFull(r.r, b)
	return err
}

// Writer writes frames. It belongs to one goroutine, which checks Flush: an error of a write is kept for it.
type Writer struct {
	w      *bufio.Writer
	header [HeaderSize]byte
	err    error
}

// NewWriter returns a writer of frames to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: bufio.NewWriterSize(w, bufferSize)} }

// Frame writes one frame.
func (w *Writer) Frame(kind Kind, arg uint64, payload []byte) {
	if w.err != nil {
		return
	}
	le := binary.LittleEndian
	w.header[0] = byte(kind)
	le.PutUint32(w.header[4:], uint32(len(payload)))
	le.PutUint64(w.header[8:], arg)
	if _, w.err = w.w.Write(w.header[:]); w.err == nil {
		_, w.err = w.w.Write(payload)
	}
}

// Memory writes b as frames of kind Memory, from offset on.
func (w *Writer) Memory(offset uint64, b []byte) {
	for len(b) > 0 {
		n := min(len(b), MaxPayload)
		w.Frame(Memory, offset, b[:n])
		offset, b = offset+uint64(n), b[n:]
	}
}

// Word32 and Word64 write a frame of kind Word.
func (w *Writer) Word32(offset uint64, v uint32) {
	w.Frame(Word, offset, binary.LittleEndian.AppendUint32(nil, v))
}

// Word64 is Word32 for 8 bytes.
func (w *Writer) Word64(offset, v uint64) {
	w.Frame(Word, offset, binary.LittleEndian.AppendUint64(nil, v))
}

// Commands writes whole commands for the ring.
func (w *Writer) Commands(b []byte) {
	for len(b) > MaxPayload {
		w.Frame(Commands, 1, b[:MaxPayload])
		b = b[MaxPayload:]
	}
	if len(b) > 0 {
		w.Frame(Commands, 0, b)
	}
}

// Share writes a frame of kind Share.
func (w *Writer) Share(offset, n uint64) {
	w.Frame(Share, offset, binary.LittleEndian.AppendUint64(nil, n))
}

// Pending says whether frames wait for Flush.
func (w *Writer) Pending() bool { return w.w.Buffered() > 0 || w.err != nil }

// Flush sends what was written.
func (w *Writer) Flush() error {
	if w.err == nil {
		w.err = w.w.Flush()
	}
	return w.err
}
