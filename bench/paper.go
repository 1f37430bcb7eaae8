package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

// paper is where the tables go: to the screen as they come, and into a Markdown
// document.
type paper struct {
	screen   io.Writer
	markdown io.Writer
	colours  bool
	told     []*contender
}

func newPaper(screen *os.File, markdown io.Writer) *paper {
	colours := term.IsTerminal(int(screen.Fd())) && os.Getenv("NO_COLOR") == ""
	if !colours {
		text.DisableColors()
	}
	return &paper{screen: screen, markdown: markdown, colours: colours}
}

func (p *paper) head(c *config) {
	p.write("# sonzaihook beside what one would use instead\n\n" +
		"Written by `cd bench && go run .`; do not edit.\n\n")
	p.both("%s, %s, %s/%s. GOMAXPROCS=1. %d rounds, interleaved; each figure is the median of the rounds,\n"+
		"each ratio the median of the ratios within a round. Times are processor time, save for the real server, the stores\n"+
		"and the queues: these use every processor, share them with their servers, and have fewer and longer rounds.\n",
		runtime.Version(), processor(), runtime.GOOS, runtime.GOARCH, c.plan.rounds)
}

func (p *paper) both(format string, args ...any) {
	_, _ = fmt.Fprintf(p.screen, format, args...)
	_, _ = fmt.Fprintf(p.markdown, format, args...)
}

func (p *paper) write(s string) { _, _ = io.WriteString(p.markdown, s) }

// title starts a table.
func (p *paper) title(name, about string) {
	_, _ = fmt.Fprintf(p.screen, "\n%s\n%s\n", text.Bold.Sprint(name), text.WrapSoft(about, 110))
	p.write("\n## " + name + "\n\n" + about + "\n\n")
}

func (p *paper) table(header table.Row, rows []table.Row) {
	t := table.NewWriter()
	t.AppendHeader(header)
	t.AppendRows(rows)
	var columns []table.ColumnConfig
	for i := 2; i <= len(header); i++ {
		columns = append(columns, table.ColumnConfig{Number: i, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(columns)
	t.SetStyle(table.StyleRounded)
	t.Style().Format.Header = text.FormatDefault
	_, _ = fmt.Fprintln(p.screen, t.Render())
	p.write(markdownTable(header, rows))
}

// comparison prints times by size, and how they compare with the first row.
func (p *paper) comparison(name, about string, columns [][]result) {
	p.title(name, about)
	p.bySize(columns, func(r *result) string { return duration(r.ns()) }, (*result).over)
}

// comparedLanes are two lanes of a race, by their place.
type comparedLanes struct {
	name        string
	over, under int
}

// ratios prints how lanes compare, and not how long they took.
func (p *paper) ratios(name, about string, columns [][]result, compared []comparedLanes) {
	p.title(name, about)
	header := table.Row{""}
	for _, s := range sizes {
		header = append(header, s.label)
	}
	var rows []table.Row
	for _, c := range compared {
		row := table.Row{c.name}
		for _, results := range columns {
			row = append(row, ratio(results[c.over].over(&results[c.under])))
		}
		rows = append(rows, row)
	}
	p.table(header, rows)
}

// costs prints what was allocated for each run.
func (p *paper) costs(columns [][]result) {
	p.both("\nAllocations, and the bytes in them:\n\n")
	header := table.Row{""}
	for _, s := range sizes {
		header = append(header, s.label, "bytes")
	}
	var rows []table.Row
	for i := range columns[0] {
		row := table.Row{columns[0][i].name}
		for _, results := range columns {
			row = append(row, count(results[i].allocs()), volume(results[i].bytes()))
		}
		rows = append(rows, row)
	}
	p.table(header, rows)
}

func (p *paper) refusals(name, about string, columns [][]result) {
	p.title(name, about)
	header := table.Row{"", "400 B", "×", "allocs", "256 KB", "×", "allocs", "bytes", "read"}
	var rows []table.Row
	for i := range columns[0] {
		small, large := &columns[0][i], &columns[1][i]
		rows = append(rows, table.Row{
			small.name,
			duration(small.ns()), ratio(small.over(&columns[0][0])), count(small.allocs()),
			duration(large.ns()), ratio(large.over(&columns[1][0])), count(large.allocs()),
			volume(large.bytes()), volume(large.peeked()),
		})
	}
	p.table(header, rows)
}

// throughput prints requests per second, and the processor time of the server.
func (p *paper) throughput(columns [][]result) {
	p.title("A real server: requests per second", fmt.Sprintf("`net/http` on loopback, one core for each contender's process, %d connections that are kept alive, "+
		"the load from another process. × is how many times as many the first row answers.", connections))
	p.bySize(columns, func(r *result) string { return count(1e9 / r.ns()) }, (*result).over)
	p.title("A real server: processor time", "What the server's process uses for one request, the kernel's share included. × is how many times as long as the first row.")
	p.bySize(columns, func(r *result) string { return duration(r.peeked()) }, (*result).peekedOver)
}

// bySize prints a figure for each size, and how it compares with the first row's.
func (p *paper) bySize(columns [][]result, figure func(*result) string, over func(r, base *result) float64) {
	header := table.Row{""}
	for _, s := range sizes {
		header = append(header, s.label, "×")
	}
	var rows []table.Row
	for i := range columns[0] {
		row := table.Row{columns[0][i].name}
		for _, results := range columns {
			row = append(row, figure(&results[i]), ratio(over(&results[i], &results[0])))
		}
		rows = append(rows, row)
	}
	p.table(header, rows)
}

func (p *paper) targets(rows []reached) {
	p.title("What was aimed at", "Measured, and in brackets the aim. Ratios of times, unless it says otherwise.")
	header := table.Row{""}
	for _, s := range sizes {
		header = append(header, s.label)
	}
	var out []table.Row
	for _, r := range rows {
		row := table.Row{r.what}
		for _, c := range r.cells {
			row = append(row, p.mark(c))
		}
		out = append(out, row)
	}
	p.table(header, out)
}

func (p *paper) mark(c cell) string {
	switch {
	case c.open:
		return c.text
	case c.ok:
		return text.FgGreen.Sprint(c.text + " ✓")
	}
	return text.FgRed.Sprint(c.text + " ✗")
}

// remember notes who ran, for the notes.
func (p *paper) remember(cs ...*contender) {
	for _, c := range cs {
		known := false
		for _, told := range p.told {
			known = known || told == c
		}
		if !known {
			p.told = append(p.told, c)
		}
	}
}

// versioned are parts of the names of the modules whose version is said.
var versioned = []string{
	"stripe-go", "svix-webhooks", "standard-webhooks/libraries", "paddle-go-sdk", "PaddleHQ", "go-playground/webhooks", "go-github", "go-json-experiment",
	"go-redis", "rueidis", "jackc/pgx", "go-sql-driver", "modernc.org/sqlite", "riverqueue/river", "watermill", "goqite",
}

// notes says who the contenders are.
func (p *paper) notes() {
	p.write("\n## Who runs\n")
	for i, c := range p.told {
		if i == 0 {
			p.write("\n")
		}
		p.write("- **" + c.name + "**: " + c.about + ".\n")
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return
	}
	p.write("\nVersions:")
	for _, dep := range info.Deps {
		if slices.ContainsFunc(versioned, func(named string) bool { return strings.Contains(dep.Path, named) }) {
			p.write(" `" + dep.Path + "` " + dep.Version + ";")
		}
	}
	p.write(" the rest is the standard library.\n")
}

func duration(ns float64) string {
	switch {
	case ns < 1e3:
		return fmt.Sprintf("%.0f ns", ns)
	case ns < 1e4:
		return fmt.Sprintf("%.2f µs", ns/1e3)
	case ns < 1e6:
		return fmt.Sprintf("%.1f µs", ns/1e3)
	}
	return fmt.Sprintf("%.2f ms", ns/1e6)
}

func volume(n float64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%.0f B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KB", n/(1<<10))
	}
	return fmt.Sprintf("%.1f MB", n/(1<<20))
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// processor returns the name of the processor, where the system tells it.
func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}
