//go:build ignore

// Demo draws the demo as it looks in a terminal, line after line, into demo.svg:
//
//	go run docs/images/demo.go
package main

import (
	"bytes"
	"fmt"
	"html"
	"log"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"unicode/utf8"
)

// The size of a character and of a line in pixels, the margin, and the seconds
// between two lines.
const (
	width, height = 7.2, 17
	margin        = 16
	pause         = 0.12
)

var (
	escape  = regexp.MustCompile("\x1b\\[([0-9;]*)m")
	classes = map[string]string{"1": "b", "2": "d", "31": "r", "32": "g", "33": "y", "36": "c"}
)

const style = `<style>
text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre;fill:#1f2328}
rect{fill:#f6f8fa;stroke:#d1d9e0}
.b{font-weight:600}.d{fill:#656d76}.r{fill:#cf222e}.g{fill:#1a7f37}.y{fill:#9a6700}.c{fill:#0969da}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}rect{fill:#0d1117;stroke:#30363d}
.d{fill:#8d96a0}.r{fill:#ff7b72}.g{fill:#3fb950}.y{fill:#d29922}.c{fill:#58a6ff}}
@media (prefers-reduced-motion:no-preference){text{animation:show 1ms both}}
@keyframes show{from{opacity:0}}
</style>`

func main() {
	command := exec.Command("go", "run", "./cmd/sonzaihook", "demo")
	command.Env = append(os.Environ(), "CLICOLOR_FORCE=1")
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		log.Fatal(err)
	}
	lines := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	columns := 0
	for _, line := range lines {
		columns = max(columns, utf8.RuneCountInString(escape.ReplaceAllString(line, "")))
	}
	w, h := 2*margin+int(float64(columns)*width+0.5), 2*margin+len(lines)*height
	var svg bytes.Buffer
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", w, h, w, h)
	fmt.Fprintf(&svg, "<title>The demo in a terminal</title>\n%s\n", style)
	fmt.Fprintf(&svg, `<rect x=".5" y=".5" width="%d" height="%d" rx="8"/>`+"\n", w-1, h-1)
	for i, line := range lines {
		draw(&svg, i, line)
	}
	svg.WriteString("</svg>\n")
	if err := os.WriteFile("docs/images/demo.svg", svg.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
}

// draw writes one line, each of its colours as a text with a fixed width, so
// that columns stay in line whatever the font is.
func draw(svg *bytes.Buffer, row int, line string) {
	column, class := 0, ""
	show := func(text string) {
		n := utf8.RuneCountInString(text)
		if strings.TrimSpace(text) != "" {
			fmt.Fprintf(svg, `<text x="%.1f" y="%d" textLength="%.1f" class="%s" style="animation-delay:%.2fs" xml:space="preserve">%s</text>`+"\n",
				margin+float64(column)*width, margin+row*height+12, float64(n)*width, class, float64(row)*pause, html.EscapeString(text))
		}
		column += n
	}
	for {
		at := escape.FindStringSubmatchIndex(line)
		if at == nil {
			show(line)
			return
		}
		show(line[:at[0]])
		class = classes[line[at[2]:at[3]]]
		line = line[at[1]:]
	}
}
