package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// The load: a fixed number of requests over a fixed number of connections, all of
// them signed beforehand. It is written on bare connections, so that it takes
// less of the machine than what it loads.

const connections = 8

// stream is one connection and what is sent over it.
type stream struct {
	conn       net.Conn
	answers    *bufio.Reader
	request    []byte // head and body, changed in place
	body       *body  // its bytes are the end of request
	signature  []byte // a part of request
	first      int    // the number of its first event
	signatures []string
}

type load struct{ streams []*stream }

// newLoad connects and signs n events.
func (k *child) newLoad(b *body, n int) (*load, error) {
	l := &load{}
	for i := range min(connections, n) {
		conn, err := net.Dial("tcp", k.addr)
		if err != nil {
			l.close()
			return nil, err
		}
		share := n/min(connections, n) + btoi(i < n%min(connections, n))
		l.streams = append(l.streams, newStream(conn, k.contender.scheme, b.clone(), k.next, share))
		k.next += share
	}
	return l, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func newStream(conn net.Conn, s *scheme, b *body, first, n int) *stream {
	st := &stream{conn: conn, answers: bufio.NewReader(conn), body: b, first: first}
	at := time.Now()
	for i := range n {
		b.setID(first + i)
		st.signatures = append(st.signatures, s.sign(b.bytes, secret, at))
	}
	var head bytes.Buffer
	fmt.Fprintf(&head, "POST /%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n", b.typ, len(b.bytes))
	// Every signature of a scheme has the same length.
	_ = s.headers(st.signatures[0], at).Write(&head)
	head.WriteString("\r\n")
	at0 := bytes.Index(head.Bytes(), []byte(st.signatures[0]))
	st.request = append(head.Bytes(), b.bytes...)
	st.signature = st.request[at0 : at0+len(st.signatures[0])]
	b.bytes = st.request[len(st.request)-len(b.bytes):]
	return st
}

// run sends everything and waits for the answers.
func (l *load) run() error {
	failures := make([]error, len(l.streams))
	var running sync.WaitGroup
	for i, s := range l.streams {
		running.Go(func() { failures[i] = s.run() })
	}
	running.Wait()
	return errors.Join(failures...)
}

func (l *load) close() {
	for _, s := range l.streams {
		_ = s.conn.Close()
	}
}

func (s *stream) run() error {
	if err := s.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	for i, signature := range s.signatures {
		s.body.setID(s.first + i)
		copy(s.signature, signature)
		if _, err := s.conn.Write(s.request); err != nil {
			return err
		}
		status, err := s.answer()
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("the server answered %d", status)
		}
	}
	return nil
}

var (
	errBadAnswer  = errors.New("the server's answer is not HTTP/1.1 with a content length")
	contentLength = []byte("Content-Length: ")
)

// answer reads one answer of a Go server, and no more of HTTP than that.
func (s *stream) answer() (status int, err error) {
	line, err := s.answers.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 {
		return 0, errBadAnswer
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, errBadAnswer
	}
	length := -1
	for {
		if line, err = s.answers.ReadSlice('\n'); err != nil {
			return 0, err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			break
		}
		if value, found := bytes.CutPrefix(line, contentLength); found {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, errBadAnswer
			}
		}
	}
	if length < 0 {
		return 0, errBadAnswer
	}
	_, err = s.answers.Discard(length)
	return status, err
}
