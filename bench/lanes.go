package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// The lanes: a contender, a body and what is to become of it. They are the same
// for every contender but for the contender.

// delivering is a lane that puts a delivery through a handler, without a server.
type delivering struct {
	contender *contender
	body      *body
	secrets   []string // in the order in which the contender tries them
	signer    string   // the secret that signs
	age       time.Duration
	refused   bool
	build     func(*sink) http.Handler // instead of the contender's own
	counts    *sink                    // where the handler tells of events, instead of sink

	sink       sink
	handler    http.Handler
	signatures []string
	req        http.Request
	reader     countingReader
	answer     recorder
}

// warmUp is how many deliveries a handler takes before its time is taken.
const warmUp = 8

func deliver(c *contender, b *body) *delivering {
	return &delivering{contender: c, body: b.clone(), secrets: []string{secret}, signer: secret}
}

func (d *delivering) lane(name string) lane {
	return lane{name: name, prepare: d.prepare, run: d.run}
}

// prepare makes a handler and signs n events, each of them another.
func (d *delivering) prepare(n int) error {
	at := time.Now().Add(-d.age)
	d.signatures = d.signatures[:0]
	for i := range n + warmUp {
		d.body.setID(i)
		d.signatures = append(d.signatures, d.contender.scheme.sign(d.body.bytes, d.signer, at))
	}
	d.req = http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: "/webhooks/sonzai"}, Host: "localhost",
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: d.contender.scheme.headers("", at), ContentLength: int64(len(d.body.bytes)),
	}
	d.answer.header = http.Header{}
	d.sink.reset()
	d.handler = d.make()
	runtime.GC()
	if err := d.deliverAll(0, warmUp); err != nil {
		return err
	}
	d.reader.total = 0
	return nil
}

func (d *delivering) make() http.Handler {
	if d.build != nil {
		return d.build(&d.sink)
	}
	return d.contender.handler(&d.sink, d.body.typ, d.secrets)
}

func (d *delivering) run(n int) error { return d.deliverAll(warmUp, warmUp+n) }

func (d *delivering) deliverAll(from, to int) error {
	signature := d.req.Header[http.CanonicalHeaderKey(d.contender.scheme.header)]
	counts := &d.sink
	if d.counts != nil {
		counts = d.counts
	}
	events := counts.events.Load()
	for i := from; i < to; i++ {
		d.body.setID(i)
		signature[0] = d.signatures[i]
		d.reader.Reset(d.body.bytes)
		d.req.Body = &d.reader
		d.answer.reset()
		d.handler.ServeHTTP(&d.answer, &d.req)
		if d.refused == (d.answer.status < http.StatusBadRequest) {
			return fmt.Errorf("%s answered %d to delivery %d", d.contender.name, d.answer.status, i)
		}
	}
	if took := counts.events.Load() - events; !d.refused && took != int64(to-from) {
		return fmt.Errorf("%s took %d of %d events", d.contender.name, took, to-from)
	}
	return nil
}

// countingReader is the body of a request.
type countingReader struct {
	bytes.Reader
	total int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.total += int64(n)
	return n, err
}

func (c *countingReader) WriteTo(w io.Writer) (int64, error) {
	n, err := c.Reader.WriteTo(w)
	c.total += n
	return n, err
}

func (c *countingReader) Close() error { return nil }

// recorder is the least that a handler can answer to.
type recorder struct {
	header http.Header
	status int
}

func (r *recorder) reset() {
	clear(r.header)
	r.status = 0
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return len(p), nil
}

// verifyLane is a lane that checks one signature over and over.
func verifyLane(c *contender, b *body) lane {
	b = b.clone()
	var verify func([]byte, http.Header) error
	var header http.Header
	return lane{
		name: c.name,
		prepare: func(int) error {
			now := time.Now()
			header = c.scheme.headers(c.scheme.sign(b.bytes, secret, now), now)
			verify = c.verifier()
			runtime.GC()
			return verify(b.bytes, header)
		},
		run: func(n int) error {
			for range n {
				if err := verify(b.bytes, header); err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
			}
			return nil
		},
	}
}

// secretsByType returns n secrets, spread over the documented types, of which the
// first of t is the one that signs.
func secretsByType(n int, t sonzaihook.EventType) sonzaihook.Secrets {
	if n == 1 {
		return sonzaihook.Secrets{t: {secret}}
	}
	secrets := sonzaihook.Secrets{t: {secret}}
	types := sonzaihook.EventTypes()
	for i := range n {
		if other := types[i%len(types)]; other != t || i >= len(types) {
			secrets[other] = append(secrets[other], fmt.Sprintf("another secret, the %d. of all of them", i))
		}
	}
	return secrets
}

// secretsInOrder returns n secrets, the one that signs at the end.
func secretsInOrder(n int) []string {
	secrets := make([]string, n)
	for i := range secrets {
		secrets[i] = fmt.Sprintf("another secret, the %d. of all of them", i)
	}
	secrets[n-1] = secret
	return secrets
}
