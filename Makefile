# make run   build and start with the built-in demo device; prints the address to open
# make test  install what the tests need, then run all of them; a part that fails does not hide the others
# make soak  the same and more, for hours: all seeds, made-up requests, fuzzing, thousands of sessions, an hour of memory; into docs/soak.md
# make explore makes up other requests against the SkyWay gateway's API than make test does
# make lint  what must be clean before a commit
# make format formats the Rust, and the JavaScript, TypeScript, CSS and JSON
# make boards cross-compiles for ARM and runs the result on emulated cores; make deb makes a package
# make vm    boots an arm64 machine, emulated, with the package: the service under a real systemd, a reboot, the console from outside
# make bench what is measured, into docs/bench.md; never a test. It wants a quiet machine

CARGO ?= cargo
# As for the boards that are built for elsewhere (cross/environment): 32-bit machines get the smaller program.
ifeq ($(shell getconf LONG_BIT),32)
export CARGO_PROFILE_RELEASE_OPT_LEVEL = s
endif

.PHONY: run build console soak explore test test-rust test-client test-browser test-schema test-crate test-tools lint format bench boards boards-light deb tarballs vm screenshot clean

run: console
	$(CARGO) run --locked --profile quick

build: console
	$(CARGO) build --locked --release

# The pages, for which Node is needed; without it the first page remains.
console:
	web/build

test: test-tools console
	$(MAKE) --keep-going test-rust test-client test-browser test-schema test-crate

test-tools:
	tests/install

test-rust: console
	$(CARGO) test --locked --no-fail-fast

test-client: console
	cd web/client && npm test

test-browser: console
	$(CARGO) build --locked
	cd tests/browser && node --test --test-concurrency=2

# Requests that somebody else makes up, against the description of the SkyWay gateway's API.
test-schema: console test-tools
	$(CARGO) build --locked
	tests/schema

# The same with other requests: ten new seeds, each of which it prints. `tests/schema --seed N` repeats one.
explore: console test-tools
	$(CARGO) build --locked
	tests/schema --explore $${THINGWAY_EXPLORE:-10}

# What is too long for each change: hours. Each part is one command, so that one can be run alone (tests/soak has them).
soak: console test-tools
	tests/soak all

# A program with the crate of that gateway's community.
test-crate: console test-tools
	$(CARGO) build --locked
	tests/skyway

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items
	tests/biome
	tests/check-files
	tests/check-walls
	tests/check-budgets.mjs
	for folder in benches fuzz tests/skyway_crate tests/walls; do (cd $$folder && $(CARGO) metadata --locked --format-version 1 > /dev/null) || exit 1; done
	if command -v cargo-deny >/dev/null; then cargo deny check bans licenses sources; fi

format:
	$(CARGO) fmt
	tests/biome --write

bench: console
	tests/install bench
	$(CARGO) build --locked --release --bin thingway --examples
	node bench/inner.mjs --store
	taskset -c 1 node bench/run.mjs
	node bench/chromium.mjs --store
	taskset -c 1 node bench/serial.mjs
	taskset -c 1 node bench/hub.mjs --store
	taskset -c 1 node bench/media.mjs --store
	cd web/client && THINGWAY_BIN=$(CURDIR)/target/release/thingway node bench/throughput.mjs chromium,firefox 15 20 --store
	cd web/console && THINGWAY=$(CURDIR)/target/release/thingway npm run bench -- --store

# ARM: builds for all boards, checks what they are, and runs them on emulated cores.
boards: console test-tools
	cross/boards

# The oldest core only, not optimised: what CI has time for.
boards-light: console test-tools
	THINGWAY_CROSS_MOVED=1 cross/build arm-unknown-linux-musleabihf light
	THINGWAY_CROSS_MOVED=1 cross/check arm-unknown-linux-musleabihf light
	cd tests/browser && THINGWAY=target/cross/arm-unknown-linux-musleabihf/light/emulated \
	  node --test --test-concurrency=1 node_peer.test.js demo.test.js
	cd tests/browser && THINGWAY=target/cross/arm-unknown-linux-musleabihf/light/emulated \
	  node --test --test-name-pattern='GStreamer in VP8' media_pictures.test.js

# The archives of static programs, with their sums and SBOMs.
tarballs: console
	tests/install cross
	packaging/tarball

# The package for this machine; packaging/deb has the others.
deb: console
	packaging/deb $$(dpkg --print-architecture)

# The package for 64-bit boards on an emulated one, in images, and as root. packaging/check and packaging/vm take the one for a PC, too.
vm: console
	tests/install vm
	packaging/deb arm64
	packaging/check target/debian/thingway_*_arm64.deb
	packaging/check-image target/debian/thingway_*_arm64.deb
	packaging/vm target/debian/thingway_*_arm64.deb

# The picture in the README, made from the real page.
screenshot: test-tools console
	$(CARGO) build --locked
	cd tests/browser && node screenshot.mjs ../../docs

clean:
	$(CARGO) clean
	rm -rf tests/*/node_modules tests/browser/output web/*/node_modules web/*/dist
