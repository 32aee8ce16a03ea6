# SPDX-License-Identifier: Apache-2.0
#
# A thin front door: each target asks for what is missing, then hands over to meson or to a script in tests/.
#
#   make demo     one key, one request, one signature, one refusal, one host's certificate, on a fresh SoftHSM token
#   make check    everything that is tested, in every build; ends with "N passed, N failed, N skipped"
#   make bench    the service against the same token used directly and against peers, side by side; docs/performance.md
#   make fuzz     the fuzz targets for FUZZ_SECONDS each (default 60)
#   make soak     mixed load and random faults for SOAK_SECONDS (default 3600); SEED as it was printed
#   make install  with meson; PREFIX (default /usr/local) and DESTDIR as usual
#   make deps     only installs what is missing; GROUP=build leaves out what only tests need
#   make clean    removes every build folder

BUILD ?= build
PREFIX ?= /usr/local
GROUP ?= all
FUZZ_SECONDS ?= 60
SOAK_SECONDS ?= 3600

all: build-tree

deps:
	@tests/deps $(GROUP)

build-tree:
	@tests/deps build
	@test -f "$(BUILD)/build.ninja" || meson setup "$(BUILD)" --prefix="$(PREFIX)" -Dtests=false
	@ninja -C "$(BUILD)"

demo: build-tree
	@KEYSVC_BUILD="$(abspath $(BUILD))" tests/system/demo.sh

check:
	@tests/deps all
	@tests/run --build "$(BUILD)"

bench:
	@tests/deps all
	@tests/run --build "$(BUILD)" --only bench

fuzz:
	@tests/deps all
	@tests/run --build "$(BUILD)" --only fuzz --fuzz-seconds $(FUZZ_SECONDS)

soak:
	@tests/deps all
	@test -f "$(BUILD)/build.ninja" || meson setup "$(BUILD)"
	@meson configure "$(BUILD)" -Dtests=true
	@ninja -C "$(BUILD)"
	@tests/system/soak --build "$(BUILD)" --seconds "$(SOAK_SECONDS)" $(if $(SEED),--seed "$(SEED)")

install: build-tree
	@meson configure "$(BUILD)" --prefix="$(PREFIX)"
	@meson install -C "$(BUILD)"

clean:
	rm -rf "$(BUILD)" "$(BUILD)"-sanitize "$(BUILD)"-fuzz

.PHONY: all deps build-tree demo check bench fuzz soak install clean
