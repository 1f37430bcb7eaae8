package simulator

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The defaults of [New].
const (
	DefaultAPIKey  = "sk_simulator"
	DefaultProject = "00000000-0000-4000-8000-000000000001"
)

// Option changes how a [Simulator] works.
type Option func(*settings)

type settings struct {
	apiKey       string
	projects     []string
	clock        func() time.Time
	speed        float64
	attempts     int
	firstWait    time.Duration
	longestWait  time.Duration
	timeout      time.Duration
	overlap      time.Duration
	repeatBytes  bool
	insecureURLs bool
	layout       Layout
	workers      int
	backlog      int
	history      int
	client       *http.Client
	observer     func(Attempt)
}

func defaults() settings {
	return settings{
		apiKey: DefaultAPIKey, projects: []string{DefaultProject}, clock: time.Now, speed: 1,
		attempts: 4, firstWait: time.Second, longestWait: 5 * time.Minute, timeout: 10 * time.Second,
		layout: LayoutData, workers: 16, backlog: 1024, history: 100_000,
	}
}

// WithAPIKey sets the key that calls must carry. The default is
// [DefaultAPIKey].
func WithAPIKey(key string) Option { return func(s *settings) { s.apiKey = key } }

// WithProjects sets which projects there are. The first one is the project that
// the API key belongs to. The default is [DefaultProject] alone.
func WithProjects(ids ...string) Option { return func(s *settings) { s.projects = ids } }

// WithSpeed makes every wait shorter by this factor: those between attempts,
// until a wakeup is due, and while a rotated secret still signs. The times that
// are written and signed stay real. The default is 1.
func WithSpeed(factor float64) Option { return func(s *settings) { s.speed = factor } }

// WithAttempts sets how often an event is sent at most (the default is 4 times, as
// the platform was observed to do), the wait before the second attempt (1 s) and
// the longest wait (5 min). Waits double; how long the platform waits is not
// known. One attempt turns retries off.
func WithAttempts(n int, first, longest time.Duration) Option {
	return func(s *settings) { s.attempts, s.firstWait, s.longestWait = n, first, longest }
}

// WithDeliveryTimeout bounds one attempt. The default is 10 s.
func WithDeliveryTimeout(d time.Duration) Option { return func(s *settings) { s.timeout = d } }

// WithRotationOverlap signs with both the old and the new secret for this long
// after a rotation. The default is 0: the old secret is invalid at once, as the
// platform documents.
func WithRotationOverlap(d time.Duration) Option { return func(s *settings) { s.overlap = d } }

// WithRepeatedSignature sends a retry with the signature of the first attempt.
// The default is to sign each attempt with a new time.
func WithRepeatedSignature() Option { return func(s *settings) { s.repeatBytes = true } }

// WithInsecureURLs accepts http for every webhook URL. The default is to accept
// it for loopback addresses only.
func WithInsecureURLs() Option { return func(s *settings) { s.insecureURLs = true } }

// WithLayout sets the form of the deliveries whose event names none, those of
// wakeups included. The default is [LayoutData].
func WithLayout(l Layout) Option { return func(s *settings) { s.layout = l } }

// WithWorkers sets how many deliveries run at a time. The default is 16.
func WithWorkers(n int) Option { return func(s *settings) { s.workers = n } }

// WithBacklog sets how many events may wait for their first attempt before
// [Simulator.Emit] blocks. The default is 1024. Waiting retries do not count.
func WithBacklog(n int) Option { return func(s *settings) { s.backlog = n } }

// WithHistory sets how many attempts are kept for each event type of a project,
// and how many notifications and wakeups for each project or agent. The oldest
// go first, once there are a tenth more. The default is 100,000.
func WithHistory(n int) Option { return func(s *settings) { s.history = n } }

// WithHTTPClient sets the client that makes the deliveries. A copy is used, and
// it follows no redirect. The default client keeps a connection for each
// worker.
func WithHTTPClient(client *http.Client) Option { return func(s *settings) { s.client = client } }

// WithClock sets the time that is written and signed. Waits go by the system's
// clock. The default is [time.Now].
func WithClock(now func() time.Time) Option { return func(s *settings) { s.clock = now } }

// WithObserver calls fn after each attempt, from the goroutine that made it, so
// several calls may run at a time. The default is none.
func WithObserver(fn func(Attempt)) Option { return func(s *settings) { s.observer = fn } }

// shorten turns a time of the platform into one of this process.
func (s *settings) shorten(d time.Duration) time.Duration {
	return time.Duration(float64(d) / s.speed)
}

// ErrInvalidOption means that an option was given a value that it cannot have.
var ErrInvalidOption = errors.New("simulator: invalid option")

func (s *settings) check() error {
	for _, rule := range []struct {
		broken bool
		text   string
	}{
		{strings.TrimSpace(s.apiKey) == "", "WithAPIKey needs a key"},
		{len(s.projects) == 0 || slices.Contains(s.projects, ""), "WithProjects needs ids"},
		{s.clock == nil, "WithClock needs a clock"},
		{!(s.speed > 0), "WithSpeed must be positive"},
		{s.attempts < 1 || s.firstWait <= 0 || s.longestWait < s.firstWait,
			"WithAttempts needs at least one attempt and 0 < first <= longest"},
		{s.timeout <= 0, "WithDeliveryTimeout must be positive"},
		{s.overlap < 0, "WithRotationOverlap must not be negative"},
		{!slices.Contains(layouts, s.layout), "WithLayout needs a layout"},
		{s.workers < 1, "WithWorkers must be positive"},
		{s.backlog < 1, "WithBacklog must be positive"},
		{s.history < 1, "WithHistory must be positive"},
	} {
		if rule.broken {
			return fmt.Errorf("%w: %s", ErrInvalidOption, rule.text)
		}
	}
	return nil
}
