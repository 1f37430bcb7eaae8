package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/internal/diagnosis"
)

func TestVerifyAcceptsWhatSignSigned(t *testing.T) {
	t.Parallel()
	header := strings.TrimSpace(keyed(testBody).do(t, "sign").out)
	got := keyed(testBody).do(t, "verify", "--signature", header)
	require.Equal(t, result{console.ExitYes, "✓ valid  signed 2026-01-01T00:00:00Z\n", ""}, got)
}

func TestVerifyNamesTheSecretThatSigned(t *testing.T) {
	t.Parallel()
	header := sonzaihook.Sign([]byte(testBody), testSecret, testNow)
	got := keyed(testBody).do(t, "verify", "--secret", "whsec_old", "--secret", testSecret, "--signature", header)
	require.Equal(t, "✓ valid  signed 2026-01-01T00:00:00Z with secret 2 of 2\n", got.out)
}

func TestVerifyTakesAFileWithASecretALine(t *testing.T) {
	t.Parallel()
	header := sonzaihook.Sign([]byte(testBody), testSecret, testNow)
	file := writeFile(t, "whsec_new\n"+testSecret+"\n")
	got := keyed(testBody).do(t, "verify", "--secret", "@"+file, "--signature", header)
	require.Equal(t, "✓ valid  signed 2026-01-01T00:00:00Z with secret 2 of 2\n", got.out)
}

func TestVerifySaysWhatIsAroundASecret(t *testing.T) {
	t.Parallel()
	header := sonzaihook.Sign([]byte(testBody), testSecret, testNow)
	got := keyed(testBody).do(t, "verify", "--secret", "@"+writeFile(t, "SECRET='"+testSecret+"'\n"), "--signature", header)
	require.Equal(t, console.ExitNo, got.code)
	require.Contains(t, got.out, "✗ invalid  1 problem\n")
	require.Contains(t, strings.Join(strings.Fields(got.out), " "),
		"begins with a name and an equals sign (as in an env file) and has quotes around it; without that it is the right one")
	require.NotContains(t, got.out, testSecret[6:])
}

func TestVerifyCountsOneByte(t *testing.T) {
	t.Parallel()
	header := sonzaihook.Sign([]byte(testBody), testSecret, testNow)
	got := keyed("\t"+testBody).do(t, "verify", "--signature", header)
	require.Contains(t, got.out, "1 byte of white space was added")
	require.NotContains(t, got.out, "1 bytes")
}

func TestVerifyExplainsInWords(t *testing.T) {
	t.Parallel()
	header := sonzaihook.Sign([]byte(testBody), testSecret, testNow.Add(-62*time.Minute))
	header = strings.Replace(header, "v1=", "V1=", 1)
	got := keyed(testBody+"\n").do(t, "verify", "--signature", header)
	require.Equal(t, console.ExitNo, got.code)
	require.Empty(t, got.errOut)
	mac := header[len(header)-6:]
	require.Equal(t, `✗ invalid  3 problems

  header  column 14: the name "V1" is not "v1", so the element is passed over
          t=1767221880,V1=`+header[16:22]+`…`+mac+`
                       ^
          → write it in lower case and without white space

  clock   the signature is 1 h 2 min old, which is 57 min too old: 5 min either way is allowed (signed
          2025-12-31T22:58:00Z, checked for 2026-01-01T00:00:00Z)
          → set both clocks by NTP; for a delivery that was recorded earlier, say when it arrived (--at)

  body    a newline was added to the end of the body
          → verify the bytes as they came from the connection, before anything parses, prints or saves
          them; echo and editors add newlines
`, got.out)
}

func TestVerifyLooksAtTheTimeThatIsGiven(t *testing.T) {
	t.Parallel()
	header := sonzaihook.Sign([]byte(testBody), testSecret, testNow.Add(-time.Hour))
	for at, code := range map[string]int{
		"now": console.ExitNo, "-1h": console.ExitYes, "signed": console.ExitYes, "-40m": console.ExitNo, "2025-12-31T23:04:59Z": console.ExitYes,
	} {
		require.Equal(t, code, keyed(testBody).do(t, "verify", "--signature", header, "--at", at).code, at)
	}
	require.Equal(t, console.ExitYes, keyed(testBody).do(t, "verify", "--signature", header, "--tolerance", "1h").code)
}

func TestVerifySaysWhatIsRightAllTheSame(t *testing.T) {
	t.Parallel()
	header := sonzaihook.Sign([]byte(testBody), testSecret, testNow.Add(time.Hour))
	got := keyed(testBody).do(t, "verify", "--signature", header)
	require.Contains(t, got.out, "1 h in the future, which is 55 min too early")
	require.Contains(t, got.out, "\n  ✓ the secret and the body are right\n")
}

func TestVerifyPrintsJSONForMachines(t *testing.T) {
	t.Parallel()
	header := sonzaihook.Sign([]byte(testBody), testSecret, testNow)
	got := keyed(testBody+" ").do(t, "verify", "--json", "--signature", header)
	require.Equal(t, console.ExitNo, got.code)
	var report diagnosis.Report
	require.NoError(t, json.Unmarshal([]byte(got.out), &report))
	require.Equal(t, diagnosis.Body, report.Problems[0].Kind)
	require.Equal(t, 1, strings.Count(got.out, "\n"))

	got = keyed(testBody).do(t, "verify", "--json", "--signature", header)
	require.JSONEq(t, `{"valid":true,"authentic":true,"secret":1,"signed_at":"2026-01-01T00:00:00Z"}`, got.out)
}

func TestVerifyPrintsNeitherSecretNorSignature(t *testing.T) {
	t.Parallel()
	header := sonzaihook.Sign([]byte(testBody), testSecret, testNow)
	mac := header[len(header)-64:]
	for _, secret := range []string{testSecret, testSecret + " ", `"` + testSecret + `"`, "whsec_other_0123456789"} {
		for _, signature := range []string{header, header + ",", strings.ToUpper(header), mac, "v1,=" + mac, `"` + header + `"`} {
			for _, mode := range []string{"--json=true", "--json=false"} {
				got := world{stdin: testBody + "x", now: testNow}.do(t, "verify", mode, "--secret", secret, "--signature", signature)
				require.Equal(t, console.ExitNo, got.code)
				for _, private := range []string{strings.TrimSpace(secret)[8:], mac, strings.ToUpper(mac)} {
					require.NotContains(t, got.out+got.errOut, private)
				}
			}
		}
	}
}

func TestPointShowsTheColumnUnderTheHeader(t *testing.T) {
	t.Parallel()
	long := "t=1767225600,v1=" + strings.Repeat("a", 30) + "Z" + strings.Repeat("b", 33)
	for _, test := range []struct {
		name, header string
		column       int
		want         string
	}{
		{"short", "t=1,v1=xyz", 5, "t=1,v1=xyz\n    ^"},
		{"behind the end", "t=1,", 5, "t=1,\n    ^"},
		{"inside of a long value", long, 47, "t=1767225600,v1=aaaaaa…aaaaaaZbbbbbb…bbbbbb\n                             ^"},
		{"control characters", "t=1\x1b[2J,\tv1", 10, "t=1·[2J,·v1\n         ^"},
		{"too long", strings.Repeat("a=b,", 40), 150, "(too long to show)"},
	} {
		require.Equal(t, test.want, ansi.Strip(point(test.header, test.column, 80)), test.name)
	}
}
