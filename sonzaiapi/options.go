package sonzaiapi

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Option changes how a [Client] works.
type Option func(*settings)

func defaults() settings {
	return settings{
		client:    http.DefaultClient,
		logger:    slog.Default(),
		timeout:   30 * time.Second,
		maxAnswer: 64 << 20,
		retry: retrySettings{
			tries: 4, first: 250 * time.Millisecond, max: 10 * time.Second, total: 2 * time.Minute,
		},
	}
}

// WithBaseURL sets the address of the API. An address without a path, such as
// "https://api.sonz.ai", stands for the API below it, at [BasePath]; this is how
// the platform's SDKs read SONZAI_BASE_URL. An address with a path is used as it
// is. The default is the environment variable SONZAI_BASE_URL, else
// [DefaultBaseURL]. It must be https; http is accepted for loopback addresses,
// where a simulator runs.
func WithBaseURL(base string) Option { return func(s *settings) { s.baseURL = base } }

// WithHTTPClient sets the client that sends the requests, for a proxy or a
// custom transport. The default is [http.DefaultClient]. A copy is used,
// and it follows no redirect.
func WithHTTPClient(client *http.Client) Option { return func(s *settings) { s.client = client } }

// WithTimeout bounds each try of a call, from connecting to the last byte of
// the answer. The default is 30 s; 0 leaves the bound to the context.
func WithTimeout(d time.Duration) Option { return func(s *settings) { s.timeout = d } }

// WithRetries sets how often a GET or DELETE is sent at most (the default is 4
// times), the wait before the second try (250 ms) and the longest wait (10 s).
// Waits double and vary at random by half either way. A try is repeated after
// 429, 502, 503, 504 and dropped connections. A Retry-After header replaces the
// computed wait; one that leads past two minutes in all ends the call. One try
// turns retries off.
func WithRetries(tries int, first, longest time.Duration) Option {
	return func(s *settings) {
		s.retry.tries, s.retry.first, s.retry.max = tries, first, longest
	}
}

// WithMaxAnswer bounds the bytes read of one answer. The default is 64 MiB,
// room for a page of delivery attempts with their bodies.
func WithMaxAnswer(n int64) Option { return func(s *settings) { s.maxAnswer = n } }

// WithInsecureHTTP also accepts http for base and webhook URLs that are not on
// loopback, for a closed test network. The key then crosses it in clear text.
// It is off by default.
func WithInsecureHTTP() Option { return func(s *settings) { s.insecure = true } }

// WithLogger sets where retries are logged, at level debug. The default is
// [slog.Default]; [slog.DiscardHandler] turns it off.
func WithLogger(logger *slog.Logger) Option { return func(s *settings) { s.logger = logger } }

// check validates the settings and returns the base URL.
func (s *settings) check() (*url.URL, error) {
	switch {
	case s.client == nil:
		return nil, fmt.Errorf("%w: WithHTTPClient needs a client", ErrInvalidOption)
	case s.logger == nil:
		return nil, fmt.Errorf("%w: WithLogger needs a logger", ErrInvalidOption)
	case s.timeout < 0:
		return nil, fmt.Errorf("%w: WithTimeout must not be negative", ErrInvalidOption)
	case s.maxAnswer <= 0:
		return nil, fmt.Errorf("%w: WithMaxAnswer must be positive", ErrInvalidOption)
	case s.retry.tries < 1, s.retry.first <= 0, s.retry.max < s.retry.first:
		return nil, fmt.Errorf("%w: WithRetries needs at least one try and 0 < first <= longest", ErrInvalidOption)
	}
	return s.parseBase()
}

// parseBase names the fault but never the value, which may hold credentials.
func (s *settings) parseBase() (*url.URL, error) {
	text := cmp.Or(s.baseURL, os.Getenv(EnvBaseURL), DefaultBaseURL)
	s.baseURL = "" // so that no format of the client shows it
	base, err := url.Parse(strings.TrimRight(strings.TrimSpace(text), "/"))
	switch {
	case err != nil, base.Host == "", base.Scheme != "https" && base.Scheme != "http":
		return nil, fmt.Errorf("%w: the base URL is not of the form %s", ErrInvalidOption, DefaultBaseURL)
	case base.User != nil, base.RawQuery != "", base.Fragment != "":
		return nil, fmt.Errorf("%w: the base URL has a user, a query or a fragment", ErrInvalidOption)
	case base.Scheme == "http" && !s.insecure && !isLoopback(base.Hostname()):
		return nil, fmt.Errorf("%w: the base URL must be https, which keeps the API key secret; "+
			"http is for loopback addresses", ErrInvalidOption)
	}
	if base.Path == "" {
		base.Path = BasePath
	}
	return base, nil
}

// checkWebhookURL refuses what the platform cannot deliver to safely.
func (c *Client) checkWebhookURL(text string) error {
	target, err := url.Parse(text)
	switch {
	case err != nil, target.Host == "", target.Hostname() == "":
		return fmt.Errorf("the webhook URL is not of the form https://host/path")
	case target.Scheme == "https", target.Scheme == "http" && c.settings.insecure:
		return nil
	case target.Scheme == "http" && isLoopback(target.Hostname()) && c.local:
		return nil
	}
	return fmt.Errorf("the webhook URL must start with https:// (http only between a simulator and a server on this machine)")
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
