package simulator_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/simulator"
)

// arrivals are the ids of the events in the order in which they arrived, with
// the time since the start.
func arrivals(r *receiver, began time.Time) (ids []string, at []time.Duration) {
	for _, d := range r.deliveries() {
		i := strings.Index(d.body, "evt_")
		ids = append(ids, d.body[i:i+5])
		at = append(at, d.at.Sub(began))
	}
	return ids, at
}

func TestDeliveriesMisbehaveAsTold(t *testing.T) {
	t.Parallel()
	const s = time.Second
	tests := map[string]struct {
		fault simulator.DeliveryFault
		ids   []string
		at    []time.Duration
		codes []int
	}{
		"not at all": {
			simulator.DeliveryFault{EventType: "another", Drop: true},
			[]string{"evt_0", "evt_1"}, []time.Duration{0, 0}, []int{200, 200}},
		"slow": {
			simulator.DeliveryFault{Times: 1, Delay: 3 * s},
			[]string{"evt_0", "evt_1"}, []time.Duration{3 * s, 3 * s}, []int{200, 200}},
		"twice": {
			simulator.DeliveryFault{Times: 1, Duplicates: 1},
			[]string{"evt_0", "evt_0", "evt_1"}, []time.Duration{0, 0, 0}, []int{200, 200, 200}},
		"each twice": {
			simulator.DeliveryFault{Duplicates: 1},
			[]string{"evt_0", "evt_0", "evt_1", "evt_1"}, []time.Duration{0, 0, 0, 0}, []int{200, 200, 200, 200}},
		"out of order": {
			simulator.DeliveryFault{Times: 1, HoldBack: true},
			[]string{"evt_1", "evt_0"}, []time.Duration{0, 0}, []int{200, 200}},
		"all held back": {
			simulator.DeliveryFault{HoldBack: true},
			[]string{"evt_0", "evt_1"}, []time.Duration{s, s}, []int{200, 200}},
		"lost on the way": {
			simulator.DeliveryFault{Times: 1, Drop: true},
			[]string{"evt_1", "evt_0"}, []time.Duration{0, s}, []int{0, 200, 200}},
		"lost on the way back": {
			simulator.DeliveryFault{Times: 1, DropAnswer: true},
			[]string{"evt_0", "evt_1", "evt_0"}, []time.Duration{0, 0, s}, []int{0, 200, 200}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := answering(200)
				sim := start(t, r, simulator.WithWorkers(1))
				register(t, sim, mood)
				require.NoError(t, sim.MisbehaveDeliveries(test.fault))
				began := time.Now()
				emit(t, sim, simulator.Event{Type: mood, ID: "evt_0"})
				emit(t, sim, simulator.Event{Type: mood, ID: "evt_1"})
				wait(t, sim)
				ids, at := arrivals(r, began)
				require.ElementsMatch(t, test.ids, ids)
				if test.fault.Duplicates == 0 {
					require.Equal(t, test.ids, ids)
				}
				require.Equal(t, test.at, at)
				var codes []int
				for _, a := range sim.Attempts("", mood) {
					codes = append(codes, a.Code)
				}
				require.Equal(t, test.codes, codes)
				require.Zero(t, sim.Stats().Failed)
				require.Zero(t, sim.Stats().Pending)
			})
		})
	}
}

func TestAFaultWithoutACountLastsUntilBehave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := answering(200)
		sim := start(t, r)
		register(t, sim, mood)
		require.NoError(t, sim.MisbehaveDeliveries(simulator.DeliveryFault{Drop: true}))
		require.NoError(t, sim.MisbehaveCalls(simulator.CallFault{Status: 503}))
		emit(t, sim, simulator.Event{Type: mood})
		time.Sleep(2 * time.Second)
		require.Empty(t, r.deliveries())
		for range 3 {
			status, _ := call(t, sim, "GET", "/webhooks", "")
			require.Equal(t, 503, status)
		}
		sim.Behave()
		wait(t, sim)
		require.Len(t, r.deliveries(), 1)
		status, _ := call(t, sim, "GET", "/webhooks", "")
		require.Equal(t, 200, status)
	})
}

func TestCallsMisbehaveAsTold(t *testing.T) {
	t.Parallel()
	sim := start(t, answering(200))
	server := httptest.NewServer(sim)
	defer server.Close()
	send := func(method, path, body string) (*http.Response, string, error) {
		request, err := http.NewRequestWithContext(t.Context(), method, server.URL+simulator.BasePath+path, strings.NewReader(body))
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+simulator.DefaultAPIKey)
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			return nil, "", err
		}
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		return response, string(answer), err
	}
	const list, put = "GET /webhooks", "PUT /webhooks/{eventType}"

	require.NoError(t, sim.MisbehaveCalls(simulator.CallFault{Call: list, Times: 2, Status: 429, RetryAfter: 1500 * time.Millisecond}))
	for _, want := range []int{429, 429, 200} {
		response, _, err := send("GET", "/webhooks", "")
		require.NoError(t, err)
		require.Equal(t, want, response.StatusCode)
		if want == 429 {
			require.Equal(t, "2", response.Header.Get("Retry-After"))
			require.Equal(t, "application/problem+json", response.Header.Get("Content-Type"))
		}
	}
	require.NoError(t, sim.MisbehaveCalls(simulator.CallFault{Call: list, Times: 1, HTML: true}))
	response, page, err := send("GET", "/webhooks", "")
	require.NoError(t, err)
	require.Equal(t, 200, response.StatusCode)
	require.Contains(t, page, "<title>")

	require.NoError(t, sim.MisbehaveCalls(simulator.CallFault{Call: put, Times: 1, Drop: true}))
	_, _, err = send("PUT", "/webhooks/x", `{"webhook_url":"https://me.example"}`)
	require.Error(t, err)
	_, answer, err := send("GET", "/webhooks", "")
	require.NoError(t, err)
	require.JSONEq(t, `{"webhooks":[]}`, answer, "a dropped call does nothing")

	require.NoError(t, sim.MisbehaveCalls(simulator.CallFault{Call: put, Times: 1, DropAnswer: true}))
	_, _, err = send("PUT", "/webhooks/x", `{"webhook_url":"https://me.example"}`)
	require.Error(t, err)
	_, answer, err = send("GET", "/webhooks", "")
	require.NoError(t, err)
	require.Contains(t, answer, "https://me.example", "a dropped answer leaves what was done")
}

func TestASlowCallIsAnsweredLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := start(t, answering(200))
		require.NoError(t, sim.MisbehaveCalls(simulator.CallFault{Times: 1, Delay: time.Minute}))
		began := time.Now()
		status, _ := call(t, sim, "GET", "/webhooks", "")
		require.Equal(t, 200, status)
		require.Equal(t, time.Minute, time.Since(began))
	})
}

func TestAFaultThatDoesNothingIsRefused(t *testing.T) {
	t.Parallel()
	sim := start(t, answering(200))
	require.ErrorIs(t, sim.MisbehaveDeliveries(simulator.DeliveryFault{Times: 1}), simulator.ErrInvalidFault)
	for _, fault := range []simulator.CallFault{
		{}, {Call: "GET /nothing", Drop: true}, {Status: 200}, {Status: 600}, {RetryAfter: time.Second},
	} {
		require.ErrorIs(t, sim.MisbehaveCalls(fault), simulator.ErrInvalidFault)
	}
}
