package inspector

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// How open pages hear of deliveries. A delivery does no more than to say that there
// is news; one goroutine, which lives while pages are open and owns the position
// up to which they were told, writes the news once for all of them and hands it
// to each without waiting. A page that is too slow misses some and is told to
// reload.

const (
	mostClients  = 4096
	mostBehind   = 8   // pieces of news that wait for a client
	mostRows     = 50  // of each kind in one piece; the page is told how many more there were
	catchUp      = 100 // rows that a page gets which comes back
	newsEvery    = 100 * time.Millisecond
	pulse        = 15 * time.Second
	writeTimeout = 10 * time.Second
)

type live struct {
	inspector *Inspector
	open      atomic.Int32  // how many clients there are
	news      chan struct{} // holds one

	mu      sync.Mutex // guards what follows
	clients map[*client]struct{}
	closed  bool
	stop    chan struct{} // ends the goroutine; nil while there is none
}

// client is an open page. Only its own request reads from it.
type client struct {
	pieces chan []byte
	behind atomic.Bool   // it missed one
	gone   chan struct{} // closed by Close
}

func (l *live) start(i *Inspector) {
	l.inspector, l.news, l.clients = i, make(chan struct{}, 1), make(map[*client]struct{})
}

// wake says that there is news. It never blocks.
func (l *live) wake() {
	if l.open.Load() == 0 {
		return
	}
	select {
	case l.news <- struct{}{}:
	default:
	}
}

func (l *live) enter() (*client, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.clients) == mostClients {
		return nil, false
	}
	c := &client{pieces: make(chan []byte, mostBehind), gone: make(chan struct{})}
	l.clients[c] = struct{}{}
	l.open.Store(int32(len(l.clients)))
	if l.stop == nil {
		l.stop = make(chan struct{})
		go l.tell(l.stop, l.inspector.shelf.count())
	}
	return c, true
}

func (l *live) leave(c *client) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, here := l.clients[c]; !here {
		return
	}
	delete(l.clients, c)
	l.open.Store(int32(len(l.clients)))
	if len(l.clients) == 0 {
		close(l.stop)
		l.stop = nil
	}
}

func (l *live) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for c := range l.clients {
		delete(l.clients, c)
		close(c.gone)
	}
	l.open.Store(0)
	if l.stop != nil {
		close(l.stop)
		l.stop = nil
	}
}

// tell writes the news from a position on until it is stopped.
func (l *live) tell(stop chan struct{}, told tally) {
	for {
		select {
		case <-stop:
			return
		case <-l.news:
		}
		now := l.inspector.shelf.count()
		if now.last > told.last {
			l.hand(l.inspector.piece(told, now, mostRows))
			told = now
		}
		// More pages cost more; their news comes less often.
		wait := time.NewTimer(newsEvery + time.Duration(l.open.Load())*newsEvery/200)
		select {
		case <-stop:
			wait.Stop()
			return
		case <-wait.C:
		}
	}
}

func (l *live) hand(piece []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.clients {
		select {
		case c.pieces <- piece:
		default:
			c.behind.Store(true)
		}
	}
}

// news is what a page is told: rows, newest first, and how many there were besides.
type news struct {
	Rows   []row          `json:"rows"`
	Missed map[string]int `json:"missed,omitempty"`
	Counts map[string]int `json:"counts"`
}

// piece writes what came after one position and not after another.
func (i *Inspector) piece(from, to tally, most int) []byte {
	defer i.shelf.read()()
	n := news{Rows: []row{}, Missed: map[string]int{}, Counts: map[string]int{}}
	for k := range kinds {
		list := i.shelf.newest(k, from.last, most)
		for _, r := range list {
			n.Rows = append(n.Rows, i.row(r))
		}
		if missed := int(to.pushed[k]-from.pushed[k]) - len(list); missed > 0 {
			n.Missed[k.String()] = missed
		}
		n.Counts[k.String()] = to.n[k]
	}
	data, err := json.Marshal(n)
	if err != nil {
		data = []byte("{}") // texts and numbers can be encoded
	}
	return fmt.Appendf(nil, "id: %s\nevent: rows\ndata: %s\n\n", i.position(to.last), data)
}

func (i *Inspector) position(seq uint64) string {
	return i.instance + "-" + strconv.FormatUint(seq, 10)
}

// since reads a position of this inspector.
func (i *Inspector) since(position string) (uint64, bool) {
	instance, number, _ := strings.Cut(position, "-")
	seq, err := strconv.ParseUint(number, 10, 64)
	return seq, err == nil && instance == i.instance
}

const reload = "event: reload\ndata: {}\n\n"

// stream serves the news to one page until it goes.
func (i *Inspector) stream(w http.ResponseWriter, req *http.Request) {
	c, ok := i.live.enter()
	if !ok {
		w.WriteHeader(http.StatusNoContent) // tells an EventSource not to come back
		return
	}
	defer i.live.leave(c)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	out := streamWriter{w, http.NewResponseController(w)}
	if !out.write(i.greeting(req)) {
		return
	}
	beat := time.NewTicker(pulse)
	defer beat.Stop()
	for {
		var piece []byte
		select {
		case <-req.Context().Done():
			return
		case <-c.gone:
			return
		case piece = <-c.pieces:
		case <-beat.C:
			piece = []byte(":\n\n")
		}
		if c.behind.Swap(false) {
			piece = append([]byte(reload), piece...)
		}
		if !out.write(piece) {
			return
		}
	}
}

// greeting is what a page gets first: what came since it was made, or since its
// stream broke.
func (i *Inspector) greeting(req *http.Request) []byte {
	defer i.shelf.read()()
	position := req.Header.Get("Last-Event-ID")
	if position == "" {
		position = req.URL.Query().Get("after")
	}
	now := i.shelf.count()
	head := []byte("retry: 1000\n\n")
	after, ok := i.since(position)
	if !ok || after > now.last {
		return append(head, reload...)
	}
	from := tally{last: after}
	for k := range kinds { // what is gone by now is not missed: the page shows no more than is kept
		from.pushed[k] = now.pushed[k] - uint64(len(i.shelf.newest(k, after, now.n[k])))
	}
	return append(head, i.piece(from, now, catchUp)...)
}

type streamWriter struct {
	w  http.ResponseWriter
	to *http.ResponseController
}

// write sends a piece, or gives up on a client that does not take it.
func (s streamWriter) write(piece []byte) bool {
	_ = s.to.SetWriteDeadline(time.Now().Add(writeTimeout)) // where it is not supported the server's own holds
	if _, err := s.w.Write(piece); err != nil {
		return false
	}
	return s.to.Flush() == nil
}
