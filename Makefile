# Everything here sets itself up: libtorch goes once into the user's cache (scripts/libtorch), and a
# missing prerequisite is named with the command that installs it (scripts/prerequisites).

with := scripts/with-libtorch
export CARGO_TARGET_DIR ?= $(CURDIR)/target
program := $(CARGO_TARGET_DIR)/release/longqa

.PHONY: help demo test bench release reproducible sbom lint doc libtorch build up repl down clean
.NOTPARALLEL:

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name what; do \
		printf '  make %-12s %s\n' "$$name" "$$what"; \
	done

demo: release ## the whole pipeline in miniature, from generated text to tables; no GPU needed
	"$(program)" reproduce experiments/demo.toml

release: ## the program, optimized: target/release/longqa
	$(with) scripts/remapped cargo build --release --locked --bin longqa

reproducible: ## build the program twice, in different folders, and compare the bytes
	@scripts/reproducible

sbom: ## what the program is made of, as CycloneDX: target/longqa.cdx.json; of an image: scripts/sbom IMAGE
	@mkdir -p target && scripts/sbom > target/longqa.cdx.json.partial && mv target/longqa.cdx.json.partial target/longqa.cdx.json

# Tests on real data read a mirror of it (LONGQA_MIRROR), the test of report.html opens it in a browser
# (LONGQA_BROWSER, chromium); where there is none of either its tests are left out, by name.
test: ## all tests, on the CPU
	@if [ -n "$$LONGQA_MIRROR$$LONGQA_WITHOUT_MIRROR" ]; then :; \
	elif [ -d ../shared/data ]; then export LONGQA_MIRROR="$$(cd ../shared/data && pwd)"; \
	else export LONGQA_WITHOUT_MIRROR=1; echo "no LONGQA_MIRROR: tests on real data are left out" >&2; fi; \
	if [ -z "$$LONGQA_WITHOUT_BROWSER" ] && ! scripts/prerequisites browser 2>/dev/null; then \
		export LONGQA_WITHOUT_BROWSER=1; echo "no chromium: the test of report.html in a browser is left out" >&2; fi; \
	echo "$(with) cargo test" >&2; LONGQA_DEVICE=cpu $(with) cargo test

bench: ## all Criterion benches; reports under target/criterion
	$(with) cargo bench

lint: ## formatting and clippy
	cargo fmt --check
	$(with) cargo clippy --all-targets -- -D warnings

doc: ## the library's documentation: target/doc/longqa
	RUSTDOCFLAGS=-Dwarnings $(with) cargo doc --no-deps

libtorch: ## only get libtorch, and print the directory to use as LIBTORCH
	@scripts/libtorch

build: ## the container image; this and the next three read .env, which .env.example explains
	@scripts/container build

up: ## start the container, which waits for commands
	@scripts/container up

# The command is taken as it is: its dollar signs are the container's shell's, not make's.
repl: ## run a command in it: make repl run="longqa reproduce experiments/demo.toml"; without run, a shell
	@scripts/container repl '$(subst ','\'',$(value run))'

down: ## stop and remove it
	@scripts/container down

clean: ## remove what was built in this checkout; downloads stay in the user's cache
	rm -rf target
