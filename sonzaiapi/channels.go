package sonzaiapi

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
)

// Channels makes the notification-channel calls of the tenant or of a project. A
// channel is the platform's second way to send events: one URL for several event
// types, or for all, with a signing secret that the customer chooses.
//
// The calls are documented; what stands in a webhook channel's config is not. This
// client writes the URL, the secret and the Authorization value under "url",
// "signing_secret" and "auth_header", which is assumed, and it is assumed that
// deliveries of a channel are signed as those of a registration are.
type Channels struct{ scope }

// Channels returns the channel calls of the tenant that the API key belongs to.
func (c *Client) Channels() Channels { return Channels{scope{client: c}} }

// Channels returns the channel calls of the project.
func (p Project) Channels() Channels { return Channels{p.scope()} }

// ProjectID returns the id of the project whose channels these are, and the empty
// string for those of the tenant.
func (c Channels) ProjectID() string { return c.project }

// ChannelWebhook is the type of the channels that this client writes. The platform
// has others, such as "email", which it lists.
const ChannelWebhook = "webhook"

// Channel is a channel as the platform lists it. It does not hold the secrets,
// which the platform answers masked.
type Channel struct {
	ID        string `json:"channel_id"`
	ProjectID string `json:"project_id"`
	Name      string `json:"name"`
	Type      string `json:"type"`
	// URL is where a webhook channel delivers, empty for the other types.
	URL string `json:"url,omitempty"`
	// Events are the names of the event types that the channel takes; none means
	// all.
	Events    []string `json:"events"`
	Active    bool     `json:"active"`
	CreatedAt Time     `json:"created_at"`
	UpdatedAt Time     `json:"updated_at"`
}

// UnmarshalJSON reads a channel. Of its config only the URL is kept.
func (c *Channel) UnmarshalJSON(data []byte) error {
	type plain Channel
	wire := struct {
		*plain
		Config json.RawMessage `json:"config"`
	}{plain: (*plain)(c)}
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	var config struct {
		URL string `json:"url"`
	}
	if json.Unmarshal(wire.Config, &config) == nil && config.URL != "" {
		c.URL = config.URL
	}
	return nil
}

// WebhookChannel is what a webhook channel is made of.
type WebhookChannel struct {
	// Name is for people to read. It is required.
	Name string
	// Target is where deliveries go.
	Target Target
	// SigningSecret signs the deliveries. The platform never returns it: keep it, and
	// give it to the receiver. It is required, because a delivery without a
	// signature is refused.
	SigningSecret Secret
	// Events are the names of the event types that the channel takes; none means
	// all.
	Events []string
	// Agents narrows the channel to these agents; none means all.
	Agents []string
	// Paused keeps the channel without delivering to it.
	Paused bool
}

// List returns the channels of every type.
func (c Channels) List(ctx context.Context) ([]Channel, error) {
	var answer struct {
		Channels []Channel `json:"channels"`
	}
	err := c.client.do(ctx, get(c.path("channels")...), &answer)
	return answer.Channels, err
}

// Get returns a channel. One that does not exist is [ErrNotFound].
func (c Channels) Get(ctx context.Context, id string) (Channel, error) {
	var channel Channel
	err := c.client.do(ctx, get(c.path("channels", id)...), &channel)
	return channel, err
}

// Create makes a channel. It is not tried again after an answer that got lost: a
// second call would make a second channel, and every event would come twice.
func (c Channels) Create(ctx context.Context, w WebhookChannel) (Channel, error) {
	return c.write(ctx, post(c.path("channels")...), w)
}

// Update replaces what a channel is made of. Give the signing secret again: whether
// the platform keeps one that is left out is not documented.
func (c Channels) Update(ctx context.Context, id string, w WebhookChannel) (Channel, error) {
	return c.write(ctx, put(c.path("channels", id)...), w)
}

// Delete ends the deliveries of a channel. One that does not exist is
// [ErrNotFound].
func (c Channels) Delete(ctx context.Context, id string) error {
	return c.client.do(ctx, remove(c.path("channels", id)...), nil)
}

type channelConfig struct {
	URL           string `json:"url"`
	SigningSecret string `json:"signing_secret"`
	AuthHeader    string `json:"auth_header,omitempty"`
}

type channelBody struct {
	Name   string              `json:"name"`
	Type   string              `json:"type"`
	Config channelConfig       `json:"config"`
	Events []string            `json:"events"`
	Filter map[string][]string `json:"filter,omitempty"`
	Active bool                `json:"active"`
}

func (c Channels) write(ctx context.Context, k call, w WebhookChannel) (Channel, error) {
	k.secrets = []string{string(w.SigningSecret), string(w.Target.AuthHeader)}
	if err := w.check(c.client); err != nil {
		return Channel{}, k.fail(ErrInvalidRequest, err)
	}
	body := channelBody{
		Name: w.Name, Type: ChannelWebhook, Events: append([]string{}, w.Events...), Active: !w.Paused,
		Config: channelConfig{w.Target.URL, string(w.SigningSecret), string(w.Target.AuthHeader)},
	}
	if len(w.Agents) > 0 {
		body.Filter = map[string][]string{"agents": w.Agents}
	}
	k.body = body
	var channel Channel
	err := c.client.do(ctx, k, &channel)
	if err == nil && channel.ID == "" {
		return channel, k.refused("the answer has no channel_id")
	}
	return channel, err
}

func (w WebhookChannel) check(client *Client) error {
	switch {
	case w.Name == "":
		return fmt.Errorf("a channel needs a name")
	case w.SigningSecret == "":
		return fmt.Errorf("a channel needs a signing secret")
	case slices.Contains(w.Events, ""):
		return fmt.Errorf("an event type of the channel is empty")
	}
	return client.checkWebhookURL(w.Target.URL)
}
