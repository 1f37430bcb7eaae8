package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// PerConnection bounds the memory of a connection that has sent less than 16 KiB
// of a body, whatever it announced: its buffers, its goroutines, and its share of
// what the collector has not collected yet. A body that is longer is read into a
// buffer that grows with it, to twice [sonzaihook.DefaultMaxBody] at most.
const PerConnection = 64 << 10

// base bounds the memory of the process without connections.
const base = 32 << 20

// Result is the cost of one kind of client.
type Result struct {
	Name        string        `json:"name"`
	Connections int           `json:"connections"` // open at once
	Peak        int64         `json:"peak"`        // bytes held by the server
	Each        int64         `json:"each"`        // of them, for each connection
	Bound       int64         `json:"bound"`
	Answered    int64         `json:"answered"` // good deliveries beside the crowd
	Again       int64         `json:"again"`    // how often the crowd's own good deliveries had to be sent again
	Gone        time.Duration `json:"gone"`     // until the server had let go of the last connection
}

// Held reports whether the bound was kept.
func (r Result) Held() error {
	if r.Peak > r.Bound {
		return fmt.Errorf("crowd: %s: %d connections took %d bytes, more than %d", r.Name, r.Connections, r.Peak, r.Bound)
	}
	return nil
}

// kind is one kind of client.
type kind struct {
	name  string
	speak func(ctx context.Context, conn net.Conn, n int, again *atomic.Int64) error
	limit func(Timeouts) time.Duration // by when the server lets go; nil: the client does
}

var kinds = []kind{
	{"silent", silent, func(t Timeouts) time.Duration { return t.ReadHeader }},
	{"headers byte by byte", trickle, func(t Timeouts) time.Duration { return t.ReadHeader }},
	{"2 MiB announced, 1 KiB sent", halfBody, func(t Timeouts) time.Duration { return t.Read }},
	{"good deliveries", good, nil},
}

// Run connects so many clients of each kind at once, one kind after the
// other, each to its own server.
func Run(ctx context.Context, connections int, timeouts Timeouts, report func(Result)) error {
	for _, k := range kinds {
		r, err := crowd(ctx, k, connections, timeouts)
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		report(r)
		if err := r.Held(); err != nil {
			return err
		}
	}
	return nil
}

func crowd(ctx context.Context, k kind, connections int, timeouts Timeouts) (Result, error) {
	server, err := start(timeouts)
	if err != nil {
		return Result{}, err
	}
	defer server.stop()
	empty, err := server.usage()
	if err != nil {
		return Result{}, err
	}
	r := Result{Name: k.name, Bound: base + int64(connections)*PerConnection}
	began := time.Now()
	conns, err := connect(ctx, server.addr, connections)
	defer closeAll(conns)
	if err != nil {
		return r, err
	}
	var again atomic.Int64
	err = speakAll(ctx, k, conns, &again, func() error { return beside(ctx, server.addr, &r.Answered) })
	if err != nil {
		return r, err
	}
	r.Again = again.Load()
	r.Gone = time.Since(began)
	if k.limit != nil && r.Gone > k.limit(timeouts)+30*time.Second {
		return r, fmt.Errorf("crowd: the server let go after %v, want %v", r.Gone, k.limit(timeouts))
	}
	last, err := server.usage()
	if err != nil {
		return r, err
	}
	r.Connections, r.Peak = int(last.MostOpen), last.Peak
	r.Each = (r.Peak - empty.Peak) / int64(connections)
	return r, nil
}

// connect opens connections, a few hundred at a time.
func connect(ctx context.Context, addr string, n int) ([]net.Conn, error) {
	conns := make([]net.Conn, n)
	errs := make([]error, n)
	slots := make(chan struct{}, 128)
	var wg sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			conns[i], errs[i] = (&net.Dialer{Timeout: 30 * time.Second}).DialContext(ctx, "tcp", addr)
		})
	}
	wg.Wait()
	return conns, errors.Join(errs...)
}

func closeAll(conns []net.Conn) {
	for _, conn := range conns {
		if conn != nil {
			_ = conn.Close()
		}
	}
}

// speakAll lets every connection speak, and something else happen meanwhile.
func speakAll(ctx context.Context, k kind, conns []net.Conn, again *atomic.Int64, meanwhile func() error) error {
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	keep := func(err error) {
		if err != nil {
			failed.CompareAndSwap(nil, &err)
		}
	}
	for n, conn := range conns {
		wg.Go(func() { keep(k.speak(ctx, conn, n, again)) })
	}
	wg.Go(func() { keep(meanwhile()) })
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// beside delivers one after the other while the crowd is there.
func beside(ctx context.Context, addr string, answered *int64) error {
	client := &http.Client{Timeout: time.Minute}
	defer client.CloseIdleConnections()
	for i := range 20 {
		raw := message(-1 - i)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/webhooks/sonzai", bytes.NewReader(raw))
		if err != nil {
			return err
		}
		req.Header.Set(sonzaihook.SignatureHeader, sonzaihook.Sign(raw, secret, time.Now()))
		res, err := client.Do(req)
		if err != nil {
			return fmt.Errorf("crowd: a good delivery beside the crowd: %w", err)
		}
		_ = res.Body.Close()
		switch res.StatusCode {
		case http.StatusOK:
			*answered++
		case http.StatusServiceUnavailable: // put off, as the crowd's own
		default:
			return fmt.Errorf("crowd: a good delivery beside the crowd was answered %d", res.StatusCode)
		}
	}
	return nil
}

// message is a delivery of 2 KB.
func message(n int) []byte {
	return fmt.Appendf(nil, `{"event_type":"agent.message","event_id":"evt_%d","data":{"message_id":"m_%d","content":%q}}`, n, n, strings.Repeat("hello ", 320))
}

// silent connects and says nothing: half open, as when the client's machine died.
func silent(_ context.Context, conn net.Conn, _ int, _ *atomic.Int64) error { return untilGone(conn) }

// trickle sends a header that does not end, a byte every half second.
func trickle(ctx context.Context, conn net.Conn, _ int, _ *atomic.Int64) error {
	gone := make(chan error, 1)
	go func() { gone <- untilGone(conn) }()
	_, _ = io.WriteString(conn, "POST /webhooks/sonzai HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	for {
		select {
		case err := <-gone:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
			_, _ = io.WriteString(conn, "a") // the server may be gone; untilGone says so
		}
	}
}

// halfBody announces the largest body there may be and sends a little of it. Its
// signature has the right form and time, so that the body is read.
func halfBody(_ context.Context, conn net.Conn, _ int, _ *atomic.Int64) error {
	_, err := fmt.Fprintf(conn, "POST /webhooks/sonzai HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s: %s\r\n\r\n%s",
		sonzaihook.DefaultMaxBody, sonzaihook.SignatureHeader, sonzaihook.Sign(nil, secret, time.Now()), bytes.Repeat([]byte(" "), 1024))
	if err != nil {
		return fmt.Errorf("crowd: %w", err)
	}
	return untilGone(conn)
}

// untilGone reads until the server lets go.
func untilGone(conn net.Conn) error {
	_ = conn.SetReadDeadline(time.Now().Add(2 * time.Minute))
	_, err := io.Copy(io.Discard, conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.New("crowd: the server never let go of a connection")
	}
	return nil // a reset is as good as an end
}

// good delivers three times over its connection. As the platform does, it sends
// again what is put off, and what is cut off because the machine was too busy to
// read it in time.
func good(ctx context.Context, conn net.Conn, n int, again *atomic.Int64) error {
	addr, until := conn.RemoteAddr().String(), time.Now().Add(2*time.Minute)
	answers := bufio.NewReaderSize(conn, 512)
	for i := 0; i < 3; {
		_ = conn.SetDeadline(until)
		status, err := deliver(conn, answers, message(3*n+i))
		switch {
		case status == http.StatusOK:
			i++
			continue
		case err == nil && status != http.StatusServiceUnavailable:
			return fmt.Errorf("crowd: a good delivery was answered %d", status)
		case time.Now().After(until) || ctx.Err() != nil:
			return errors.New("crowd: a good delivery was never taken")
		}
		again.Add(1)
		time.Sleep(100 * time.Millisecond)
		if err != nil {
			_ = conn.Close()
			if conn, err = net.Dial("tcp", addr); err != nil {
				return fmt.Errorf("crowd: %w", err)
			}
			defer conn.Close()
			answers.Reset(conn)
		}
	}
	return nil
}

func deliver(conn net.Conn, answers *bufio.Reader, raw []byte) (status int, err error) {
	_, err = fmt.Fprintf(conn, "POST /webhooks/sonzai HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s: %s\r\n\r\n%s",
		len(raw), sonzaihook.SignatureHeader, sonzaihook.Sign(raw, secret, time.Now()), raw)
	if err != nil {
		return 0, err
	}
	res, err := http.ReadResponse(answers, nil)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}
