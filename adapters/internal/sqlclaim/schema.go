package sqlclaim

import (
	"cmp"
	"embed"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

//go:embed migrations/*/*.sql
var files embed.FS

// Migration is one step from a version of the tables to the next.
type Migration struct {
	Version    int
	Statements []string
}

// Files returns the migrations of a database as files: "postgres", "sqlite" or
// "mysql".
func Files(database string) fs.FS {
	sub, err := fs.Sub(files, "migrations/"+database)
	if err != nil {
		panic("sqlclaim: no migrations for " + database) // a constant of this module
	}
	return sub
}

// Migrations returns the migrations of a database, in their order.
func Migrations(database string) []Migration {
	fsys := Files(database)
	names, err := fs.Glob(fsys, "*.sql")
	if err != nil || len(names) == 0 {
		panic("sqlclaim: no migrations for " + database)
	}
	steps := make([]Migration, 0, len(names))
	for _, name := range names {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			panic("sqlclaim: " + err.Error())
		}
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.Atoi(number)
		if err != nil {
			panic("sqlclaim: " + err.Error())
		}
		steps = append(steps, Migration{Version: version, Statements: split(string(text))})
	}
	slices.SortFunc(steps, func(a, b Migration) int { return cmp.Compare(a.Version, b.Version) })
	return steps
}

// split returns the statements of a file. They hold no semicolon but at the end.
func split(text string) []string {
	var statements []string
	for part := range strings.SplitSeq(text, ";\n") {
		if part = strings.TrimSpace(withoutComments(part)); part != "" {
			statements = append(statements, part)
		}
	}
	return statements
}

func withoutComments(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// Schema returns all statements that make the tables in an empty database.
func Schema(database string) string {
	var out strings.Builder
	for _, step := range Migrations(database) {
		for _, statement := range step.Statements {
			out.WriteString(statement)
			out.WriteString(";\n\n")
		}
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// Version is the version of the tables that this code needs, and works with.
const Version = 2

// PostgreSQL's advisory locks under which tables are made and cleaned, one for each
// schema. They end with their transaction.
const (
	MigrationLock = "SELECT pg_advisory_xact_lock(126917437350249 # hashtext(coalesce(current_schema(), ''))::bigint)"
	SweepLock     = "SELECT pg_try_advisory_xact_lock(126917437350250 # hashtext(coalesce(current_schema(), ''))::bigint)"
)
