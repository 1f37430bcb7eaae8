package answer_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/internal/answer"
)

var (
	table   answer.Table
	done    = table.Add(http.StatusOK, "done", 0)
	queued  = table.Add(http.StatusAccepted, "queued", 0)
	refused = table.Add(http.StatusUnprocessableEntity, "refused", 0)
	failed  = table.Add(http.StatusInternalServerError, "failed", 0)
	later   = table.Add(http.StatusServiceUnavailable, "later", 5*time.Second)
)

func TestARowIsFoundByItsCode(t *testing.T) {
	t.Parallel()
	require.JSONEq(t, `{"code":"done"}`, string(table.Body("done")))
	require.Nil(t, table.Body("unknown"))
	var problem map[string]any
	require.NoError(t, json.Unmarshal(table.Body("later"), &problem))
	require.Equal(t, map[string]any{"type": "about:blank", "title": "Service Unavailable", "status": 503.0, "code": "later"}, problem)
}

func TestOnlyA4xxIsFinalAndOnlyA2xxSettles(t *testing.T) {
	t.Parallel()
	for row, want := range map[*answer.Row][2]bool{
		done: {false, true}, queued: {false, true}, refused: {true, false}, failed: {false, false}, later: {false, false},
	} {
		require.Equal(t, want, [2]bool{row.Final(), row.Settled()}, row.Code)
	}
}

func TestAnAnswerHasTheHeadersOfItsStatus(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		after  time.Duration
		want   http.Header
	}{
		{200, 0, http.Header{"Content-Type": {"application/json"}}},
		{405, 0, http.Header{"Content-Type": {"application/problem+json"}, "Allow": {"POST"}}},
		{503, time.Second, http.Header{"Content-Type": {"application/problem+json"}, "Retry-After": {"1"}}},
		{503, 1500 * time.Millisecond, http.Header{"Content-Type": {"application/problem+json"}, "Retry-After": {"2"}}},
		{503, math.MaxInt64, http.Header{"Content-Type": {"application/problem+json"}, "Retry-After": {"9223372036"}}},
	} {
		w := httptest.NewRecorder()
		answer.Write(w, c.status, c.after, []byte("{}\n"))
		require.Equal(t, c.status, w.Code)
		require.Equal(t, c.want, w.Result().Header)
		require.Equal(t, "{}\n", w.Body.String())
	}
}

func verdict(row *answer.Row) error { return &answer.Verdict{Row: row, Err: errors.New(row.Code)} }

func TestAVerdictIsFoundWhereverItIs(t *testing.T) {
	t.Parallel()
	for _, row := range table {
		for _, err := range []error{
			verdict(row),
			fmt.Errorf("wrapped: %w", verdict(row)),
			errors.Join(verdict(row)),
			errors.Join(verdict(row), nil),
		} {
			require.Same(t, row, answer.VerdictOf(err).Row, "%v", err)
		}
	}
	require.Nil(t, answer.VerdictOf(nil))
	require.Nil(t, answer.VerdictOf(io.EOF))
	cause := &answer.Verdict{Row: failed, Err: io.EOF}
	require.ErrorIs(t, cause, io.EOF)
	require.Equal(t, "EOF", cause.Error())
}

func TestAVerdictThatSettlesHidesNoError(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		errors.Join(verdict(done), io.EOF),
		errors.Join(io.EOF, verdict(done)),
		fmt.Errorf("both: %w", errors.Join(io.EOF, verdict(queued))),
		fmt.Errorf("%w and %w", verdict(done), io.EOF),
		errors.Join(verdict(done), errors.Join(verdict(queued), io.EOF)),
		errors.Join(verdict(done), verdict(failed)),
	} {
		require.Nil(t, answer.VerdictOf(err), "%v", err)
	}
	require.Same(t, done, answer.VerdictOf(errors.Join(verdict(done), verdict(queued))).Row)
	// What is tried again, or refused, may stand among others.
	require.Same(t, later, answer.VerdictOf(errors.Join(io.EOF, verdict(later))).Row)
	require.Same(t, refused, answer.VerdictOf(errors.Join(verdict(refused), verdict(done))).Row)
}
