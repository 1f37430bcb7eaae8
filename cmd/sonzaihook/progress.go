package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// progress is a line on the standard error that says how far long work is. It is
// for terminals only, and it is gone when the work is done. It is safe for
// concurrent use.
type progress struct {
	w       io.Writer // nil where nobody could see it
	columns int

	mu    sync.Mutex
	shown time.Time
}

// The line comes up once the work has taken a while, and then changes no faster
// than people read.
const progressPause = 120 * time.Millisecond

func (a *app) progress() *progress {
	p := &progress{columns: width(a.errOut), shown: time.Now()}
	if p.columns > 0 {
		p.w = a.paper(a.errOut)
	}
	return p
}

// say replaces the line.
func (p *progress) say(format string, values ...any) {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.shown) < progressPause {
		return
	}
	p.shown = time.Now()
	line := ansi.Truncate(fmt.Sprintf(format, values...), p.columns-1, "…")
	_, _ = io.WriteString(p.w, clearLine+faint.Render(line))
}

// clear removes the line. It comes before whatever else is written.
func (p *progress) clear() {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = io.WriteString(p.w, clearLine)
}

const clearLine = "\r" + ansi.EraseEntireLine
