.PHONY: help build test race lint api release fuzz bench microbench cover demo checks proof proof-rotation proof-sql proof-queue crowd json-suite

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## compile everything
	go build ./...

test: ## run the tests
	go test ./...

race: ## run the tests with the race detector
	go test -race ./...

lint: ## check format and style
	.ci/lint

api: ## write the listing of what is exported anew, in api/
	go run ./internal/apilist -write

release: ## build the commands for each system into dist/, with checksums and SBOMs
	.ci/release

fuzz: ## fuzz each target for 20 seconds
	.ci/fuzz 20s

bench: ## measure the receiver beside its peers, some minutes, and write bench/RESULTS.md
	go -C bench run .

microbench: ## run the benchmarks of the packages
	go test -run '^$$' -bench . -cpu 1 ./...

cover: ## show what the tests of the root package do not reach
	go test -coverprofile coverage.txt . && go tool cover -func coverage.txt | grep -v '100.0%'

demo: ## show the receiver at work
	go run ./cmd/sonzaihook demo

checks: ## check the contract, and run the short forms of proof, crowd and json-suite, some two minutes
	go -C checks test ./...

proof: ## try to break the promise: 3 receiver processes, a real redis-server, kills and stalls
	go -C checks run ./proof

proof-rotation: ## rotate the secrets of 20 projects in 3 receiver processes, and kill them
	go -C checks run ./rotation

proof-sql: ## count the rows of 2,000 events in each database, under kills
	go -C checks run ./exactlyonce

proof-queue: ## the same for 5,000 events that go through a queue
	go -C checks run ./exactlyonce -queue -events 5000 -spread 2m

crowd: ## put 10,000 slow clients of each kind before a receiver and measure its memory
	go -C checks run ./crowd

json-suite: ## fetch a public suite of tricky JSON and check what is decoded
	.ci/json-suite
