package simulator_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/simulator"
)

// received is a delivery as it reached the receiver.
type received struct {
	at     time.Time
	url    string
	header http.Header
	body   string
}

// receiver stands where the network is, so that a test needs none. It answers
// the statuses in turn, the last one from then on; 0 is a failed connection.
type receiver struct {
	mu       sync.Mutex
	statuses []int
	got      []received
}

func answering(statuses ...int) *receiver { return &receiver{statuses: statuses} }

func (r *receiver) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, received{time.Now(), request.URL.String(), request.Header.Clone(), string(body)})
	status := r.statuses[min(len(r.got), len(r.statuses))-1]
	if status == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"code":"x"}`)),
	}, nil
}

func (r *receiver) deliveries() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.got...)
}

// start returns a simulator that delivers to the receiver.
func start(t *testing.T, r http.RoundTripper, opts ...simulator.Option) *simulator.Simulator {
	t.Helper()
	sim, err := simulator.New(append([]simulator.Option{
		simulator.WithHTTPClient(&http.Client{Transport: r})}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(sim.Close)
	return sim
}

// call makes a call of the API and returns its answer.
func call(t *testing.T, h http.Handler, method, path, body string) (int, map[string]any) {
	t.Helper()
	request := httptest.NewRequest(method, simulator.BasePath+path, strings.NewReader(body))
	request.Header.Set("Authorization", "Bearer "+simulator.DefaultAPIKey)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, request)
	answer := map[string]any{}
	if recorder.Body.Len() > 0 {
		require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &answer), recorder.Body.String())
	}
	return recorder.Code, answer
}

// register registers a URL for an event type and returns its secret.
func register(t *testing.T, h http.Handler, eventType string) string {
	t.Helper()
	status, answer := call(t, h, "PUT", "/webhooks/"+eventType,
		`{"webhook_url":"https://receiver.example/hook","auth_header":"Bearer mine"}`)
	require.Equal(t, 200, status, answer)
	secret, _ := answer["signing_secret"].(string)
	return secret
}

func rotate(t *testing.T, h http.Handler, eventType string) string {
	t.Helper()
	status, answer := call(t, h, "POST", "/webhooks/"+eventType+"/rotate-secret", "")
	require.Equal(t, 200, status, answer)
	return answer["signing_secret"].(string)
}

func emit(t *testing.T, sim *simulator.Simulator, e simulator.Event) string {
	t.Helper()
	id, err := sim.Emit(t.Context(), e)
	require.NoError(t, err)
	return id
}

func wait(t *testing.T, sim *simulator.Simulator) {
	t.Helper()
	require.NoError(t, sim.Wait(t.Context()))
}
