package signature

import (
	"crypto/sha256"
	"time"
)

// sourced is what is known of one project.
type sourced struct {
	ring    *Ring
	asked   time.Time                       // when the source was last asked, by the process's clock
	told    time.Time                       // when it last answered
	retired map[[sha256.Size]byte]time.Time // secrets that a rotation replaced, and until when they are valid
}

// merged returns a ring of the secrets of an answer and, for the time of the grace, of
// those that only the previous answer had.
func (p *sourced) merged(project string, secrets []Secret, now time.Time, grace time.Duration) *Ring {
	next := NewRing(project, secrets)
	named := map[[2]string]bool{}
	for typ, keys := range next.byType {
		for i, k := range keys {
			named[[2]string{k.Name, string(k.digest[:])}] = true
			if until, ok := p.retired[k.digest]; ok {
				next.byType[typ][i] = k.retired(until)
			}
		}
	}
	for typ, keys := range p.ring.byType {
		for _, old := range keys {
			if !named[[2]string{old.Name, string(old.digest[:])}] && old.valid(now) {
				next.byType[typ] = append(next.byType[typ], old.retired(now.Add(grace)))
			}
		}
	}
	return next
}

// retire ends the secrets of the registration of a key, but not that of the key.
func (p *sourced) retire(replacement *Key, until time.Time) {
	keys := make([]*Key, 0, len(p.ring.byType[replacement.Type]))
	for _, k := range p.ring.byType[replacement.Type] {
		if k.Name == replacement.Name && k.digest != replacement.digest {
			if p.retired == nil {
				p.retired = make(map[[sha256.Size]byte]time.Time)
			}
			k = k.retired(until)
			p.retired[k.digest] = k.until
		}
		keys = append(keys, k)
	}
	p.ring = p.ring.with(replacement.Type, keys)
}
