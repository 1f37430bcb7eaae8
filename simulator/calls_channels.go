package simulator

import "net/http"

const noChannel = "there is no such channel"

var channelFields = []field{
	{"name", true, "string"}, {"type", true, "string"}, {"config", false, "object"},
	{"events", false, "strings"}, {"filter", false, "object"}, {"active", false, "boolean"},
}

// created is an answer with the status 201.
type created struct{ answer any }

// readChannel reads the body of a call that writes a channel.
func (s *Simulator) readChannel(r *http.Request) (channelBody, error) {
	var body channelBody
	if err := readBody(r, channelFields, &body); err != nil {
		return body, err
	}
	if faults := body.check(s.checkURL); len(faults) > 0 {
		return body, unprocessable(faults...)
	}
	return body, nil
}

func (s *Simulator) listChannels() handler {
	return func(r *http.Request) (any, error) {
		found := []*channel{}
		for _, c := range s.projectOf(r).channels.all() {
			found = append(found, c.masked())
		}
		return map[string]any{"channels": found}, nil
	}
}

func (s *Simulator) createChannel() handler {
	return func(r *http.Request) (any, error) {
		body, err := s.readChannel(r)
		if err != nil {
			return nil, err
		}
		p := s.projectOf(r)
		return created{p.channels.create(p.id, body, s.now()).masked()}, nil
	}
}

func (s *Simulator) getChannel() handler {
	return func(r *http.Request) (any, error) {
		c, ok := s.projectOf(r).channels.find(r.PathValue("channelId"))
		if !ok {
			return nil, fail(http.StatusNotFound, noChannel)
		}
		return c.masked(), nil
	}
}

func (s *Simulator) updateChannel() handler {
	return func(r *http.Request) (any, error) {
		body, err := s.readChannel(r)
		if err != nil {
			return nil, err
		}
		c, ok := s.projectOf(r).channels.update(r.PathValue("channelId"), body, s.now())
		if !ok {
			return nil, fail(http.StatusNotFound, noChannel)
		}
		return c.masked(), nil
	}
}

func (s *Simulator) deleteChannel() handler {
	return func(r *http.Request) (any, error) {
		if !s.projectOf(r).channels.remove(r.PathValue("channelId")) {
			return nil, fail(http.StatusNotFound, noChannel)
		}
		return nil, nil
	}
}
