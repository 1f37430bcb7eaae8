package simulator

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"sync"
	"time"
)

// project is the registrations, channels, delivery logs and notifications of a
// project.
type project struct {
	id      string
	history int

	channels      channels
	notifications notifications

	mu            sync.Mutex
	registrations map[string]*registration
	order         []string // of the registrations, as they came
	logs          map[recipient]*deliveryLog
}

// registration is the URL of one event type, under one of its names.
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

func newProject(id string, history int) *project {
	return &project{
		id: id, history: history,
		registrations: map[string]*registration{},
		logs:          map[recipient]*deliveryLog{},
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

// name returns the name under which an event is registered, or else the first of
// its names.
func (p *project) name(names []string) (name string, registered bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range names {
		if _, ok := p.registrations[name]; ok {
			return name, true
		}
	}
	return names[0], false
}

// recipients returns where an event with these names goes. Where several of them
// are registered, the first takes it.
func (p *project) recipients(names []string, agentID string) []recipient {
	var all []recipient
	if name, ok := p.name(names); ok {
		all = append(all, recipient{eventType: name})
	}
	for _, c := range p.channels.all() {
		if name, ok := c.wants(names, agentID); ok {
			all = append(all, recipient{name, c.ID})
		}
	}
	return all
}

// log keeps an attempt.
func (p *project) log(a Attempt) {
	to := recipient{a.EventType, a.ChannelID}.log()
	p.mu.Lock()
	defer p.mu.Unlock()
	l, ok := p.logs[to]
	if !ok {
		l = &deliveryLog{}
		p.logs[to] = l
	}
	l.add(a, p.history)
}

// page returns a page of the attempts for a recipient, see [deliveryLog.page].
func (p *project) page(to recipient, size, before int) (page []Attempt, more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l, ok := p.logs[to]; ok {
		return l.page(size, before)
	}
	return nil, false
}

// attempts returns all attempts for a recipient, the oldest first.
func (p *project) attempts(to recipient) []Attempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l, ok := p.logs[to]; ok {
		return slices.Clone(l.attempts)
	}
	return nil
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
func (p *project) target(to recipient, now time.Time, overlap time.Duration) (target, bool) {
	if to.channel != "" {
		c, ok := p.channels.find(to.channel)
		if !ok || !*c.Active {
			return target{}, false
		}
		return c.target(now, overlap), true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.registrations[to.eventType]
	if !ok {
		return target{}, false
	}
	t := target{url: r.url, authHeader: r.authHeader, secrets: []string{r.secret}}
	if r.old != "" && now.Sub(r.rotated) < overlap {
		t.secrets = append(t.secrets, r.old)
	}
	return t, true
}
