package diagnosis

import "unicode/utf8"

// windows1252 are the characters of 0x80 to 0x9f in that character set, and in what
// browsers and many servers read where Latin-1 is said. Where it has none it is
// Latin-1.
var windows1252 = [32]rune{
	'€', 0x81, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0x8d, 'Ž', 0x8f,
	0x90, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0x9d, 'ž', 'Ÿ',
}

const charsetFix = bytesFix + "; read them as bytes, not as a text in some character set"

// recoded yields the body in the character set in which it was written, where
// something has read it in another one.
func recoded(body []byte, yield func(content) bool) bool {
	if !utf8.Valid(body) {
		return yield(content{fromLatin1(body), "the body was converted from UTF-8 to Latin-1", charsetFix})
	}
	narrow, changed := toLatin1(body)
	if !changed || !utf8.Valid(narrow) {
		return true
	}
	return yield(content{narrow, "the body was read as Latin-1 and written as UTF-8, so that each character beyond ASCII became several", charsetFix})
}

// fromLatin1 returns in UTF-8 what is in Latin-1, or in windows-1252.
func fromLatin1(text []byte) []byte {
	out := make([]byte, 0, len(text)+len(text)/8)
	for _, b := range text {
		r := rune(b)
		if b >= 0x80 && b < 0xa0 {
			r = windows1252[b-0x80]
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

// toLatin1 is the reverse of fromLatin1. It reports whether it changed something; a
// text with a character that Latin-1 has not is not changed.
func toLatin1(text []byte) (out []byte, changed bool) {
	out = make([]byte, 0, len(text))
	for _, r := range string(text) {
		b, ok := latin1Byte(r)
		if !ok {
			return text, false
		}
		out = append(out, b)
	}
	return out, len(out) < len(text)
}

func latin1Byte(r rune) (b byte, ok bool) {
	if r < 0x80 || r >= 0xa0 && r <= 0xff {
		return byte(r), true
	}
	for i, known := range windows1252 {
		if r == known || r == rune(0x80+i) {
			return byte(0x80 + i), true
		}
	}
	return 0, false
}
