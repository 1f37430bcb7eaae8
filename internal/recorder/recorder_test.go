package recorder_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
)

func TestWhatAReceiverDoesIsRecorded(t *testing.T) {
	t.Parallel()
	errUser, errKeep := errors.New("no such agent"), errors.New("disk full")
	h := recorder.New(t, nil).HandleFunc(func(_ context.Context, n int) error {
		if n == 1 {
			return nil
		}
		return sonzaihook.Permanent(errUser)
	}).KeepDeadLetters(errKeep)
	require.Equal(t, http.StatusOK, hooktest.Deliver(t, h, hooktest.Fixture(t, sonzaihook.EventMessage)).Code)
	require.Equal(t, http.StatusUnauthorized, hooktest.Deliver(t, h, hooktest.Fixture(t, sonzaihook.EventMessage), hooktest.Stale()).Code)
	body := hooktest.Event(t, "lead.enriched", "x")
	require.Equal(t, http.StatusInternalServerError, hooktest.Deliver(t, h, body, hooktest.Set("event_id", "evt_1"), hooktest.Set("project_id", "p1")).Code)

	runs := h.Runs.All()
	require.Len(t, runs, 2)
	require.Equal(t, sonzaihook.EventMessage, runs[0].Type)
	require.Equal(t, recorder.Run{Source: sonzaihook.SourceWebhook, Type: "lead.enriched", Project: "p1", ID: "evt_1"}, runs[1])
	var codes []string
	for _, o := range h.Outcomes.All() {
		codes = append(codes, o.Code)
	}
	require.Equal(t, []string{sonzaihook.CodeProcessed, sonzaihook.CodeUnauthorized, sonzaihook.CodeFailed}, codes)
	require.Equal(t, 1, h.DeadLetters.Len())
	require.Equal(t, sonzaihook.EventType("lead.enriched"), h.DeadLetters.Last(t).Type)
	require.ErrorIs(t, h.DeadLetters.Last(t).Reason, errUser)
	require.Contains(t, h.Log.String(), "disk full")
}

func TestWaitReturnsAsSoonAsThereIsEnough(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var list recorder.List[int]
		var log recorder.Log
		var writers sync.WaitGroup
		for i := range 3 {
			writers.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				list.Add(i)
				_, _ = log.Write([]byte{byte('a' + i)})
			})
		}
		start := time.Now()
		require.Equal(t, []int{0, 1}, list.Wait(t, 2))
		require.Equal(t, time.Second, time.Since(start))
		log.Wait(t, "abc")
		require.Equal(t, 2*time.Second, time.Since(start))
		require.Equal(t, 2, list.Last(t))
		require.Len(t, list.Wait(t, 0), 3, "nothing to wait for")
		writers.Wait()
	})
}

// failing stands for the test that Wait reports to. Like that of a real one, its
// Fatal does not return.
type failing struct {
	testing.TB
	failed bool
}

func (f *failing) Helper() {}

func (f *failing) Fatal(...any) { f.failed = true; panic(f) }

func (f *failing) Fatalf(string, ...any) { f.Fatal() }

func TestWaitingInVainFailsTheTest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var list recorder.List[int]
		var log recorder.Log
		list.Add(1)
		for name, wait := range map[string]func(testing.TB){
			"items":       func(t testing.TB) { list.Wait(t, 2) },
			"text":        func(t testing.TB) { log.Wait(t, "text") },
			"a last one":  func(t testing.TB) { (&recorder.List[int]{}).Last(t) },
			"no receiver": func(t testing.TB) { recorder.New(t, sonzaihook.Secret("")) },
		} {
			f := &failing{TB: t}
			require.PanicsWithValue(t, f, func() { wait(f) }, name)
			require.True(t, f.failed, name)
		}
	})
}

func TestAnAnswerKeepsTheStatusAndDropsTheBody(t *testing.T) {
	t.Parallel()
	answer := &recorder.Answer{}
	answer.Header().Set("Retry-After", "5")
	answer.WriteHeader(http.StatusServiceUnavailable)
	n, err := answer.Write([]byte("a body"))
	require.NoError(t, err)
	require.Equal(t, 6, n)
	answer.Flush()
	require.Equal(t, http.StatusServiceUnavailable, answer.Status)
	require.Equal(t, "5", answer.Header().Get("Retry-After"))
}
