package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/delivery"
)

// forwarder hands each delivery to another server and answers what that answers.
type forwarder struct {
	printer *printer
	to      string
	timeout time.Duration
	project string // of a delivery that names none

	// Set if deliveries are signed anew. Otherwise the server verifies the platform's
	// signature.
	verify func(*http.Request) (*sonzaihook.Delivery, error)
	secret func(of place) (string, error)
}

// largestForwarded bounds a body. The platform's are a megabyte at most.
const largestForwarded = 8 << 20

func (f *forwarder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestForwarded))
	if err != nil {
		status := http.StatusBadRequest
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			status = http.StatusRequestEntityTooLarge
		}
		f.print(body, delivery.Reply{Status: status}, "the body cannot be read: "+err.Error(), 0)
		http.Error(w, http.StatusText(status), status)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	of := place{
		project: cmp.Or(r.PathValue("project"), delivery.Field(body, "project_id"), f.project),
		event:   cmp.Or(delivery.Field(body, delivery.TypeKeys...), r.PathValue("event")),
	}
	if f.verify != nil {
		// Without this, anyone who reaches this address could have anything signed.
		d, err := f.verify(r)
		if err != nil {
			sonzaihook.Refusal(err).Respond(w)
			return
		}
		of = place{d.Project, cmp.Or(of.event, string(d.Type))}
	}
	out, err := f.request(r, body, of)
	if err != nil {
		f.print(body, delivery.Reply{}, err.Error(), 0)
		http.Error(w, "cannot be forwarded", http.StatusBadGateway)
		return
	}
	f.proxy(w, out, body)
}

// request returns the request for the server, with the signature that it expects.
func (f *forwarder) request(r *http.Request, body []byte, of place) (*http.Request, error) {
	if err := checkPlaces("--forward-to", f.to, of.project); err != nil {
		return nil, err
	}
	target, err := url.Parse(of.url(f.to))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), f.timeout)
	context.AfterFunc(r.Context(), cancel) // ends with the request at the latest
	out := r.Clone(ctx)
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	out.URL, out.Host = target, target.Host
	if f.secret == nil {
		return out, nil
	}
	secret, err := f.secret(of)
	if err != nil {
		return nil, err
	}
	signature, err := delivery.Sign(body, secret, f.printer.console.Now())
	if err != nil {
		return nil, err
	}
	out.Header.Set(sonzaihook.SignatureHeader, signature)
	return out, nil
}

// proxy sends the request and passes the answer on.
func (f *forwarder) proxy(w http.ResponseWriter, out *http.Request, body []byte) {
	start := time.Now()
	proxy := httputil.ReverseProxy{
		Rewrite:  func(*httputil.ProxyRequest) {}, // it is complete; no X-Forwarded-For is added
		ErrorLog: log.New(io.Discard, "", 0),
		ModifyResponse: func(resp *http.Response) error {
			answer, err := io.ReadAll(io.LimitReader(resp.Body, delivery.LargestAnswer))
			if err != nil {
				return err
			}
			resp.Body = struct {
				io.Reader
				io.Closer
			}{io.MultiReader(bytes.NewReader(answer), resp.Body), resp.Body}
			reply := delivery.ReplyOf(resp, answer, time.Since(start))
			f.print(body, reply, reply.Redirected(), reply.Duration)
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			f.print(body, delivery.Reply{}, delivery.Reason(err, f.timeout).Error(), time.Since(start))
			http.Error(w, "no answer from the server behind", http.StatusBadGateway)
		},
	}
	proxy.ServeHTTP(w, out)
}

// print prints what became of a delivery. An output that is closed ends the
// command elsewhere.
func (f *forwarder) print(body []byte, answer delivery.Reply, reason string, took time.Duration) {
	line := ofBody(body)
	line.Time, line.Source = f.printer.console.Now(), string(sonzaihook.SourceWebhook)
	line.Status, line.DurationMS, line.Reason = answer.Status, console.InMS(max(took, time.Microsecond)), reason
	line.Outcome = cmp.Or(answer.Code, http.StatusText(answer.Status), delivery.CodeUnanswered)
	if answer.Status > 0 && http.StatusText(answer.Status) == "" && answer.Code == "" {
		line.Outcome = fmt.Sprintf("status %d", answer.Status)
	}
	if json.Valid(body) {
		line.Event = body
	}
	_ = f.printer.print(line, answer.Accepted())
}
