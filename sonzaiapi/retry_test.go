package sonzaiapi_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

// script answers in turn and notes when each request came.
type script struct {
	answers []func() (*http.Response, error)
	at      []time.Duration
	began   time.Time
}

func newScript(answers ...func() (*http.Response, error)) *script {
	return &script{answers: answers, began: time.Now()}
}

func (s *script) RoundTrip(*http.Request) (*http.Response, error) {
	s.at = append(s.at, time.Since(s.began))
	n := min(len(s.at), len(s.answers)) - 1
	return s.answers[n]()
}

func status(code int, header ...string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		return respond(code, "application/problem+json", `{"detail":"later"}`, header...), nil
	}
}

func good() (*http.Response, error) {
	return respond(200, "application/json", `{"webhooks":[],"success":true,"signing_secret":"whsec_a"}`), nil
}

func dropped() (*http.Response, error) { return nil, io.ErrUnexpectedEOF }

func cutShort() (*http.Response, error) {
	response := respond(200, "application/json", "")
	response.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"webh`), iotest.ErrReader(io.ErrUnexpectedEOF)))
	return response, nil
}

func (s *script) client(t *testing.T, opts ...sonzaiapi.Option) *sonzaiapi.Client {
	t.Helper()
	return newClient(t, s.RoundTrip, opts...)
}

func TestGetAndDeleteAreTriedAgain(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]func() (*http.Response, error){
		"429": status(429), "502": status(502), "503": status(503), "504": status(504),
		"a dropped connection": dropped, "an answer cut short": cutShort,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newScript(failure, failure, good)
				_, err := s.client(t).Webhooks().List(t.Context())
				require.NoError(t, err)
				require.Len(t, s.at, 3)

				s = newScript(failure, good)
				require.NoError(t, s.client(t).Webhooks().Delete(t.Context(), "x"))
				require.Len(t, s.at, 2)
			})
		})
	}
}

func TestWaitsDoubleAndVary(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		firsts := map[time.Duration]bool{}
		for range 20 {
			s := newScript(status(503))
			_, err := s.client(t, sonzaiapi.WithRetries(5, time.Second, 4*time.Second)).Webhooks().List(t.Context())
			require.ErrorIs(t, err, sonzaiapi.ErrUnavailable)
			require.Len(t, s.at, 5)
			for i, middle := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second} {
				wait := s.at[i+1] - s.at[i]
				require.GreaterOrEqual(t, wait, middle/2, i)
				require.LessOrEqual(t, wait, middle*3/2, i)
			}
			firsts[s.at[1]] = true
		}
		require.Greater(t, len(firsts), 10, "the waits hardly vary")
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	date := func(ahead time.Duration) string {
		return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(ahead).Format(http.TimeFormat)
	}
	tests := map[string]struct {
		header []string
		wait   time.Duration
	}{
		"seconds":                {[]string{"Retry-After", "7"}, 7 * time.Second},
		"a date by its own time": {[]string{"Retry-After", date(9 * time.Second), "Date", date(0)}, 9 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newScript(status(429, test.header...), good)
				_, err := s.client(t).Webhooks().List(t.Context())
				require.NoError(t, err)
				require.Equal(t, []time.Duration{0, test.wait}, s.at)
			})
		})
	}
	t.Run("a date by the client's time", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newScript(status(503, "Retry-After", time.Now().Add(11*time.Second).UTC().Format(http.TimeFormat)), good)
			_, err := s.client(t).Webhooks().List(t.Context())
			require.NoError(t, err)
			require.Equal(t, []time.Duration{0, 11 * time.Second}, s.at)
		})
	})
	for _, header := range []string{"-3", "soon", "", date(0)} {
		t.Run("nothing to honour in "+header, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newScript(status(503, "Retry-After", header, "Date", date(time.Hour)), good)
				_, err := s.client(t).Webhooks().List(t.Context())
				require.NoError(t, err)
				require.Len(t, s.at, 2)
				require.Positive(t, s.at[1])
				require.LessOrEqual(t, s.at[1], 375*time.Millisecond)
			})
		})
	}
}

func TestARetryAfterThatIsTooLongEndsTheCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(status(429, "Retry-After", "3600"))
		_, err := s.client(t).Webhooks().List(t.Context())
		require.ErrorIs(t, err, sonzaiapi.ErrRateLimited)
		require.Len(t, s.at, 1)
		var e *sonzaiapi.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, time.Hour, e.RetryAfter)
		require.ErrorContains(t, err, "try again in 1h0m0s")
	})
}

func TestOtherAnswersAreFinal(t *testing.T) {
	t.Parallel()
	untrusted := func() (*http.Response, error) {
		return nil, &tls.CertificateVerificationError{Err: errors.New("unknown authority")}
	}
	page := func() (*http.Response, error) { return respond(200, "text/html", "<html>"), nil }
	for name, failure := range map[string]func() (*http.Response, error){
		"400": status(400), "401": status(401), "403": status(403), "404": status(404), "409": status(409),
		"422": status(422), "500": status(500), "501": status(501), "302": status(302),
		"a certificate": untrusted, "a web page": page,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newScript(failure, good)
				_, err := s.client(t).Webhooks().List(t.Context())
				require.Error(t, err)
				require.Len(t, s.at, 1)
			})
		})
	}
}

func TestPutAndPostAreSentOnce(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]func() (*http.Response, error){
		"429": status(429, "Retry-After", "1"), "503": status(503), "a dropped connection": dropped,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				for _, call := range []func(*sonzaiapi.Client) error{
					func(c *sonzaiapi.Client) error {
						_, err := c.Webhooks().Register(ctx, "x", sonzaiapi.Target{URL: "https://me.example"})
						return err
					},
					func(c *sonzaiapi.Client) error { _, err := c.Webhooks().RotateSecret(ctx, "x"); return err },
					func(c *sonzaiapi.Client) error { _, err := c.Project("p").Acknowledge(ctx, "n"); return err },
					func(c *sonzaiapi.Client) error { _, err := c.Project("p").AcknowledgeAll(ctx, "", ""); return err },
					func(c *sonzaiapi.Client) error { return c.Agent("a").Consume(ctx, "m") },
				} {
					s := newScript(failure, good)
					require.Error(t, call(s.client(t)))
					require.Len(t, s.at, 1)
				}
			})
		})
	}
}

func TestTheContextEndsTheWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		s := newScript(status(503, "Retry-After", "60"))
		_, err := s.client(t).Webhooks().List(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 3*time.Second, time.Since(s.began))
		var e *sonzaiapi.Error
		require.ErrorAs(t, err, &e)

		ctx, stop := context.WithCancel(t.Context())
		stop()
		_, err = newScript(good).client(t).Webhooks().List(ctx)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestACallThatIsStoppedIsNotAPlatformThatIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("the user left")
		ctx, stop := context.WithCancelCause(t.Context())
		client := newClient(t, func(r *http.Request) (*http.Response, error) {
			stop(why)
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		_, err := client.Webhooks().RotateSecret(ctx, "x")
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, why)
		require.NotErrorIs(t, err, sonzaiapi.ErrUnavailable)
		require.EqualError(t, err, "sonzaiapi: POST /webhooks/x/rotate-secret: context canceled: the user left")
	})
}

func TestATryThatHangsIsGivenUpAndRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		client := newClient(t, func(r *http.Request) (*http.Response, error) {
			if tries++; tries == 1 {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return good()
		}, sonzaiapi.WithTimeout(5*time.Second))
		_, err := client.Webhooks().List(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, tries)
	})
}

func TestADeleteThatFindsNothingAfterALostAnswerIsDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(dropped, status(404))
		require.NoError(t, s.client(t).Webhooks().Delete(t.Context(), "x"))
		s = newScript(status(404))
		require.ErrorIs(t, s.client(t).Webhooks().Delete(t.Context(), "x"), sonzaiapi.ErrNotFound)
	})
}

func TestAttemptsWalkThePages(t *testing.T) {
	t.Parallel()
	var queries []string
	client := newClient(t, func(r *http.Request) (*http.Response, error) {
		queries = append(queries, r.URL.RawQuery)
		n := len(queries)
		return respond(200, "application/json", fmt.Sprintf(
			`{"attempts":[{"attempt_id":"%d"}],"has_more":%v,"next_cursor":"c&%d"}`, n, n < 3, n)), nil
	})
	var ids []string
	for attempt, err := range client.Webhooks().Attempts(t.Context(), "x", 0) {
		require.NoError(t, err)
		ids = append(ids, attempt.ID)
	}
	require.Equal(t, []string{"1", "2", "3"}, ids)
	require.Equal(t, []string{"", "cursor=c%261", "cursor=c%262"}, queries)

	queries = nil
	for _, err := range client.Webhooks().Attempts(t.Context(), "x", 7) {
		require.NoError(t, err)
		break
	}
	require.Equal(t, []string{"page_size=7"}, queries, "a walk that is left makes no more calls")
}

func TestAPageThatIsTooLargeIsAskedForInSmallerOnes(t *testing.T) {
	t.Parallel()
	var queries []string
	client := newClient(t, func(r *http.Request) (*http.Response, error) {
		queries = append(queries, r.URL.RawQuery)
		filler := strings.Repeat(" ", 1000)
		if strings.Contains(r.URL.RawQuery, "page_size=12") {
			filler = ""
		}
		return respond(200, "application/json", `{"attempts":[{"attempt_id":"a"}],"has_more":false}`+filler), nil
	}, sonzaiapi.WithMaxAnswer(500))
	n := 0
	for _, err := range client.Webhooks().Attempts(t.Context(), "x", 0) {
		require.NoError(t, err)
		n++
	}
	require.Equal(t, 1, n)
	require.Equal(t, []string{"", "page_size=25", "page_size=12"}, queries)
}

func TestAWalkEndsAtAnErrorAndAtACursorThatStandsStill(t *testing.T) {
	t.Parallel()
	client := newClient(t, always(403, "application/problem+json", `{}`))
	var errs []error
	for attempt, err := range client.Webhooks().Attempts(t.Context(), "x", 0) {
		require.Empty(t, attempt.ID)
		errs = append(errs, err)
	}
	require.Len(t, errs, 1)
	require.ErrorIs(t, errs[0], sonzaiapi.ErrForbidden)

	still := newClient(t, always(200, "application/json", `{"attempts":[{}],"has_more":true,"next_cursor":"same"}`))
	n := 0
	for _, err := range still.Webhooks().Attempts(t.Context(), "x", 0) {
		require.NoError(t, err)
		n++
	}
	require.Equal(t, 2, n)
}
