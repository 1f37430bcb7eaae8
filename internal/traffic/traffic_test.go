package traffic

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// server answers what it was sent, and drops the connection when that is nothing.
func server(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if len(body) == 0 {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write(body)
}

func post(h http.Handler, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/a%2Fb?c=d", strings.NewReader(body))
	r.Header.Set("X-Name", "value")
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, r)
	return recorder
}

func TestACallAndItsAnswerAreKept(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(EnvDir, dir)
	answer := post(Keep(t, http.HandlerFunc(server)), "hello")
	require.Equal(t, http.StatusCreated, answer.Code)
	require.Equal(t, "text/plain", answer.Header().Get("Content-Type"))
	require.Equal(t, "hello", answer.Body.String())
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { post(KeepWrong(t, http.HandlerFunc(server)), "") })

	calls, err := Read(dir)
	require.NoError(t, err)
	header := http.Header{"X-Name": {"value"}}
	require.Equal(t, []Call{
		{Test: t.Name(), Method: "POST", URL: "/a%2Fb?c=d", Header: header, Body: []byte("hello"), Answered: true,
			Status: 201, AnswerHeader: http.Header{"Content-Type": {"text/plain"}}, Answer: []byte("hello")},
		{Test: t.Name(), Wrong: true, Method: "POST", URL: "/a%2Fb?c=d", Header: header, Body: []byte{}},
	}, calls)
}

func TestWithoutADirectoryNothingIsKept(t *testing.T) {
	t.Setenv(EnvDir, "")
	next := http.NewServeMux()
	require.Same(t, next, Keep(t, next))
}

func TestACallThatWasHalfWrittenIsAnError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "1.jsonl"), []byte(`{"Method":"GET"}`+"\n"+`{"Meth`), 0o600))
	_, err := Read(dir)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}
