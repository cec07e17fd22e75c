# Sinsang's commands. `make` alone lists them; docs/development.md says which files they keep and
# where.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory --no-builtin-rules

# Port of `make run`.
PORT ?= 8787
# The data that `make run` serves: demo (generated around the present moment) or retail (UCI Online
# Retail II, as of 2011-09-01).
DATA ?= demo
# The input file of DATA=retail.
RETAIL_FILE ?= ../shared/data/online_retail_II.parquet
# Selects tests: make test-edge ONLY='a cursor' or FILE=tests/edge/paging.test.mjs.
ONLY ?=
FILE ?=
# Seed of the faults and requests of `make faults`, and the number of requests.
SEED ?= 1
REQUESTS ?= 20000
# The target of `make fuzz` (all by default), and the seconds for each.
TARGET ?=
SECONDS_EACH := $(if $(filter command line environment,$(origin SECONDS)),$(SECONDS),60)
# A snapshot folder to bundle in place of DATA's, and the environment of wrangler.toml to deploy.
SNAPSHOT ?=
ENV ?=

# Ledger sizes of `make bench-ledger`: 160 MB of disk for each million products, and nearly as much
# again while they are made.
PRODUCTS ?= 1e5,1e6
# Numbers of users of `make bench-taste`: 80 MB of disk for each hundred thousand while it runs,
# above two million 110 MB.
USERS ?= 1e5,1e6
# Sizes of catalogues of the same, with as many users from 100,000 to a million: 1 GB of disk for a
# million. CATALOGUES= for none.
CATALOGUES ?= 5e3,5e4,5e5,1e6
# Size limit of the Worker in `make size`: bytes of the .wasm after gzip -9. The overlay is 10 KB of
# it, the schedule, products and calendars are 13 KB. Compiled as crates/kernel is, it would be 7 KB
# larger; with KV by the bindings of the `worker` crate, chrono and the names that wasm-bindgen
# makes 8 KB more.
WASM_GZIP_BUDGET ?= 154600
# The same for the Worker that takes events.
INTAKE_GZIP_BUDGET ?= 149600

# Tools and compiled dependencies. .ci/run keeps them outside the clone, so that a fresh clone need
# not build them again.
SINSANG_CACHE ?= $(CURDIR)/.cache
CARGO_TARGET_DIR ?= $(SINSANG_CACHE)/target
TOOLS := $(SINSANG_CACHE)/tools/bin
BENCH_VENV := $(SINSANG_CACHE)/bench-ledger/venv
BENCH_WORK ?= $(SINSANG_CACHE)/bench-ledger
TASTE_VENV := $(SINSANG_CACHE)/bench-taste/venv
TASTE_WORK ?= $(SINSANG_CACHE)/bench-taste
export SINSANG_CACHE CARGO_TARGET_DIR PORT DATA RETAIL_FILE ONLY WASM_GZIP_BUDGET INTAKE_GZIP_BUDGET

# Tools that turn cargo's Wasm into Workers and the page's core.
export WASM_BINDGEN_BIN := $(TOOLS)/wasm-bindgen
export WASM_OPT_BIN := $(CURDIR)/node_modules/.bin/wasm-opt
export ESBUILD_BIN := $(CURDIR)/node_modules/.bin/esbuild

# Keeps wrangler and miniflare on this machine: no telemetry, no update checks, no data-centre
# lookup.
export WRANGLER_SEND_METRICS := false
export WRANGLER_SEND_ERROR_REPORTS := false
export WRANGLER_HIDE_BANNER := true
export WRANGLER_LOG_PATH := $(CURDIR)/.wrangler/logs
export CLOUDFLARE_CF_FETCH_ENABLED := false

CARGO := cargo
# The profile of native code: optimising DataFusion fully takes close to an hour, and no test needs
# it.
LIGHT := --profile light
# The targets of `cargo test --workspace`, so that the commands and all tests share one DataFusion:
# all crates' features plus those of tests, which cargo adds when it builds an example or a test.
# This example is a small one, and part of the tests.
UNIFIED := $(LIGHT) --workspace --example publish
WASM := --target wasm32-unknown-unknown

# Hard links a command of 200 MB, so that it lies on the disk once; copies it across file systems.
keep = @ln -f "$$CARGO_TARGET_DIR/light/$(1)" bin/$(1) 2>/dev/null || install -m 755 "$$CARGO_TARGET_DIR/light/$(1)" bin/$(1); touch bin/$(1)
say = @printf '\033[1m==> %s\033[0m\n' $(1)

MANIFESTS := Cargo.toml Cargo.lock rust-toolchain.toml
# Cargo's inputs. JavaScript modules lie among them; changes to those compile nothing.
CORE_SOURCES := $(MANIFESTS) $(shell find src crates/core -type f -not -name '*.mjs')
INTAKE_SOURCES := $(CORE_SOURCES) $(shell find crates/event-worker/src crates/event-worker/Cargo.toml -type f -not -name '*.mjs')
EDGE_MODULES := $(wildcard src/edge/*.mjs)
CLI_SOURCES := $(CORE_SOURCES) $(shell find crates -type f -not -path '*/tests/*' -not -path 'crates/cluster/*' -not -path 'crates/event-worker/*' -not -path 'crates/core/*')
CLUSTER_SOURCES := $(CLI_SOURCES) $(shell find crates/cluster -type f -not -path '*/tests/*')
CLIENT_SOURCES := $(filter-out clients/typescript/src/contract.ts,$(wildcard clients/typescript/src/*.ts)) clients/typescript/tsconfig.json scripts/client.sh
PAGE_TESTS := $(wildcard tests/page/*.test.mjs)

##@ Use
.PHONY: help run stop cli cluster data publish bundle deploy
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

run: port ## serve the whole system: make run [PORT=8787] [DATA=demo|retail]
	@node scripts/stages.mjs run
	@node scripts/run.mjs serve

stop: ## stop a `make run` that was left in the background
	@node scripts/run.mjs stop

cli: bin/sinsang ## build the sinsang command into bin/sinsang

cluster: bin/sinsang-cluster ## build the command that can use a cluster, its scheduler and its executor into bin/sinsang-cluster

data: cli ## make the tables and the snapshot of DATA in .demo/
	@node scripts/run.mjs data

publish: cli node_modules/.stamp ## publish the snapshot of DATA to local KV
	@node scripts/run.mjs publish

bundle: worker cli ## bundle the snapshot of DATA, or SNAPSHOT=folder, with the Worker, for when no store answers
	@$(if $(SNAPSHOT),bin/sinsang bundle '$(SNAPSHOT)' --output build/snapshot.bundle,node scripts/run.mjs bundle)

deploy: node_modules/.stamp www/built/client.js ## deploy the Worker with a snapshot bundled: make deploy ENV=name SNAPSHOT=folder [DRY_RUN=1]
	@test -n '$(ENV)' -a -n '$(SNAPSHOT)' || { echo 'name an environment of wrangler.toml and a snapshot: make deploy ENV=name SNAPSHOT=folder' >&2; exit 2; }
	@grep -qF '[env.$(ENV)]' wrangler.toml || { echo 'wrangler.toml has no [env.$(ENV)]; wrangler would deploy the settings of this machine' >&2; exit 2; }
	@# What `make run` left there is a demonstration's.
	rm -rf www/demo
	@$(MAKE) bundle SNAPSHOT='$(SNAPSHOT)'
	@# First the Worker that takes events, which the other may have bound.
	if grep -qF '[env.$(ENV)]' crates/event-worker/wrangler.toml; then node_modules/.bin/wrangler deploy -c crates/event-worker/wrangler.toml --env '$(ENV)' $(if $(DRY_RUN),--dry-run); fi
	node_modules/.bin/wrangler deploy --env '$(ENV)' $(if $(DRY_RUN),--dry-run)

##@ Test
.PHONY: map test test-command test-programs test-core test-event-worker test-identity test-tables test-taste test-publish test-experiment test-event-import test-pipeline test-cluster test-wasm test-data test-edge test-client test-page test-openapi day generate-clients problems size faults faults-overlay faults-long abuse creep schemathesis
test: prerequisites ## all tests: what scripts/plan.mjs lists, two stages at a time
	@node scripts/stages.mjs test
	$(call say,'all tests passed')

test-programs: prerequisites ## compile the test programs of all crates, in one cargo command
	@node scripts/native-tests.mjs

map: prerequisites ## draw the picture of crates and modules in ARCHITECTURE.md
	@DRAW_MAP=1 ONLY=the_architecture node scripts/native-tests.mjs .

test-core: prerequisites ## unit and property tests of the edge's core on the host: make test-core [ONLY=cursor]
	@node scripts/native-tests.mjs . crates/core

test-event-worker: prerequisites ## what events may say, and what becomes of a batch of them
	@node scripts/native-tests.mjs crates/event-worker

test-identity: prerequisites ## what listings say, which are one product, and what is new
	@node scripts/native-tests.mjs crates/identity

test-tables: prerequisites ## what tables may hold: readers, repairs, and what fuzzing found
	@node scripts/native-tests.mjs crates/run crates/tables crates/parquet

test-taste: prerequisites ## what tastes are made of: factors, neighbours, descriptions, small vectors
	@node scripts/native-tests.mjs crates/taste

test-publish: prerequisites ## publishing to a KV that fails, rolling back, collecting, and what it costs
	@node scripts/native-tests.mjs crates/publish

test-experiment: prerequisites ## what experiments show, and how often they cry wolf
	@node scripts/native-tests.mjs crates/experiment

test-event-import: prerequisites ## events from objects, from a store that falters, and from Kafka (librdkafka's mock cluster), each once
	@node scripts/native-tests.mjs crates/event-import

test-pipeline: prerequisites ## the pipeline as a library, and the tables to try it on
	@node scripts/native-tests.mjs crates/demo crates/pipeline

test-command: prerequisites ## whole builds, the ledger and the command on generated tables and broken inputs
	@node scripts/native-tests.mjs crates/command

test-cluster: prerequisites ## builds on a scheduler and two executors as processes, against the embedded engine
	@node scripts/native-tests.mjs crates/cluster

test-wasm: prerequisites tools ## the core in Wasm against the host, bit for bit
	CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER='$(TOOLS)/wasm-bindgen-test-runner' \
		$(CARGO) test $(LIGHT) -p sinsang $(WASM) --test wasm

size: worker ## the gzip sizes of the Workers against their budgets
	@node scripts/size.mjs

test-data: cli node_modules/.stamp ## tables and snapshots that suites share, made once for each build of the command
	@node tests/harness/make.mjs

test-edge: worker cli ## whole requests against the built Worker in workerd
	node --test --test-concurrency=3 --test-reporter=spec $(if $(ONLY),--test-name-pattern='$(ONLY)') $(or $(FILE),tests/edge/*.test.mjs)

test-client: worker cli client ## the client package: its rules, its size, and workerd under faults
	node --test --test-concurrency=2 --test-reporter=spec $(if $(ONLY),--test-name-pattern='$(ONLY)') $(or $(FILE),tests/client/*.test.mjs)

day: worker cli client ## a day in the app, with the bytes and times of docs/day.md: make day [VIEWERS=50000]
	@VIEWERS='$(VIEWERS)' node tests/client/day.mjs

faults: worker cli ## the Worker while its store and cache fail, under load: make faults [SEED=1] [REQUESTS=20000]
	@SEED='$(SEED)' REQUESTS='$(REQUESTS)' node tests/faults/run.mjs

faults-overlay: worker cli ## an overlay that changes all the time, in workerd with KV's delays: make faults-overlay [SEED=1] [REQUESTS=20000]
	@SEED='$(SEED)' REQUESTS='$(REQUESTS)' node tests/faults/overlay.mjs

faults-long: ## the same over 300,000 requests, at a low priority
	@nice -n 10 $(MAKE) faults REQUESTS=300000

abuse: worker cli ## what an anonymous sender can move: attacks on both Workers and on builds, on this machine alone
	@node tests/abuse/run.mjs

creep: worker cli ## Wasm memory over a million requests: make creep [REQUESTS=1000000]
	@REQUESTS='$(if $(filter command line,$(origin REQUESTS)),$(REQUESTS),1000000)' nice -n 10 node tests/faults/creep.mjs

fuzz: prerequisites ## the fuzz targets under libFuzzer, with the stable toolchain: make fuzz [TARGET=pack] [SECONDS=60]
	@scripts/tools.sh cargo-fuzz
	@nice scripts/fuzz.sh '$(SECONDS_EACH)' $(TARGET)

schemathesis: worker cli ## requests that schemathesis (PyPI) makes of the OpenAPI document
	@test -x '$(SINSANG_CACHE)/schemathesis/bin/schemathesis' || { python3 -m venv '$(SINSANG_CACHE)/schemathesis' && '$(SINSANG_CACHE)/schemathesis/bin/pip' install -q schemathesis==4.32.5; }
	node scripts/schemathesis.mjs '$(SINSANG_CACHE)/schemathesis/bin/schemathesis'

test-openapi: node_modules/.stamp ## the OpenAPI document: a validator, a linter, examples, and what generators make of it
	node --test --test-reporter=spec $(if $(ONLY),--test-name-pattern='$(ONLY)') $(or $(FILE),tests/openapi/*.test.mjs)

generate-clients: node_modules/.stamp ## clients for Kotlin and Swift, whole, by OpenAPI Generator (PyPI)
	@scripts/clients.sh

problems: ## write www/problems/ from www/openapi.json
	@node scripts/problems.mjs

test-page: worker page cli apt-packages ## the page in Chromium against the built Worker
	node scripts/test-page.mjs $(or $(FILE),$(PAGE_TESTS))

##@ Lint
.PHONY: lint lint-format lint-host lint-wasm lint-docs lint-deploy deny
lint: prerequisites ## format, clippy, documentation and licences, two at a time
	@node scripts/stages.mjs lint
	$(call say,'no complaints')

lint-format: prerequisites ## rustfmt
	$(CARGO) fmt --all --check

lint-host: prerequisites ## clippy on everything native, with warnings denied
	$(CARGO) clippy $(LIGHT) --workspace --all-targets -- -D warnings

lint-wasm: prerequisites ## clippy on what runs in Wasm
	$(CARGO) clippy $(LIGHT) -p sinsang -p sinsang-event-worker $(WASM) --lib -- -D warnings
	$(CARGO) clippy $(LIGHT) -p sinsang $(WASM) --test wasm -- -D warnings
	$(CARGO) clippy $(LIGHT) -p sinsang $(WASM) --lib --no-default-features --features preview -- -D warnings

# Naming an example makes cargo use the features of tests, and so the output of clippy.
lint-docs: prerequisites ## rustdoc, with broken links denied
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc $(LIGHT) --workspace --no-deps --document-private-items --lib --example publish

lint-deploy: prerequisites ## deploy/ and the workflows against Kubernetes' schemas, hadolint, actionlint and PromQL's grammar
	@scripts/lint-deploy.sh

deny: prerequisites ## licences, sources and bans of all crates, and advisories where their database can be fetched
	@scripts/tools.sh cargo-deny
	@scripts/deny.sh

##@ Measure
.PHONY: bench bench-check bench-profile bench-parts
# Rounds of the interleaved comparison: more of them narrow the intervals.
ROUNDS ?=
export ROUNDS
bench: bench-parts ## measure the edge beside its peers; writes docs/performance.md and bench/results/
	@PYTHON="$$(bench/peers/install.sh)" node bench/edge/main.mjs write

bench-check: bench-parts ## fail where the edge has become slower than bench/edge/bounds.json holds it to be
	@PYTHON="$$(bench/peers/install.sh)" node bench/edge/main.mjs check

bench-profile: bench-parts ## show where the time of a warm personal request goes
	@mkdir -p .cache/bench
	NAMED_WASM=$(CURDIR)/.cache/bench/named.wasm scripts/worker.sh edge
	@NAMED_WASM=$(CURDIR)/.cache/bench/named.wasm node bench/edge/profile.mjs

bench-parts: worker bench/peers/empty/build/index.js
	@node --test --test-reporter=dot bench/edge/*.test.mjs
	$(call say,'building the load client and the core at full release settings (about 2 minutes the first time)')
	$(CARGO) build --release -p sinsang-bench

.PHONY: bench-readers publish-scale bench-ledger
bench-readers: prerequisites ## read and check a million rows of each format, beside libraries that check nothing: make bench-readers [ROWS=1000000]
	@$(CARGO) run --quiet --release -p sinsang-parquet --example readers -- $(or $(ROWS),1000000)

publish-scale: prerequisites ## calls, bytes, time and dollars of publishing for 0.1, 1 and 10 million users, against the simulated API
	$(CARGO) run $(LIGHT) -p sinsang-publish --example scale

bench-ledger: prerequisites ## a year from nothing, and the ledger beside DuckDB on days of two sizes: make bench-ledger [PRODUCTS=1e6,1e7,1e8, or empty]
	$(call say,'building for speed (DataFusion takes about an hour of CPU the first time)')
	$(CARGO) build --profile fast -p sinsang-command -p sinsang-pipeline --bin sinsang --example ledger
	@test -x '$(BENCH_VENV)/bin/python' || python3 -m venv '$(BENCH_VENV)'
	@'$(BENCH_VENV)/bin/pip' install --quiet --requirement bench/ledger/requirements.txt
	'$(BENCH_VENV)/bin/python' bench/ledger/run.py --products '$(PRODUCTS)' --sql --work '$(BENCH_WORK)' --output '$(BENCH_WORK)/ledger' \
		--binary "$$CARGO_TARGET_DIR/fast/examples/ledger" --sinsang "$$CARGO_TARGET_DIR/fast/sinsang"
	@echo 'results: $(BENCH_WORK)/ledger.json and ledger.svg; the ledgers stay there until they are deleted'

.PHONY: bench-taste bench-build bench-taste-parts
bench-taste-parts: prerequisites
	$(call say,'building for speed (DataFusion takes about an hour of CPU the first time)')
	$(CARGO) build --profile fast -p sinsang-command -p sinsang-pipeline --bin sinsang --example taste
	$(CARGO) build --profile fast -p sinsang-taste --example factor
	@test -x '$(TASTE_VENV)/bin/python' || python3 -m venv '$(TASTE_VENV)'
	@'$(TASTE_VENV)/bin/pip' install --quiet --requirement bench/taste/requirements.txt

TASTE_BENCH = '$(TASTE_VENV)/bin/python' bench/taste/run.py $(1) --work '$(TASTE_WORK)' --binary "$$CARGO_TARGET_DIR/fast/examples/taste" \
		--factor "$$CARGO_TARGET_DIR/fast/examples/factor" --sinsang "$$CARGO_TARGET_DIR/fast/sinsang"

bench-taste: bench-taste-parts ## tastes of ever more users and products, and `implicit` on the same matrix: make bench-taste [USERS=1e5,1e6] [CATALOGUES=5e3,1e6]
	$(call TASTE_BENCH,taste) --users '$(USERS)' --products '$(CATALOGUES)' --output '$(TASTE_WORK)/taste-scale'
	@echo 'results: $(TASTE_WORK)/taste-scale.json and taste-scale.svg; tables stay there until they are deleted'

bench-build: bench-taste-parts ## a daily build of 150,000 slots, 20,000 listings to come, a million users and 50 million events
	$(call TASTE_BENCH,build) --output '$(TASTE_WORK)/build-scale'
	@echo 'results: $(TASTE_WORK)/build-scale.json; tables stay there until they are deleted'

##@ Parts
.PHONY: wasm worker edge intake client page tools node_modules prerequisites apt-packages port fmt clean
wasm: build/wasm/edge.wasm build/wasm/intake.wasm build/wasm/page.wasm ## compile what runs in Wasm: both Workers and the page's core

worker: edge intake ## build both Workers

edge: build/index.js ## build the Worker that answers into build/

intake: crates/event-worker/build/index.js ## build the Worker that takes events into crates/event-worker/build/

client: clients/typescript/build/index.js ## build the client package into clients/typescript/build/

page: www/built/core.js www/built/client.js ## build what the preview page takes along into www/built/

tools: prerequisites ## install wasm-bindgen under SINSANG_CACHE
	@scripts/tools.sh

node_modules: node_modules/.stamp ## install wrangler, esbuild, binaryen, typescript and the test libraries

prerequisites: ## check node, rust, the wasm32 target and a C compiler
	@scripts/prerequisites.sh

apt-packages: ## install Chromium and Korean fonts for the page's tests, where missing
	@scripts/apt-packages.sh

fmt: ## format the Rust sources
	$(CARGO) fmt --all

clean: ## remove what was built and made, but not SINSANG_CACHE
	rm -rf build crates/event-worker/build clients/typescript/build clients/typescript/src/contract.ts bin .demo .wrangler www/demo www/built target .cache/test

port: prerequisites
	@node scripts/run.mjs port

node_modules/.stamp: package.json package-lock.json | prerequisites
	$(call say,'installing wrangler and esbuild and binaryen and typescript from npm (under a minute)')
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@

bin/sinsang: $(CLI_SOURCES) | prerequisites
	$(call say,'building DataFusion and the sinsang command (about 6 minutes the first time)')
	$(CARGO) build $(UNIFIED) --bin sinsang
	@mkdir -p bin
	$(call keep,sinsang)

bin/sinsang-cluster: $(CLUSTER_SOURCES) | prerequisites
	$(call say,'building DataFusion and Ballista and the sinsang-cluster command (about 6 minutes the first time)')
	$(CARGO) build $(UNIFIED) --bin sinsang-cluster
	@mkdir -p bin
	$(call keep,sinsang-cluster)

build/wasm/edge.wasm build/wasm/page.wasm: $(CORE_SOURCES)
build/wasm/intake.wasm: $(INTAKE_SOURCES)
build/wasm/empty.wasm: $(MANIFESTS) $(wildcard bench/peers/empty/src/*.rs bench/peers/empty/Cargo.toml)
build/wasm/%.wasm: scripts/wasm.sh | prerequisites
	$(call say,'compiling to Wasm: $* (a minute the first time; seconds where another has been)')
	@scripts/wasm.sh $*

bench/peers/empty/build/index.js: build/wasm/empty.wasm scripts/worker.sh bench/peers/empty/src/entry.mjs src/edge/instance.mjs node_modules/.stamp | tools
	$(call say,'building the empty Worker that cold starts are compared with')
	@scripts/worker.sh empty

build/index.js: build/wasm/edge.wasm $(EDGE_MODULES) scripts/worker.sh node_modules/.stamp | tools
	$(call say,'building the Worker (20 seconds)')
	@scripts/worker.sh edge

crates/event-worker/build/index.js: build/wasm/intake.wasm crates/event-worker/src/entry.mjs $(EDGE_MODULES) scripts/worker.sh node_modules/.stamp | tools
	$(call say,'building the Worker that takes events (20 seconds)')
	@scripts/worker.sh intake

www/built/core.js: build/wasm/page.wasm scripts/page.sh node_modules/.stamp | tools
	$(call say,'building the core for the preview page')
	@scripts/page.sh

clients/typescript/build/index.js: $(CLIENT_SOURCES) www/openapi.json node_modules/.stamp
	$(call say,'building the client package (5 seconds)')
	@scripts/client.sh package

www/built/client.js: $(CLIENT_SOURCES) node_modules/.stamp
	$(call say,'building the client for the preview page')
	@scripts/client.sh page
