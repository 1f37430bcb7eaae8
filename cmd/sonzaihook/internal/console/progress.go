package console

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// Progress is a line on the standard error that says how far long work is. It is
// shown on terminals only, and is gone when the work is done. It is safe for
// concurrent use.
type Progress struct {
	w       io.Writer // nil unless it is a terminal
	columns int

	mu    sync.Mutex
	shown time.Time
}

// The line comes up once the work has taken a while, and then changes no faster
// than people read.
const progressPause = 120 * time.Millisecond

// Progress returns the line; nothing is shown yet.
func (c *Console) Progress() *Progress {
	p := &Progress{columns: width(c.ErrOut), shown: time.Now()}
	if p.columns > 0 {
		p.w = c.styled(c.ErrOut)
	}
	return p
}

// Say replaces the line.
func (p *Progress) Say(format string, values ...any) {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.shown) < progressPause {
		return
	}
	p.shown = time.Now()
	_, _ = io.WriteString(p.w, clearLine+Faint(fmt.Sprintf(format, values...)).cut(p.columns-1).Render())
}

// Clear removes the line. It comes before whatever else is written.
func (p *Progress) Clear() {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = io.WriteString(p.w, clearLine)
}

const clearLine = "\r" + ansi.EraseEntireLine
