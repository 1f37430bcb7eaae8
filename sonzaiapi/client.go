// Package sonzaiapi calls the webhook, channel, notification and wakeup endpoints
// of the Sonzai platform, and no others.
//
//	client, err := sonzaiapi.New("") // the key is read from SONZAI_API_KEY
//	secret, err := client.Webhooks().Register(ctx, "agent.message", sonzaiapi.Target{URL: url})
//	for attempt, err := range client.Webhooks().Attempts(ctx, "agent.message", 0) { … }
//
// A call is a method of what it is about: [Client.Webhooks] and [Client.Channels]
// of the tenant that the API key belongs to, [Client.Project] of a project by its
// id, [Client.Agent] of an agent.
//
// A call that fails returns an [*Error]; match its kind with [errors.Is]. GET and
// DELETE calls are tried again, see [WithRetries]; PUT and POST never are, because the
// platform may have carried out the first one.
//
// Paths and fields are those of the platform's OpenAPI document. Answers are
// decoded leniently: unknown fields are passed over, null lists are empty, and
// a time that cannot be read is kept as text, see [Time].
package sonzaiapi

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"
)

// DefaultBaseURL is where the platform's documentation places its API.
const DefaultBaseURL = "https://api.sonz.ai" + BasePath

// BasePath is the path of the API below the platform's host.
const BasePath = "/api/v1"

// The environment variables that [New] reads.
const (
	EnvAPIKey  = "SONZAI_API_KEY"
	EnvBaseURL = "SONZAI_BASE_URL"
)

// Client calls the platform. It is safe for concurrent use. It prints as its type
// name, whatever the verb, and never shows the key or the base URL.
type Client struct {
	// What must not be printed is held in functions: fmt shows the fields of a
	// client that is a field of another struct.
	address   func(path string) string
	authorize func(*http.Request)
	redact    func(string) string

	local    bool // the platform is on this machine
	http     *http.Client
	settings settings
}

// New returns a client that authenticates with apiKey. An empty apiKey means
// the environment variable SONZAI_API_KEY. The errors wrap [ErrNoAPIKey] or
// [ErrInvalidOption].
func New(apiKey string, opts ...Option) (*Client, error) {
	s := defaults()
	for _, opt := range opts {
		opt(&s)
	}
	base, err := s.check()
	if err != nil {
		return nil, err
	}
	if apiKey == "" {
		apiKey = os.Getenv(EnvAPIKey)
	}
	if apiKey = strings.TrimSpace(apiKey); apiKey == "" {
		return nil, fmt.Errorf("%w: pass one to New or set %s", ErrNoAPIKey, EnvAPIKey)
	}
	if strings.ContainsFunc(apiKey, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, fmt.Errorf("%w: it has characters that no key has", ErrNoAPIKey)
	}
	return &Client{
		// The path is joined as text: it is escaped already, and must stay so.
		address:   func(path string) string { return base.String() + path },
		authorize: func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+apiKey) },
		redact:    func(text string) string { return strings.ReplaceAll(text, apiKey, redacted) },
		local:     isLoopback(base.Hostname()),
		http:      withoutRedirects(s.client),
		settings:  s,
	}, nil
}

// withoutRedirects copies the client. No call of the platform redirects, so a
// redirect is reported and never followed: the key stays with its host.
func withoutRedirects(client *http.Client) *http.Client {
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// Project makes the calls about one project. Get one from [Client.Project].
type Project struct {
	client *Client
	id     string
}

// Project returns the calls of the project with this id.
func (c *Client) Project(id string) Project { return Project{c, id} }

// ID returns the id of the project.
func (p Project) ID() string { return p.id }

// Agent makes the calls about one agent. Get one from [Client.Agent].
type Agent struct {
	client *Client
	id     string
}

// Agent returns the calls of the agent with this id or name.
func (c *Client) Agent(id string) Agent { return Agent{c, id} }

// The formats of a client. The methods have value receivers, so that a copy of a
// client shows no more than the pointer.

// String returns "sonzaiapi.Client".
func (c Client) String() string { return "sonzaiapi.Client" }

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (c Client) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, c.String()) }

// LogValue implements [slog.LogValuer].
func (c Client) LogValue() slog.Value { return slog.StringValue(c.String()) }

// settings is what options set.
type settings struct {
	baseURL   string
	client    *http.Client
	logger    *slog.Logger
	timeout   time.Duration
	maxAnswer int64
	insecure  bool
	retry     retrySettings
}
