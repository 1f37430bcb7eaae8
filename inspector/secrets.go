package inspector

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sonzaihook/sonzaihook"
)

// known are the secrets by project, the tenant's under "". A map is never changed
// once it is in use.
type known map[string]sonzaihook.Secrets

// SetSecrets replaces the secrets of [WithSecrets].
func (i *Inspector) SetSecrets(secrets sonzaihook.Secrets) { i.SetProjectSecrets("", secrets) }

// SetProjectSecrets sets the secrets of a project's registrations, as
// sonzaihook.Project.SetSecrets does for the receiver. nil removes them.
func (i *Inspector) SetProjectSecrets(project string, secrets sonzaihook.Secrets) {
	i.changing.Lock()
	defer i.changing.Unlock()
	next := maps.Clone(*i.known.Load())
	if next[project] = clone(secrets); secrets == nil {
		delete(next, project)
	}
	i.known.Store(&next)
	i.hide.Store(next.hider(i.authorization))
}

// shortestHidden is from which length on a secret is looked for in what others
// wrote; a shorter one would be found everywhere.
const shortestHidden = 4

// hider takes the secrets out of a text.
func (k known) hider(authorization string) *strings.Replacer {
	pairs := []string{}
	hide := func(text string) {
		if len(text) >= shortestHidden {
			pairs = append(pairs, text, "••••")
		}
	}
	for _, secrets := range k {
		for _, list := range secrets {
			for _, secret := range list {
				hide(strings.TrimPrefix(secret, "whsec_"))
			}
		}
	}
	hide(authorization)
	hide(strings.TrimPrefix(authorization, "Bearer "))
	return strings.NewReplacer(pairs...)
}

// redact takes the secrets out of a text that a client or user code wrote.
func (i *Inspector) redact(text string) string { return i.hide.Load().Replace(text) }

// candidate is a secret that may have signed a delivery.
type candidate struct {
	secret, project string
	typ             sonzaihook.EventType
	number          int // among those of its type, from 0
}

func (c *candidate) name() string {
	name := string(c.typ)
	if c.typ == sonzaihook.AnyEvent {
		name = "every type"
	}
	if c.project != "" {
		name = "project " + c.project + ", " + name
	}
	if c.number > 0 {
		name += fmt.Sprintf(" (%d)", c.number+1)
	}
	return name
}

// signs reports whether the secret is for a type.
func (c *candidate) signs(typ string) bool {
	return c.typ == sonzaihook.AnyEvent || string(sonzaihook.CanonicalType(string(c.typ))) == typ
}

// distance is how likely the secret is, the smallest first: those of the project
// that the body names and of the tenant, and of them those of the type.
func (c *candidate) distance(project string, typ sonzaihook.EventType) int {
	n := 0
	if c.project != "" && c.project != project {
		n = 2
	}
	if !c.signs(string(typ)) {
		n++
	}
	return n
}

// mostSecrets bounds what is computed to explain a signature.
const mostSecrets = 32

// candidates are the secrets that may have signed a delivery, likely ones first.
func (i *Inspector) candidates(project string, typ sonzaihook.EventType) []candidate {
	var list []candidate
	for p, secrets := range *i.known.Load() {
		for t, texts := range secrets {
			for n, secret := range texts {
				list = append(list, candidate{secret, p, t, n})
			}
		}
	}
	slices.SortFunc(list, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.distance(project, typ), b.distance(project, typ)),
			cmp.Compare(a.project, b.project), cmp.Compare(a.typ, b.typ), cmp.Compare(a.number, b.number))
	})
	seen := map[string]bool{}
	list = slices.DeleteFunc(list, func(c candidate) bool {
		again := seen[c.secret]
		seen[c.secret] = true
		return again
	})
	return list[:min(len(list), mostSecrets)]
}

// signer returns the secret with which a sample of a type is signed.
func (i *Inspector) signer(project, typ string) (secret string, ok bool) {
	for _, c := range i.candidates(project, sonzaihook.EventType(typ)) {
		if c.signs(typ) && (c.project == "" || c.project == project) {
			return c.secret, true
		}
	}
	return "", false
}
