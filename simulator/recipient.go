package simulator

// recipient is where an event is delivered: the registration under this name or,
// where channel is not empty, that channel, which takes the event under this name.
type recipient struct{ eventType, channel string }

// log returns the recipient whose delivery log the attempts are in: a channel has
// one for all its events.
func (r recipient) log() recipient {
	if r.channel != "" {
		r.eventType = ""
	}
	return r
}

// target is a registration or a channel as one attempt sees it.
type target struct {
	url, authHeader string
	secrets         []string
}
