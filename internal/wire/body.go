package wire

import (
	"io"
	"sync"
)

// A short body is read into memory that callbacks may keep. A longer one is read
// into a pooled buffer and copied once it is authentic, so that forged ones make no
// garbage.

const (
	// maxEmptyReads bounds a reader that returns neither bytes nor an error.
	maxEmptyReads = 100
	// shortBody is the size up to which copying costs more than it saves.
	shortBody = 4 << 10
	// smallBuffer is what a connection gets first, whatever length it announces. It
	// gets more only when it has filled that, in proportion to what it has sent.
	smallBuffer = 16 << 10
	// largestKept bounds the buffers that go back into the pool.
	largestKept = 1 << 20
)

// Buffer holds a body that is not authenticated yet.
type Buffer struct{ bytes []byte }

var (
	smallBuffers = sync.Pool{New: func() any { return &Buffer{make([]byte, 0, smallBuffer)} }}
	largeBuffers sync.Pool
)

// Release returns the memory to the pool. It does nothing for a nil buffer.
func (b *Buffer) Release() {
	if b == nil {
		return
	}
	b.bytes = b.bytes[:0]
	switch {
	case cap(b.bytes) == smallBuffer:
		smallBuffers.Put(b)
	case cap(b.bytes) <= largestKept:
		largeBuffers.Put(b)
	}
}

// Read reads until the end or until limit bytes. announced is how many bytes the
// sender says there are, or -1. If pooled is not nil, body aliases it: clone body
// before calling pooled.Release, which must be called in any case.
func Read(from io.Reader, limit, announced int64) (body []byte, pooled *Buffer, err error) {
	var over bool
	if 0 <= announced && announced <= shortBody {
		body, over, err = fill(make([]byte, 0, announced+1), from, limit)
		if over || err != nil {
			return body, nil, err
		}
	}
	pooled = smallBuffers.Get().(*Buffer)
	pooled.bytes = append(pooled.bytes, body...)
	for {
		pooled.bytes, over, err = fill(pooled.bytes, from, limit)
		if over || err != nil {
			return pooled.bytes, pooled, err
		}
		pooled = pooled.larger(announced)
	}
}

// fill reads until the buffer is full, and reports whether it reached the end or
// the limit.
func fill(b []byte, from io.Reader, limit int64) (filled []byte, over bool, err error) {
	room := int(min(int64(cap(b)), limit))
	for empty := 0; len(b) < room; {
		n, err := from.Read(b[len(b):room])
		b = b[:len(b)+n]
		if empty++; n > 0 {
			empty = 0
		} else if empty == maxEmptyReads && err == nil {
			return b, false, io.ErrNoProgress
		}
		if err == io.EOF {
			return b, true, nil
		}
		if err != nil {
			return b, false, err
		}
	}
	return b, int64(len(b)) == limit, nil
}

// larger moves what has arrived into a larger buffer.
func (b *Buffer) larger(announced int64) *Buffer {
	more, _ := largeBuffers.Get().(*Buffer)
	if arrived := len(b.bytes); more == nil || cap(more.bytes) <= arrived {
		more = &Buffer{make([]byte, 0, arrived+roomFor(int64(arrived), announced))}
	}
	more.bytes = append(more.bytes[:0], b.bytes...)
	b.Release()
	return more
}

// roomFor returns how much more to make room for: all that was announced if enough
// of it has arrived, else as much again.
func roomFor(arrived, announced int64) int {
	if rest := announced + 1 - arrived; rest > 0 {
		return int(min(rest, 7*arrived))
	}
	return int(arrived)
}
