package wire

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// arriving is a body that arrives a few bytes at a time.
type arriving struct {
	left, step, most int
}

func (a *arriving) Read(p []byte) (int, error) {
	a.most = max(a.most, len(p))
	n := min(a.left, a.step, len(p))
	if a.left -= n; a.left == 0 {
		return n, io.EOF
	}
	return n, nil
}

func TestBufferOfABodyGrowsWithWhatArrives(t *testing.T) { // not parallel: the pools are shared
	for _, c := range []struct {
		name                  string
		arrives               int
		limit, announced      int64
		length, capacity, ask int
	}{
		{"short and announced", 400, 1 << 20, 400, 400, 0, 401},
		{"empty", 0, 1 << 20, 0, 0, 0, 1},
		{"longer", 10_000, 1 << 20, 10_000, 10_000, smallBuffer, smallBuffer},
		{"large and announced", 256 << 10, 1 << 20, 256 << 10, 256 << 10, 262_145, 131_073},
		{"less than announced", 100, 1 << 20, 1 << 19, 100, smallBuffer, smallBuffer},
		{"chunked", 400, 1 << 20, -1, 400, smallBuffer, smallBuffer},
		{"large and chunked", 100 << 10, 1 << 20, -1, 100 << 10, 128 << 10, 64 << 10},
		{"over the limit", 2000, 1001, -1, 1001, smallBuffer, 1001},
		{"short and over the limit", 2000, 1001, 1500, 1001, 0, 1001},
		{"more than announced", 20_000, 1 << 20, 10, 20_000, 32 << 10, smallBuffer},
	} {
		for largeBuffers.Get() != nil { // what other tests left there would be used
		}
		from := &arriving{left: c.arrives, step: 1 << 20}
		body, pooled, err := Read(from, c.limit, c.announced)
		require.NoError(t, err)
		require.Len(t, body, c.length, c.name)
		require.Equal(t, c.ask, from.most, c.name)
		if c.capacity == 0 {
			require.Nil(t, pooled, c.name)
			continue
		}
		require.Equal(t, c.capacity, cap(pooled.bytes), c.name)
	}
	slow := &arriving{left: 64 << 10, step: 100}
	body, _, err := Read(slow, 1<<20, 64<<10)
	require.NoError(t, err)
	require.Len(t, body, 64<<10)
}
