package simulator

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"
)

// channelWebhook is the type of the channels that the simulator delivers to.
// Channels of the other types are kept and deliver nothing.
const channelWebhook = "webhook"

var channelTypes = []string{channelWebhook, "email", "composio"}

// mask stands in answers where a channel has a secret.
const mask = "********"

// channelSecrets are the members of a channel's config that answers mask.
var channelSecrets = []string{"signing_secret", "auth_header", "api_key"}

// channelBody is what a call says of a channel.
type channelBody struct {
	Name   string                     `json:"name"`
	Type   string                     `json:"type"`
	Config map[string]json.RawMessage `json:"config"`
	Events []string                   `json:"events"`
	Filter map[string]json.RawMessage `json:"filter,omitempty"`
	Active *bool                      `json:"active"`
}

// channel is a notification channel. It never changes; an update makes another one
// in its place.
type channel struct {
	channelBody
	ID        string    `json:"channel_id"`
	ProjectID string    `json:"project_id"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`

	old     string // the signing secret before
	rotated time.Time
}

// member returns a text of the config.
func (b channelBody) member(name string) string {
	var text string
	if json.Unmarshal(b.Config[name], &text) != nil {
		return ""
	}
	return text
}

// wants reports whether the channel takes an event, and under which of its names.
func (c *channel) wants(names []string, agentID string) (string, bool) {
	if c.Type != channelWebhook || !*c.Active {
		return "", false
	}
	var agents []string
	if raw, ok := c.Filter["agents"]; ok && (json.Unmarshal(raw, &agents) != nil || !slices.Contains(agents, agentID)) {
		return "", false
	}
	if len(c.Events) == 0 {
		return names[0], true
	}
	for _, name := range names {
		if slices.Contains(c.Events, name) {
			return name, true
		}
	}
	return "", false
}

// target returns where a delivery to the channel goes and what signs it.
func (c *channel) target(now time.Time, overlap time.Duration) target {
	t := target{url: c.member("url"), authHeader: c.member("auth_header")}
	if secret := c.member("signing_secret"); secret != "" {
		t.secrets = append(t.secrets, secret)
	}
	if c.old != "" && now.Sub(c.rotated) < overlap {
		t.secrets = append(t.secrets, c.old)
	}
	return t
}

// masked returns the channel as an answer shows it.
func (c *channel) masked() *channel {
	shown := *c
	shown.Config = map[string]json.RawMessage{}
	for name, value := range c.Config {
		if slices.Contains(channelSecrets, name) {
			value = json.RawMessage(`"` + mask + `"`)
		}
		shown.Config[name] = value
	}
	return &shown
}

// channels are the channels of a project, in the order in which they came.
type channels struct {
	mu   sync.Mutex
	list []*channel
}

func (l *channels) all() []*channel {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

func (l *channels) find(id string) (*channel, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := l.index(id)
	if i < 0 {
		return nil, false
	}
	return l.list[i], true
}

// index returns the place of a channel. The caller holds l.mu.
func (l *channels) index(id string) int {
	return slices.IndexFunc(l.list, func(c *channel) bool { return c.ID == id })
}

func (l *channels) create(projectID string, body channelBody, now time.Time) *channel {
	c := &channel{channelBody: body, ID: newID("ch"), ProjectID: projectID, CreatedAt: now.UTC(), UpdatedAt: now.UTC()}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, c)
	return c
}

// update replaces what a channel says. A member that is the mask keeps the secret
// of before.
func (l *channels) update(id string, body channelBody, now time.Time) (*channel, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := l.index(id)
	if i < 0 {
		return nil, false
	}
	before := l.list[i]
	for _, name := range channelSecrets {
		if body.member(name) == mask {
			body.Config[name] = before.Config[name]
		}
	}
	next := *before
	next.channelBody, next.UpdatedAt = body, now.UTC()
	if secret := before.member("signing_secret"); secret != body.member("signing_secret") {
		next.old, next.rotated = secret, now
	}
	l.list[i] = &next
	return &next, true
}

func (l *channels) remove(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := l.index(id)
	if i < 0 {
		return false
	}
	l.list = slices.Delete(l.list, i, i+1)
	return true
}

// check fills in the defaults of a body and names its faults. checkURL says what
// is wrong with a URL.
func (b *channelBody) check(checkURL func(string) string) []detail {
	var faults []detail
	if strings.TrimSpace(b.Name) == "" {
		faults = append(faults, detail{"body.name", "expected a name"})
	}
	if !slices.Contains(channelTypes, b.Type) {
		faults = append(faults, detail{"body.type", "expected one of " + strings.Join(channelTypes, ", ")})
	}
	if b.Type == channelWebhook {
		if fault := checkURL(b.member("url")); fault != "" {
			faults = append(faults, detail{"body.config.url", fault})
		}
		for _, name := range channelSecrets {
			if strings.ContainsAny(b.member(name), "\r\n\x00") {
				faults = append(faults, detail{"body.config." + name, "expected one line"})
			}
		}
	}
	active := true
	b.Active = cmp.Or(b.Active, &active)
	if b.Config == nil {
		b.Config = map[string]json.RawMessage{}
	}
	if b.Events == nil {
		b.Events = []string{}
	}
	return faults
}
