package usercode_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/internal/usercode"
)

// hostile panics in each of its methods.
type hostile struct{}

func (hostile) Error() string          { panic("Error") }
func (hostile) String() string         { panic("String") }
func (hostile) Unwrap() error          { panic("Unwrap") }
func (hostile) Is(error) bool          { panic("Is") }
func (hostile) As(any) bool            { panic("As") }
func (hostile) Format(fmt.State, rune) { panic("Format") }

func recovered(v any) (err *usercode.PanicError) {
	defer func() { err = usercode.Recovered(recover()) }()
	panic(v)
}

func TestAPanicBecomesAnErrorWithItsTextAndStack(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]any{"boom": "boom", "EOF": io.EOF, "PANIC=": hostile{}} {
		err := recovered(v)
		require.ErrorIs(t, err, usercode.ErrPanicked)
		require.Contains(t, err.Error(), want)
		require.Contains(t, string(usercode.StackOf(fmt.Errorf("wrapped: %w", err))), "usercode_test.recovered")
	}
}

func TestOnlyAPanicHasAStack(t *testing.T) {
	t.Parallel()
	for _, err := range []error{nil, io.EOF, hostile{}} {
		require.Nil(t, usercode.StackOf(err))
	}
}

func TestTheTextOfAnErrorWhoseMethodsPanicNamesItsType(t *testing.T) {
	t.Parallel()
	require.Equal(t, "EOF", usercode.Text(io.EOF))
	require.Equal(t, "an error of type usercode_test.hostile whose Error panics: Error", usercode.Text(hostile{}))
	require.Contains(t, usercode.Text((*nilError)(nil)), "nil pointer")
}

type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

func TestAReasonDecidesWithoutAskingItsCause(t *testing.T) {
	t.Parallel()
	err := usercode.Because(io.EOF, "it ended", hostile{})
	require.Equal(t, "EOF: it ended", err.Error())
	require.Same(t, io.EOF, usercode.Reason(err))
	require.Same(t, io.ErrNoProgress, usercode.Reason(io.ErrNoProgress))
	require.NoError(t, usercode.Reason(nil))

	err = usercode.Because(io.EOF, "", io.ErrClosedPipe)
	require.ErrorIs(t, err, io.EOF)
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

func TestLoggedTextsAreBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100_000)
	require.Equal(t, "short", usercode.Name("short"))
	for most, attr := range map[int]slog.Attr{
		300:       usercode.NameAttr("name", long),
		2_100:     usercode.TextAttr("text", long),
		2_100 + 1: usercode.ErrorAttr(errors.New(long)),
		2_100 + 2: usercode.PanicAttr(long),
		16_500:    usercode.StackAttr([]byte(long)),
	} {
		require.LessOrEqual(t, len(attr.Value.String()), most, attr.Key)
		require.Contains(t, attr.Value.String(), "… (100000 bytes)")
	}
}

// panicking is a slog.Handler that panics.
type panicking struct{ slog.Handler }

func (panicking) Enabled(context.Context, slog.Level) bool  { panic("Enabled") }
func (panicking) Handle(context.Context, slog.Record) error { panic("Handle") }

func TestAHandlerThatPanicsCostsItsRecord(t *testing.T) {
	t.Parallel()
	logger := usercode.Logger{To: slog.New(panicking{})}
	require.False(t, logger.Enabled(t.Context(), slog.LevelError))
	require.NotPanics(t, func() { logger.Log(t.Context(), slog.LevelError, "lost") })
}

func TestARecordNamesTheLibrary(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger := usercode.Logger{To: slog.New(slog.NewTextHandler(&out, nil))}
	logger.Log(t.Context(), slog.LevelWarn, "store is full", slog.Int("capacity", 3))
	require.Contains(t, out.String(), `level=WARN msg="sonzaihook: store is full" capacity=3`)
	require.True(t, logger.Enabled(t.Context(), slog.LevelInfo))
	require.False(t, logger.Enabled(t.Context(), slog.LevelDebug))
}

func TestSeldomIsOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seldom usercode.Seldom
		require.True(t, seldom.Now())
		require.False(t, seldom.Now())
		time.Sleep(time.Second)
		require.True(t, seldom.Now())
	})
}

func TestAClockThatPanicsFallsBackToTheTime(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger := usercode.Logger{To: slog.New(slog.NewTextHandler(&out, nil))}
	at := time.Unix(1_700_000_000, 0)
	require.Equal(t, at, usercode.Clock(func() time.Time { return at }, logger)())
	require.Empty(t, out.String())
	require.WithinDuration(t, time.Now(), usercode.Clock(func() time.Time { panic("stopped") }, logger)(), time.Minute)
	require.Contains(t, out.String(), "panic=stopped")
}

func TestANilPointerInAnInterfaceIsNil(t *testing.T) {
	t.Parallel()
	for _, v := range []any{(*int)(nil), map[string]int(nil), (func())(nil), (chan int)(nil), []int(nil)} {
		require.True(t, usercode.IsNil(v), "%T", v)
	}
	for _, v := range []any{nil, 0, "", new(int), struct{}{}} {
		require.False(t, usercode.IsNil(v), "%T", v)
	}
}
