package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

func TestADeliveryIsAnswered202AndRunsOnce(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	mood := hooktest.Fixture(t, sonzaihook.EventMoodChange)
	for range 3 { // copies share a job
		require.Equal(t, answer(sonzaihook.CodeQueued), q.deliver(t, mood))
	}
	require.Zero(t, q.count(t, "moods"))
	require.Equal(t, 1, q.count(t, "arrivals"))
	require.Len(t, q.jobs(t), 1)

	q.start(t)
	first := q.await(t, q.jobs(t)[0].ID, rivertype.JobStateCompleted)
	require.Equal(t, 1, q.count(t, "moods"))
	require.Equal(t, answer(sonzaihook.CodeQueued), q.deliver(t, mood))
	require.Len(t, q.jobs(t), 1)

	// A copy that comes when River has deleted the job.
	_, err := q.river.JobDelete(t.Context(), first.ID)
	require.NoError(t, err)
	require.Equal(t, answer(sonzaihook.CodeQueued), q.deliver(t, mood))
	q.await(t, q.jobs(t)[0].ID, rivertype.JobStateCompleted)
	require.Equal(t, []string{sonzaihook.CodeProcessed, sonzaihook.CodeDuplicate}, q.codes(sonzaihook.EventMoodChange))
	require.Equal(t, 1, q.count(t, "moods"))
}

// The job and the line in the list are one transaction.
func TestWhatIsNotCommittedIsAnswered503(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	mood := hooktest.Fixture(t, sonzaihook.EventMoodChange)
	q.exec(t, "ALTER TABLE arrivals RENAME TO gone")
	require.Equal(t, answer(sonzaihook.CodeQueueUnavailable), q.deliver(t, mood))
	require.Empty(t, q.jobs(t))
	q.exec(t, "ALTER TABLE gone RENAME TO arrivals")
	require.Equal(t, answer(sonzaihook.CodeQueued), q.deliver(t, mood))
	require.Len(t, q.jobs(t), 1)
}

func TestWhatTravelsIsTheDeliveryWithoutWhatAuthenticatedIt(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	args := newArgs(&sonzaihook.Delivery{
		ID: "id\x00\xff", Type: "t\x00", Name: "n\xff", Project: "p\x00", Source: sonzaihook.SourceWebhook,
		SignedAt: time.Unix(1_800_000_000, 0), Trace: map[string]string{"traceparent": "00-a-b-01"}, Body: []byte("{\"a\":\x00\xff}"),
	}, time.Now())
	_, err := q.river.Insert(t.Context(), args, nil)
	require.NoError(t, err)
	var back deliveryArgs
	require.NoError(t, json.Unmarshal(q.jobs(t)[0].EncodedArgs, &back))
	require.Equal(t, args.delivery(), back.delivery(), "byte for byte")
	require.Equal(t, sonzaihook.SourceBroker, back.delivery().Source)
	require.Equal(t, string(sonzaihook.SourceWebhook), back.Source)

	mood := hooktest.Fixture(t, sonzaihook.EventMoodChange)
	req := hooktest.NewRequest(t, mood, hooktest.Authorization(authorization))
	out := q.hooks.Receive(t.Context(), req.Header, mood)
	require.Equal(t, http.StatusAccepted, out.Status)
	stored := string(q.jobs(t)[1].EncodedArgs)
	require.Contains(t, stored, base64.StdEncoding.EncodeToString(mood))
	_, mac, _ := strings.Cut(req.Header.Get(sonzaihook.SignatureHeader), "v1=")
	require.Len(t, mac, 64)
	for _, secret := range []string{mac, authorization, hooktest.Secret} {
		require.NotContains(t, stored, secret)
		require.NotContains(t, stored, base64.StdEncoding.EncodeToString([]byte(secret)))
	}
}

func TestWhatFailsIsTriedAgainAndWhatCannotWorkIsKept(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	var failures, asked, kept atomic.Int64
	errDown := errors.New("the model is down\x00\xff") // jsonb takes neither
	q.hooks.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error {
		if failures.Add(1) < 3 {
			return errDown
		}
		return nil
	})
	q.hooks.OnBreakthrough(func(context.Context, *sonzaihook.BreakthroughEvent) error {
		if asked.Add(1) == 1 {
			return sonzaihook.RetryAfter(errDown, time.Second)
		}
		return nil
	})
	q.hooks.OnWakeup(func(context.Context, *sonzaihook.WakeupEvent) error { return sonzaihook.Permanent(errDown) })
	q.hooks.OnDeadLetter(func(context.Context, *sonzaihook.Delivery, error) error {
		kept.Add(1)
		return nil
	})
	for _, event := range []sonzaihook.EventType{
		sonzaihook.EventMessage, sonzaihook.EventBreakthrough, sonzaihook.EventWakeup, sonzaihook.EventConsolidation,
	} {
		require.Equal(t, answer(sonzaihook.CodeQueued), q.deliver(t, hooktest.Fixture(t, event)))
	}
	jobs := q.jobs(t)
	q.start(t)

	failed := q.await(t, jobs[0].ID, rivertype.JobStateCompleted)
	require.Equal(t, []string{sonzaihook.CodeFailed, sonzaihook.CodeFailed, sonzaihook.CodeProcessed}, q.codes(sonzaihook.EventMessage))
	require.Equal(t, 3, failed.Attempt)
	require.Equal(t, "failed: the model is down\uFFFD\uFFFD", failed.Errors[0].Error)

	later := q.await(t, jobs[1].ID, rivertype.JobStateCompleted)
	require.EqualValues(t, 2, asked.Load())
	require.Equal(t, 1, later.Attempt, "what asks for time has not failed")

	rejected := q.await(t, jobs[2].ID, rivertype.JobStateCancelled)
	require.EqualValues(t, 1, kept.Load())
	require.Len(t, rejected.Errors, 1)

	// The next version has a callback for what this one does not know.
	unknown := q.await(t, jobs[3].ID, rivertype.JobStateCancelled)
	q.hooks.OnConsolidation(func(context.Context, *sonzaihook.ConsolidationEvent) error { return nil })
	_, err := q.river.JobRetry(t.Context(), unknown.ID)
	require.NoError(t, err)
	q.await(t, unknown.ID, rivertype.JobStateCompleted)
}

// A process is killed while it runs a delivery. What it wrote is rolled back, and
// another process runs the delivery when River has noticed.
func TestAWorkerThatIsKilledLosesNothing(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	tx, err := q.pool.Begin(t.Context()) // in the callback's way
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	_, err = tx.Exec(t.Context(), "LOCK TABLE moods IN ACCESS EXCLUSIVE MODE")
	require.NoError(t, err)

	program, lines, url := startProgram(t, q.dsn)
	signed := hooktest.NewRequest(t, hooktest.Fixture(t, sonzaihook.EventMoodChange))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"agent.mood_change", signed.Body)
	require.NoError(t, err)
	req.Header = signed.Header
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusAccepted, res.StatusCode)
	await(t, lines, "(mood changed)")
	require.NoError(t, program.Process.Kill())
	require.Error(t, program.Wait())
	require.NoError(t, tx.Rollback(t.Context()))
	job := q.await(t, q.jobs(t)[0].ID, rivertype.JobStateRunning)
	require.Zero(t, q.count(t, "moods"))

	// The time passes after which River and the store take the process for dead.
	q.exec(t, "UPDATE river_job SET attempted_at = attempted_at - interval '1 hour'")
	q.exec(t, "UPDATE river_leader SET expires_at = now()")
	q.exec(t, "UPDATE sonzaihook_leases SET expires = 0")
	program, lines, _ = startProgram(t, q.dsn)
	again := q.await(t, job.ID, rivertype.JobStateCompleted)
	require.Equal(t, 2, again.Attempt)
	require.Equal(t, 1, q.count(t, "moods"))

	require.NoError(t, program.Process.Signal(os.Interrupt))
	await(t, lines, "(shutting down)")
	for lines.Scan() { // to the end, before Wait closes the pipe
		continue
	}
	require.NoError(t, program.Wait())
}

// startProgram starts the program as a process, and returns it, its log and its URL.
func startProgram(t *testing.T, dsn string) (*exec.Cmd, *bufio.Scanner, string) {
	t.Helper()
	program := exec.CommandContext(t.Context(), os.Args[0])
	program.Env = append(os.Environ(), "QUEUE_RIVER_PROGRAM=1", "ADDR=127.0.0.1:0", "DATABASE_URL="+dsn)
	log, err := program.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, program.Start())
	lines := bufio.NewScanner(log)
	return program, lines, await(t, lines, `url=(http://[^/]+/webhooks/sonzai/)`)
}

// await reads lines until one matches, and returns what its group matched.
func await(t *testing.T, lines *bufio.Scanner, pattern string) string {
	t.Helper()
	for expression := regexp.MustCompile(pattern); lines.Scan(); {
		if match := expression.FindStringSubmatch(lines.Text()); match != nil {
			return match[1]
		}
	}
	require.Fail(t, "the program ended before it logged "+pattern)
	return ""
}
