package sonzaiapi

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
)

type retrySettings struct {
	tries             int
	first, max, total time.Duration
}

// retry runs a call until it succeeds or another try makes no sense.
func (c *Client) retry(ctx context.Context, k call, try func() error) error {
	if k.method != http.MethodGet && k.method != http.MethodDelete {
		return try()
	}
	uncertain := false
	operation := func() (struct{}, error) {
		err := try()
		if uncertain && k.method == http.MethodDelete && errors.Is(err, ErrNotFound) {
			return struct{}{}, nil // an earlier try did delete it, only its answer was lost
		}
		if err != nil && !worthRetrying(ctx, err) {
			return struct{}{}, backoff.Permanent(err)
		}
		uncertain = uncertain || err != nil
		return struct{}{}, err
	}
	wait := &backoff.ExponentialBackOff{
		InitialInterval: c.settings.retry.first, MaxInterval: c.settings.retry.max,
		Multiplier: 2, RandomizationFactor: 0.5,
	}
	notify := func(err error, wait time.Duration) {
		c.settings.logger.DebugContext(ctx, "sonzaiapi: trying again", "error", err, "wait", wait)
	}
	_, err := backoff.Retry(ctx, operation, backoff.WithBackOff(wait), backoff.WithNotify(notify),
		backoff.WithMaxTries(uint(c.settings.retry.tries)), backoff.WithMaxElapsedTime(c.settings.retry.total))
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return k.ended(ctx)
}

// worthRetrying reports whether the same call may succeed later.
func worthRetrying(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Status {
	case 0:
		_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
		return errors.Is(err, ErrUnavailable) && !untrusted
	case http.StatusTooManyRequests, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// retryAfter reads the header in seconds or as a date. A date counts from the
// date of the answer, so that it holds when the clocks differ.
func retryAfter(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return max(0, at.Sub(now))
}
