// Package browser tests the inspector's page in a real Chromium. It is a separate
// module, so that users of the library do not carry what drives a browser.
//
// The tests are skipped where Chromium is missing. With SCREENSHOTS=<folder> they
// write what the page looks like there:
//
//	SCREENSHOTS=../../docs/images go test -run Pictures .
package browser
