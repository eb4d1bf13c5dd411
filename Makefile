# make run   build and start with the built-in demo device; prints the address to open
# make test  install what the tests need, then run all of them
# make lint  what must be clean before a commit

CARGO ?= cargo

.PHONY: run build test test-rust test-browser test-tools lint screenshot clean

run:
	$(CARGO) run --locked --profile quick

build:
	$(CARGO) build --locked --release

test: test-tools test-rust test-browser

test-tools:
	tests/install

test-rust:
	$(CARGO) test --locked

test-browser:
	$(CARGO) build --locked
	cd tests/browser && node --test --test-concurrency=2

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items
	tests/check-files
	if command -v cargo-deny >/dev/null; then cargo deny check bans licenses sources; fi

# The picture in the README, made from the real page.
screenshot: test-tools
	$(CARGO) build --locked
	cd tests/browser && node screenshot.mjs ../../docs/screenshot.png

clean:
	$(CARGO) clean
	rm -rf tests/browser/node_modules tests/browser/output
