package simulator

import (
	"crypto/rand"
	"encoding/hex"
	"sync"
	"time"
)

// project is the registrations, delivery logs and notifications of a project.
type project struct {
	id      string
	history int

	mu            sync.Mutex
	registrations map[string]*registration
	order         []string // of the registrations, as they came
	logs          map[string]*deliveryLog
	notifications []notification
}

// registration is the URL of one event type.
type registration struct {
	eventType  string
	url        string
	authHeader string
	secret     string
	old        string // the secret before, while it still signs
	rotated    time.Time
	created    time.Time
	updated    time.Time
}

// target is a registration as one attempt sees it.
type target struct {
	url, authHeader string
	secrets         []string
}

func newProject(id string, history int) *project {
	return &project{
		id: id, history: history,
		registrations: map[string]*registration{},
		logs:          map[string]*deliveryLog{},
	}
}

func newSecret() string {
	var key [32]byte
	_, _ = rand.Read(key[:]) // it never fails
	return "whsec_" + hex.EncodeToString(key[:])
}

// register sets where an event type goes. The secret is empty unless the
// registration is new.
func (p *project) register(eventType, url, authHeader string, now time.Time) (secret string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, known := p.registrations[eventType]
	if !known {
		secret = newSecret()
		r = &registration{eventType: eventType, secret: secret, created: now}
		p.registrations[eventType] = r
		p.order = append(p.order, eventType)
	}
	r.url, r.authHeader, r.updated = url, authHeader, now
	return secret
}

func (p *project) registered(eventType string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.registrations[eventType]
	return ok
}

// list returns copies in the order of registration.
func (p *project) list() []registration {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]registration, 0, len(p.order))
	for _, eventType := range p.order {
		all = append(all, *p.registrations[eventType])
	}
	return all
}

func (p *project) remove(eventType string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.registrations[eventType]; !ok {
		return false
	}
	delete(p.registrations, eventType)
	for i, other := range p.order {
		if other == eventType {
			p.order = append(p.order[:i], p.order[i+1:]...)
			break
		}
	}
	return true
}

// rotate replaces the secret. The old one is kept for those simulators that sign
// with both for a while.
func (p *project) rotate(eventType string, now time.Time) (secret string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.registrations[eventType]
	if !ok {
		return "", false
	}
	r.old, r.secret, r.rotated, r.updated = r.secret, newSecret(), now, now
	return r.secret, true
}

// target returns where an attempt goes and what signs it, the newest first.
func (p *project) target(eventType string, now time.Time, overlap time.Duration) (target, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.registrations[eventType]
	if !ok {
		return target{}, false
	}
	t := target{url: r.url, authHeader: r.authHeader, secrets: []string{r.secret}}
	if r.old != "" && now.Sub(r.rotated) < overlap {
		t.secrets = append(t.secrets, r.old)
	}
	return t, true
}
