//go:build race

package sonzaihook

// raceDetector says whether this is a build with -race.
const raceDetector = true
