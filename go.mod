module github.com/sonzaihook/sonzaihook

go 1.26.0
