package diagnosis

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/internal/signature"
	"github.com/sonzaihook/sonzaihook/testdata"
)

const (
	secret = "whsec_c2VjcmV0IGtleSBvZiB0aGUgdGVzdHM="
	key    = "c2VjcmV0IGtleSBvZiB0aGUgdGVzdHM="
	sample = `{"event_type":"agent.message","event_id":"evt_1","data":{"content":"a <b> & é/😀","score":1.50}}`
)

var now = time.Unix(1767225600, 0)

// signed returns the header of a body by a key whose bytes are given.
func signed(body, key string) string { return signedAs("1767225600.", body, key) }

func signedAs(before, body, key string) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(before + body))
	return "t=1767225600,v1=" + hex.EncodeToString(h.Sum(nil))
}

func explain(body, header string, secrets ...string) Report {
	return Explain(Input{Body: []byte(body), Header: header, Secrets: secrets, Now: now, Tolerance: 5 * time.Minute})
}

func kinds(r Report) []Kind {
	var list []Kind
	for _, p := range r.Problems {
		list = append(list, p.Kind)
	}
	return list
}

func TestExplainAgreesWithEverySignatureVector(t *testing.T) {
	t.Parallel()
	text, err := testdata.Files.ReadFile("signatures.json")
	require.NoError(t, err)
	var vectors []struct {
		Name      string `json:"name"`
		Secret    string `json:"secret"`
		Body      string `json:"body"`
		Header    string `json:"header"`
		Now       int64  `json:"now"`
		Tolerance int64  `json:"tolerance_seconds"`
		Verdict   string `json:"verdict"`
	}
	require.NoError(t, json.Unmarshal(text, &vectors))
	require.NotEmpty(t, vectors)
	expected := map[string][]Kind{
		"missing":           {Header},
		"malformed":         {Header},
		"outside_tolerance": {Clock},
		"mismatch":          {Secret, Body, Scheme, Match},
		"invalid_secret":    {Secret},
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			report := Explain(Input{
				Body: []byte(v.Body), Header: v.Header, Secrets: []string{v.Secret},
				Now: time.Unix(v.Now, 0), Tolerance: time.Duration(v.Tolerance) * time.Second,
			})
			require.Equal(t, v.Verdict == "ok", report.Valid)
			if v.Verdict == "ok" {
				require.Empty(t, report.Problems)
				return
			}
			require.Subset(t, append(expected[v.Verdict], Match), kinds(report)[:1])
		})
	}
}

func TestExplainFindsWhatChangedTheBody(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, signed, body, what string }{
		{"newline added", sample, sample + "\n", "a newline was added to the end"},
		{"Windows line end added", sample, sample + "\r\n", "a Windows line end was added"},
		{"space added", sample, sample + " ", "a space was added to the end"},
		{"newline lost", sample + "\n", sample, "the newline at the end of the body was lost"},
		{"white space around", sample, "\n\n " + sample + " \n", "5 bytes of white space were added around"},
		{"a tab around", sample, "\t" + sample, "1 byte of white space was added around"},
		{"byte order mark added", sample, "\xef\xbb\xbf" + sample, "a byte order mark was put before"},
		{"byte order mark lost", "\xef\xbb\xbf" + sample, sample, "the byte order mark before the body was lost"},
		{"LF to CRLF", "{\n\"a\":1\n}\n", "{\r\n\"a\":1\r\n}\r\n", "from LF to CRLF"},
		{"CRLF to LF", "{\r\n\"a\":1\r\n}\r\n", "{\n\"a\":1\n}\n", "from CRLF to LF"},
		{"base64", sample, base64.StdEncoding.EncodeToString([]byte(sample)), "the body is in base64"},
		{"a string", sample, strconv.Quote(`{"a":1}`), ""},
		{"indented", `{"b":1,"a":[2,3]}`, "{\n  \"b\": 1,\n  \"a\": [\n    2,\n    3\n  ]\n}", "same JSON compact"},
		{"compacted", "{\n    \"b\": 1\n}", `{"b":1}`, "same JSON indented by 4"},
		{"compacted Python", `{"b": 1, "a": 2}`, `{"b":1,"a":2}`, "a space after each colon and comma"},
		{"sorted keys", `{"a":2,"b":1}`, `{"b":1,"a":2}`, "compact, with sorted keys"},
		{"numbers", `{"a":1.5}`, `{"a":1.50}`, "numbers in their shortest form"},
		{"HTML escapes", `{"a":"\u003cb\u003e"}`, `{"a":"<b>"}`, "with <, > and & escaped"},
		{"no ASCII escapes", `{"a":"\u00e9\ud83d\ude00"}`, `{"a":"é😀"}`, "everything but ASCII escaped"},
		{"unescaped", `{"a":"é"}`, `{"a":"\u00e9"}`, "with fewer escapes"},
		{"slashes", `{"a":"x\/y"}`, `{"a":"x/y"}`, "with slashes escaped"},
		{"encoder's newline", "{\"a\":1}\n", `{"a": 1}`, "with a newline at its end"},
		{"empty", "", sample, "the sender signed an empty body"},
		{"to Latin-1", `{"a":"é ü"}`, "{\"a\":\"\xe9 \xfc\"}", "converted from UTF-8 to Latin-1"},
		{"to windows-1252", `{"a":"€ – é"}`, "{\"a\":\"\x80 \x96 \xe9\"}", "converted from UTF-8 to Latin-1"},
		{"read as Latin-1", `{"a":"é"}`, `{"a":"Ã©"}`, "read as Latin-1 and written as UTF-8"},
		{"read as windows-1252", `{"a":"it’s 5 €"}`, `{"a":"itâ€™s 5 â‚¬"}`, "read as Latin-1 and written as UTF-8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.what == "" {
				test.signed, test.what = `{"a":1}`, "a JSON string that holds the signed JSON"
			}
			report := explain(test.body, signed(test.signed, key), secret)
			require.False(t, report.Valid)
			require.Equal(t, []Kind{Body}, kinds(report), "%+v", report.Problems)
			require.False(t, report.Authentic)
			require.Contains(t, report.Problems[0].What, test.what)
			require.NotEmpty(t, report.Problems[0].Fix)
		})
	}
}

func TestExplainFindsWhichKeyTheSenderUsed(t *testing.T) {
	t.Parallel()
	decoded, err := base64.StdEncoding.DecodeString(key)
	require.NoError(t, err)
	for _, test := range []struct{ name, given, key, what string }{
		{"prefix kept", secret, secret, "left whsec_ in the key"},
		{"base64-decoded", secret, string(decoded), "decoded the secret from base64"},
		{"hex-decoded", "whsec_00ff10", "\x00\xff\x10", "decoded the secret from hex"},
		{"newline at the sender's end", secret, key + "\n", "sender's secret ends with a newline"},
		{"quotes at the sender", secret, `"` + secret + `"`, "sender's secret has quotes"},
		{"quotes here", `"` + secret + `"`, key, "has quotes around it"},
		{"broken into lines", "whsec_abc\n def", "abcdef", "has white space in it"},
		{"prefix removed twice", "whsec_whsec_x", "x", "removed whsec_ twice"},
		{"empty at the sender", secret, "", "signed with an empty secret"},
		{"space at the end here", secret + " ", key, "the secret ends with a space"},
		{"newline at the start here", "\n" + secret, key, "the secret begins with a newline"},
		{"space behind the prefix", "whsec_ " + key, key, "white space behind whsec_"},
		{"blank", " ", "x", "the secret is empty"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			report := explain(sample, signed(sample, test.key), test.given)
			require.False(t, report.Valid)
			require.Equal(t, Secret, report.Problems[0].Kind, "%+v", report.Problems)
			require.Contains(t, report.Problems[0].What, test.what)
			require.False(t, report.Authentic)
			if test.name != "blank" {
				require.Len(t, report.Problems, 1)
			}
		})
	}
}

func TestExplainFindsASecretInItsPackaging(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, given, what string }{
		{"double quotes", `"` + secret + `"`, "has quotes around it"},
		{"single quotes", `'` + secret + `'`, "has quotes around it"},
		{"typographic quotes", "“" + secret + "”", "has quotes around it"},
		{"escaped quotes", `\"` + secret + `\"`, "has quotes around it"},
		{"a name", "SECRET=" + secret, "begins with a name and an equals sign"},
		{"a name of a shell", "export SONZAI_WEBHOOK_SECRET=" + secret, "begins with a name"},
		{"a name of YAML", "secret: " + secret, "begins with a name"},
		{"a name and quotes", `SECRET="` + secret + `"`, "begins with a name and an equals sign (as in an env file) and has quotes around it"},
		{"quotes around a name", `"SECRET=` + secret + `"`, "has quotes around it and begins with a name"},
		{"signs of a variable", "${" + secret + "}", "signs of a variable around it"},
		{"byte order mark", "\ufeff" + secret, "begins with a byte order mark"},
		{"byte order mark and quotes", "\ufeff\"" + secret + "\"\n", "byte order mark"},
		{"zero-width space at the end", secret + "\u200b", "an invisible character in it (U+200B)"},
		{"zero-width space inside", secret[:12] + "\u200b" + secret[12:], "an invisible character in it (U+200B)"},
		{"direction mark", "\u202d" + secret + "\u202c", "an invisible character in it (U+202D)"},
		{"NUL", secret[:12] + "\x00" + secret[12:], "an invisible character in it (U+0000)"},
		{"escape", "\x1b" + secret, "an invisible character in it (U+001B)"},
		{"line break inside", secret[:20] + "\n" + secret[20:], "has white space in it"},
		{"Windows line break inside", secret[:20] + "\r\n" + secret[20:], "has white space in it"},
		{"no-break space", secret + "\u00a0", "ends with"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			report := explain(sample, signed(sample, key), test.given)
			require.False(t, report.Valid)
			require.Len(t, report.Problems, 1, "%+v", report.Problems)
			require.Equal(t, Secret, report.Problems[0].Kind)
			require.Contains(t, report.Problems[0].What, test.what)
			require.Contains(t, report.Problems[0].What, "without that it is the right one")
			require.NotEmpty(t, report.Problems[0].Fix)
			require.NotContains(t, fmt.Sprint(report), key[:8])

			report = explain(sample, signed(sample, "other"), test.given)
			require.Contains(t, report.Problems[0].What, test.what, "also where it is the wrong one")
			require.NotContains(t, report.Problems[0].What, "right one")
			require.Equal(t, Match, report.Problems[1].Kind)
		})
	}
}

func TestExplainFindsAVariableThatNothingReplaced(t *testing.T) {
	t.Parallel()
	for _, given := range []string{"${SONZAI_WEBHOOK_SECRET}", "$SECRET", "{{ secret }}", "%SECRET%", `"${SECRET}"`, "SECRET=${SECRET}", "$(cat secret)"} {
		report := explain(sample, signed(sample, key), given)
		require.Equal(t, Secret, report.Problems[0].Kind, given)
		require.Contains(t, report.Problems[0].What, "is a variable that nothing has replaced", given)
	}
	for _, empty := range []string{"", " ", prefix, `""`, "whsec_ "} {
		report := explain(sample, signed(sample, key), empty)
		require.Equal(t, Secret, report.Problems[0].Kind, empty)
		require.Contains(t, report.Problems[0].Fix, "is the variable or file that holds it set", empty)
	}
}

func TestWhatAReceiverRefusesOfASecretIsReported(t *testing.T) {
	t.Parallel()
	around := []struct{ before, after string }{
		{"", "\n"}, {" ", ""}, {"\ufeff", ""}, {"", "\u200b"}, {"", "\ufe0f"}, {"", "\u3164"}, {"", "\u00ad"}, {"", "\u2028"}, {"\t", ""},
		{`"`, `"`}, {"'", "'"}, {"`", "`"}, {"„", "“"}, {"‹", "›"}, {"「", "」"}, {"SECRET=", ""}, {"export A=", ""}, {"secret: ", ""},
		{"${", "}"}, {"$(", ")"}, {"{{", "}}"}, {"A='", "'"}, {prefix + `"`, `"`}, {prefix + " ", ""},
	}
	for _, a := range around {
		for _, inner := range []string{secret, key} {
			given := a.before + inner + a.after
			if signature.CheckSecret(given) == nil {
				continue
			}
			list := secretProblems(given, "the secret")
			require.Len(t, list, 1, "%q", given)
			require.Regexp(t, "a receiver refuses to start with it|is the variable or file that holds it set", list[0].Fix, "%q", given)
		}
	}
}

func TestASecretInBase64IsNoPackaging(t *testing.T) {
	t.Parallel()
	for _, good := range []string{secret, key, "whsec_abc=", "abc==", "whsec_a:b=c", "a=b", "whsec_$x", "0123:4567"} {
		require.Empty(t, secretProblems(good, "the secret"), good)
	}
}

func TestExplainFindsAnotherScheme(t *testing.T) {
	t.Parallel()
	for before, what := range map[string]string{
		"":               "the body alone",
		"1767225600":     "left the dot",
		"1767225600:":    "put a colon",
		"v1:1767225600:": `"v1:"`,
	} {
		report := explain(sample, signedAs(before, sample, key), secret)
		require.Equal(t, []Kind{Scheme}, kinds(report), "%q", before)
		require.Contains(t, report.Problems[0].What, what)
	}
}

func TestExplainPointsAtWhatIsMalformedInTheHeader(t *testing.T) {
	t.Parallel()
	good := signed(sample, key)
	mac := good[len("t=1767225600,v1="):]
	for _, test := range []struct {
		name, header, what string
		column             int
	}{
		{"empty", "", "there is no signature", 0},
		{"no t", "v1=" + mac, "there is no t", 0},
		{"no v1", "t=1767225600,v0=" + mac, "there is no v1", 0},
		{"copied name", "sonzai-signature: " + good, "begins with the name", 1},
		{"quotes", `"` + good + `"`, "stands in quotes", 1},
		{"semicolons", strings.Replace(good, ",", ";", 1), "semicolons", 13},
		{"trailing comma", good + ",", "empty element", len(good) + 2},
		{"no equals sign", good + ",hello", "not of the form name=value", len(good) + 2},
		{"one character", good + ",x", "an element of 1 byte is not", len(good) + 2},
		{"upper-case name", "T" + good[1:], `the name "T" is not "t"`, 1},
		{"leading space", " " + good, `the name " t" is not "t"`, 1},
		{"two times", "t=1," + good, "more than one t", 5},
		{"empty t", "t=,v1=" + mac, "t is empty", 3},
		{"signed t", "t=+1767225600,v1=" + mac, `t has '+'`, 3},
		{"leading zero", "t=01767225600,v1=" + mac, "leading zero", 3},
		{"fraction", "t=1767225600.5,v1=" + mac, `t has '.'`, 13},
		{"date", "t=2026-01-01T00:00:00Z,v1=" + mac, "t is a date", 3},
		{"endless t", "t=99999999999999999999,v1=" + mac, "larger than any time", 3},
		{"short v1", good[:len(good)-1], "63 characters instead of 64", 17},
		{"other digits", good[:20] + "z" + good[21:], "other than hex digits", 21},
		{"upper-case v1", "t=1767225600,v1=" + strings.ToUpper(mac), "not in lower case", 17 + strings.IndexAny(mac, "abcdef")},
		{"space behind v1", good + " ", "white space beside v1", len(good) + 1},
		{"space before v1", "t=1767225600,v1= " + mac, "white space beside v1", 17},
		{"too many", "t=1767225600" + strings.Repeat(",v1="+mac, 17), "v1 number 17", 13 + 16*68 + 1},
		{"another scheme's form", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=", "another signature scheme", 1},
		{"too long", strings.Repeat("x", 4097), "4097 bytes", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			report := explain(sample, test.header, secret)
			require.False(t, report.Valid)
			require.Equal(t, Header, report.Problems[0].Kind)
			require.Contains(t, report.Problems[0].What, test.what)
			require.Equal(t, test.column, report.Problems[0].Column)
			require.NotContains(t, fmt.Sprint(report.Problems), mac)
		})
	}
}

func TestExplainReadsASignatureInBase64(t *testing.T) {
	t.Parallel()
	mac, err := hex.DecodeString(signed(sample, key)[len("t=1767225600,v1="):])
	require.NoError(t, err)
	report := explain(sample, "t=1767225600,v1="+base64.StdEncoding.EncodeToString(mac), secret)
	require.Equal(t, []Kind{Header}, kinds(report))
	require.True(t, report.Authentic)
	require.Contains(t, report.Problems[0].What, "base64")
}

func TestExplainSaysByHowMuchTheClockIsOff(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		at   time.Time
		what string
	}{
		{"old", now.Add(-62 * time.Minute), "1 h 2 min old, which is 57 min too old: 5 min either way is allowed"},
		{"future", now.Add(301 * time.Second), "5 min 1 s in the future, which is 1 s too early"},
		{"days", now.Add(-49 * time.Hour), "2 d 1 h old"},
		{"milliseconds", time.Unix(now.UnixMilli(), 0), "is it in milliseconds?"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			report := explain(sample, sonzaihook.Sign([]byte(sample), secret, test.at), secret)
			require.Equal(t, []Kind{Clock}, kinds(report))
			require.True(t, report.Authentic)
			require.Contains(t, report.Problems[0].What, test.what)
			_, err := json.Marshal(report)
			require.NoError(t, err)
		})
	}
}

func TestExplainReportsSeveralProblemsAtOnce(t *testing.T) {
	t.Parallel()
	header := strings.ToUpper(sonzaihook.Sign([]byte(sample), "whsec_"+secret, now.Add(-time.Hour)))
	report := explain(sample+"\n", header, secret+" ")
	require.Equal(t, []Kind{Header, Header, Header, Clock, Secret, Secret, Body}, kinds(report))
}

func TestExplainAsSignedLeavesTheClockOut(t *testing.T) {
	t.Parallel()
	in := Input{Body: []byte(sample), Header: signed(sample, key), Secrets: []string{secret}, AsSigned: true, Tolerance: time.Minute}
	require.True(t, Explain(in).Valid)
}

func TestExplainSaysWhichOfSeveralSecretsSigned(t *testing.T) {
	t.Parallel()
	report := explain(sample, signed(sample, key), "whsec_a", secret)
	require.True(t, report.Valid)
	require.Equal(t, 2, report.Secret)

	report = explain(sample+"\n", signed(sample, key), "whsec_a", secret)
	require.Equal(t, []Kind{Body}, kinds(report))
	require.Equal(t, 2, report.Secret)
}

func TestExplainOfALargeBodyTriesDifferencesOneByOne(t *testing.T) {
	t.Parallel()
	large := `{"a":"` + strings.Repeat("x", largestPair) + `"}`
	report := explain(large+"\n", signed(large, key), secret)
	require.Equal(t, []Kind{Body}, kinds(report))
	report = explain(large, signed(large, secret), secret)
	require.Equal(t, []Kind{Secret}, kinds(report))
	report = explain(large+"\n", signed(large, secret), secret)
	require.Equal(t, []Kind{Match}, kinds(report))
	require.Less(t, report.Tried, 200)
}

func TestExplainWithoutAReasonSaysWhatIsLikely(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, body, fix string }{
		{"JSON", sample, "each registration, that is each event type, has its own"},
		{"sorted", `{"a":1,"b":2,"c":3}`, "keys are in alphabetical order"},
		{"not JSON", sample[:20], "not JSON"},
		{"nothing", "", "something read it before"},
	} {
		report := explain(test.body, signed("quite another", key), secret)
		require.Len(t, report.Problems, 1, test.name)
		require.Contains(t, report.Problems[0].Fix, test.fix, test.name)
	}
}

// FuzzExplain checks that a report agrees with the library, always has a reason
// for a refusal, and holds neither the secret nor a signature.
func FuzzExplain(f *testing.F) {
	f.Add(sample, signed(sample, key), secret)
	f.Add(sample+"\n", strings.ToUpper(signed(sample, key)), secret+"\n")
	f.Add("", "", "")
	f.Add(`"{}"`, `sonzai-signature: "t=1;v1=2"`, `"whsec_"`)
	f.Add("{}", "v1,", " ")
	f.Fuzz(func(t *testing.T, body, header, secret string) {
		report := explain(body, header, secret)
		err := sonzaihook.Verify([]byte(body), header, secret, now, 5*time.Minute)
		require.Equal(t, err == nil, report.Valid)
		require.Equal(t, report.Valid, len(report.Problems) == 0)
		parsed := parseHeader(header)
		malformed := sonzaihook.Verify([]byte(body), header, "whsec_x", now, 1<<62)
		wellFormed := malformed == nil || strings.Contains(malformed.Error(), "mismatch") || strings.Contains(malformed.Error(), "tolerance")
		require.Equal(t, wellFormed, len(parsed.problems) == 0, "%v: %+v", malformed, parsed.problems)
		for _, p := range report.Problems {
			require.NotEmpty(t, p.What)
			require.LessOrEqual(t, p.Column, len(header)+1)
			if len(secret) > 20 {
				require.NotContains(t, p.What+p.Fix, secret)
			}
		}
	})
}
