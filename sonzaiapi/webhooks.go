package sonzaiapi

import (
	"context"
	"net/http"
)

// Webhooks makes the webhook calls of the tenant or of a project. A registration is
// the URL of one event type, under the name that the call gives it: "agent.wakeup"
// and "on_wakeup_ready" are two registrations. Each has its own signing secret.
type Webhooks struct{ scope }

// Webhooks returns the webhook calls of the tenant that the API key belongs to.
func (c *Client) Webhooks() Webhooks { return Webhooks{scope{client: c}} }

// Webhooks returns the webhook calls of the project.
func (p Project) Webhooks() Webhooks { return Webhooks{p.scope()} }

// ProjectID returns the id of the project whose registrations these are, and the
// empty string for those of the tenant.
func (w Webhooks) ProjectID() string { return w.project }

// scope is what a call is about: one project, or else the tenant.
type scope struct {
	client    *Client
	project   string
	inProject bool // also where the id is empty, which the call then refuses
}

func (p Project) scope() scope { return scope{p.client, p.id, true} }

// path returns the segments of a path, below the project if there is one.
func (s scope) path(segments ...string) []string {
	if !s.inProject {
		return segments
	}
	return append([]string{"projects", s.project}, segments...)
}

// Target is where deliveries go.
type Target struct {
	// URL must be https. http is accepted only between a simulator and a
	// server on the same machine, see also [WithInsecureHTTP].
	URL string
	// AuthHeader, when not empty, is sent as Authorization with each delivery.
	AuthHeader Secret
}

// Webhook is a registration. It does not hold the signing secret.
type Webhook struct {
	ProjectID  string `json:"project_id"`
	EventType  string `json:"event_type"`
	URL        string `json:"webhook_url"`
	AuthHeader Secret `json:"auth_header,omitempty"`
	Active     bool   `json:"is_active"`
	CreatedAt  Time   `json:"created_at"`
	UpdatedAt  Time   `json:"updated_at"`
}

// Register sets the target of an event type. The platform gives the signing
// secret only the first time: for a registration that exists already the secret
// is empty, and [Webhooks.RotateSecret] asks for a new one.
func (w Webhooks) Register(ctx context.Context, eventType string, target Target) (Secret, error) {
	k := put(w.path("webhooks", eventType)...)
	if err := w.client.checkWebhookURL(target.URL); err != nil {
		return "", k.fail(ErrInvalidRequest, err)
	}
	k.secrets = []string{string(target.AuthHeader)}
	k.body = struct {
		URL        string `json:"webhook_url"`
		AuthHeader string `json:"auth_header,omitempty"`
	}{target.URL, string(target.AuthHeader)}
	return w.secret(ctx, k)
}

// List returns the registrations.
func (w Webhooks) List(ctx context.Context) ([]Webhook, error) {
	var answer struct {
		Webhooks []Webhook `json:"webhooks"`
	}
	err := w.client.do(ctx, get(w.path("webhooks")...), &answer)
	return answer.Webhooks, err
}

// Delete ends the deliveries of an event type. An event type that is not
// registered is [ErrNotFound].
func (w Webhooks) Delete(ctx context.Context, eventType string) error {
	return w.client.do(ctx, remove(w.path("webhooks", eventType)...), nil)
}

// RotateSecret replaces the signing secret of an event type and returns the new
// one. The platform signs with it from then on, also before the answer arrives.
func (w Webhooks) RotateSecret(ctx context.Context, eventType string) (Secret, error) {
	k := post(w.path("webhooks", eventType, "rotate-secret")...)
	secret, err := w.secret(ctx, k)
	if err == nil && secret == "" {
		return "", k.refused("the answer has no signing_secret")
	}
	return secret, err
}

// secret makes a call that answers a signing secret.
func (w Webhooks) secret(ctx context.Context, k call) (Secret, error) {
	var answer struct {
		Success bool   `json:"success"`
		Secret  string `json:"signing_secret"`
	}
	if err := w.client.do(ctx, k, &answer); err != nil {
		return "", err
	}
	if !answer.Success {
		return "", k.refused("the platform answered success: false")
	}
	return Secret(answer.Secret), nil
}

// refused is a call that the platform answered with 200 and did not carry out.
func (k call) refused(detail string) *Error {
	e := k.fail(ErrRefused, nil)
	e.Status, e.Detail = http.StatusOK, detail
	return e
}
