package wire

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// closed is the body of a request that was closed before it was read.
type closed struct{}

func (closed) Read([]byte) (int, error) { return 0, http.ErrBodyReadAfterClose }

// framework is a body that came through an adapter.
type framework struct{ io.Reader }

func (framework) Close() error         { return nil }
func (framework) ConsumedHint() string { return "look for c.Bind" }
func (framework) PathProject() string  { return "of the route" }

// silent is an error without a text.
type silent struct{}

func (silent) Error() string { panic("no text") }

func TestABodyThatCannotBeReadSaysWhy(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	for _, c := range []struct {
		name   string
		body   io.Reader
		length int64
		want   error
		cause  error
		text   string
	}{
		{"more is announced than allowed", strings.NewReader("x"), 101, ErrBodyTooLarge, nil, "101 bytes announced, 100 allowed"},
		{"more arrives than allowed", strings.NewReader(strings.Repeat("x", 101)), -1, ErrBodyTooLarge, nil, "more than the limit"},
		{"more than a limit before", http.MaxBytesReader(nil, io.NopCloser(strings.NewReader("xxxx")), 3), 4, ErrBodyTooLarge, nil, "a limit before the receiver"},
		{"it was read", strings.NewReader(""), 20, ErrBodyConsumed, nil, "0 of 20 bytes were left; look for middleware"},
		{"half of it was read", strings.NewReader("0123456789"), 20, ErrBodyConsumed, nil, "10 of 20 bytes were left"},
		{"it was read, of unknown length", strings.NewReader(""), -1, ErrBodyConsumed, nil, "0 of -1 bytes"},
		{"it was read in a framework", framework{strings.NewReader("")}, 20, ErrBodyConsumed, nil, "look for c.Bind"},
		{"it was closed", closed{}, 20, ErrBodyConsumed, nil, "it was closed"},
		{"the connection broke", io.MultiReader(strings.NewReader("xx"), iotest.ErrReader(broken)), 20, ErrBodyUnreadable, broken, "after 2 bytes: connection reset"},
		{"an error without a text", iotest.ErrReader(silent{}), 20, ErrBodyUnreadable, silent{}, "whose Error panics: no text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			body, ok := c.body.(io.ReadCloser)
			if !ok {
				body = io.NopCloser(c.body)
			}
			_, pooled, err := ReadRequest(&http.Request{Body: body, ContentLength: c.length}, 100)
			defer pooled.Release()
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.text)
			if c.cause != nil {
				require.ErrorIs(t, err, c.cause)
			}
		})
	}
}

func TestAWholeBodyIsRead(t *testing.T) {
	t.Parallel()
	for _, length := range []int64{-1, 100} {
		sent := strings.Repeat("x", 100)
		body, pooled, err := ReadRequest(&http.Request{Body: io.NopCloser(strings.NewReader(sent)), ContentLength: length}, 100)
		require.NoError(t, err)
		require.Equal(t, sent, string(body))
		pooled.Release()
	}
	body, pooled, err := ReadRequest(&http.Request{}, 100)
	require.NoError(t, err)
	require.Empty(t, body)
	require.Nil(t, pooled)
}

func TestTheProjectIsThatOfThePath(t *testing.T) {
	t.Parallel()
	req := &http.Request{Body: http.NoBody}
	require.Empty(t, PathProject(req))
	req.SetPathValue("project", "of the pattern")
	require.Equal(t, "of the pattern", PathProject(req))
	req.Body = framework{}
	require.Equal(t, "of the route", PathProject(req))
}

func TestNamesOfAHeaderAreSpelledAsNetHTTPDoes(t *testing.T) {
	t.Parallel()
	spelled := http.Header{"Sonzai-Signature": {"a"}, "Content-Type": {"b"}}
	require.Equal(t, spelled, CanonicalHeader(spelled))
	header := CanonicalHeader(http.Header{"sonzai-signature": {"a"}, "CONTENT-TYPE": {"b"}})
	require.Equal(t, spelled, header)
	header = CanonicalHeader(http.Header{"x-a": {"1"}, "X-A": {"2"}})
	require.ElementsMatch(t, []string{"1", "2"}, header["X-A"])
}
