package inspector

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

func TestWhatIsSentIsKeptWithItsAnswer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(receiver(t))
	i := New(nil)
	client := &http.Client{Transport: i.Transport(nil)}
	send := func(body []byte, options ...hooktest.Option) string {
		made := hooktest.NewRequest(t, body, options...)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/hook?token=x", made.Body)
		require.NoError(t, err)
		req.Header = made.Header
		answer, err := client.Do(req)
		if err != nil {
			return ""
		}
		defer func() { require.NoError(t, answer.Body.Close()) }()
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return string(text)
	}
	require.JSONEq(t, `{"code":"processed"}`, send(message(t, 3)))
	send(message(t, 3))
	send(message(t, 3), hooktest.Tampered())
	server.Close()
	require.Empty(t, send(message(t, 4)))
	codes, tones := []string{}, []string{}
	for _, r := range i.shelf.all() {
		codes, tones = append(codes, r.code()), append(tones, r.tone())
		require.NotContains(t, r.path, "token")
	}
	require.Equal(t, []string{"no answer", "unauthorized", "duplicate", "processed"}, codes)
	require.Equal(t, []string{"bad", "bad", "quiet", "good"}, tones)
	require.Equal(t, refused, i.shelf.get(3).kind())
	require.Equal(t, message(t, 3), i.shelf.get(1).body)
	require.Contains(t, i.unplayable(i.shelf.get(1)), "sent from here")
	copies, _ := i.copies(i.shelf.get(1))
	require.Len(t, copies, 2)
	require.Zero(t, i.flying.Load())
	for n := range 4 {
		req := httptest.NewRequest(http.MethodGet, "http://localhost/deliveries/"+string(rune('1'+n)), nil)
		req.RemoteAddr = "127.0.0.1:1"
		w := httptest.NewRecorder()
		i.Handler().ServeHTTP(w, req)
		require.Equal(t, http.StatusOK, w.Code)
		require.Contains(t, w.Body.String(), "sent")
	}
}

func TestASampleHappensAtTheSimulatedPlatform(t *testing.T) {
	t.Parallel()
	var emitted []byte
	i := New(nil, WithEmit(func(_ context.Context, body []byte) error {
		if bytes.Contains(body, []byte("nobody")) {
			return errors.New("nobody is registered")
		}
		emitted = bytes.Clone(body)
		return nil
	}))
	send := func(form url.Values) *httptest.ResponseRecorder {
		req := httptest.NewRequest(http.MethodPost, "http://localhost/send", strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.RemoteAddr = "127.0.0.1:1"
		w := httptest.NewRecorder()
		i.Handler().ServeHTTP(w, req)
		return w
	}
	answer := send(url.Values{"type": {string(sonzaihook.EventMessage)}, "field.user_id": {"u1"}})
	require.Equal(t, http.StatusSeeOther, answer.Code)
	require.Equal(t, "./", answer.Header().Get("Location"))
	require.Contains(t, string(emitted), `"user_id":"u1"`)
	answer = send(url.Values{"type": {string(sonzaihook.EventMessage)}, "field.user_id": {"nobody"}})
	require.Equal(t, http.StatusUnprocessableEntity, answer.Code)
	require.Contains(t, answer.Body.String(), "nobody is registered")
}
