#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# get_engines.sh NAME - prints the path of an engine that profiles are exported to, as its makers
# publish it: otelcol (the OpenTelemetry collector, with a receiver and a file to write to) or pyroscope. Built
# once, from Go's modules; nothing is installed anywhere else. Needs Go 1.25 or newer, a few minutes, and 5 GB that Go keeps for itself.
#
# PYPROF_ENGINES says where they live.
set -eu

directory=${PYPROF_ENGINES:-/var/cache/pyprof-bpf/engines}
otelcol=0.158.0
otelcol_stable=1.64.0 # what its stable modules are called in the same release
pyroscope=1.12.0

die() {
	echo "get_engines: $*" >&2
	exit 1
}

otelcol_build() {
	cat >manifest.yaml <<-END
		dist:
		  name: otelcol
		  module: pyprof.test/otelcol
		  output_path: ./source
		  version: $otelcol
		receivers:
		  - gomod: go.opentelemetry.io/collector/receiver/otlpreceiver v$otelcol
		exporters:
		  - gomod: github.com/open-telemetry/opentelemetry-collector-contrib/exporter/fileexporter v$otelcol
		providers:
		  - gomod: go.opentelemetry.io/collector/confmap/provider/fileprovider v$otelcol_stable
		  - gomod: go.opentelemetry.io/collector/confmap/provider/envprovider v$otelcol_stable
	END
	go run "go.opentelemetry.io/collector/cmd/builder@v$otelcol" --config manifest.yaml --skip-compilation
	cd source
	go build -trimpath -ldflags='-s -w' -o "$1" .
}

# Its module replaces its API's with a directory that is not published with it, and some of what it asks for
# has moved on since.
pyroscope_build() {
	go mod download "github.com/grafana/pyroscope@v$pyroscope"
	module=$(go env GOMODCACHE)/github.com/grafana/pyroscope@v$pyroscope
	mkdir source
	cp -r "$module/cmd" "$module/pkg" "$module/public" "$module/go.mod" "$module/go.sum" source
	chmod -R u+w source
	cd source
	export GOWORK=off
	go mod edit -dropreplace github.com/grafana/pyroscope/api -require github.com/grafana/pyroscope/api@v1.1.0 \
		-replace google.golang.org/grpc=google.golang.org/grpc@v1.65.0
	# The versions above are not in its go.sum.
	GOFLAGS="${GOFLAGS:-} -mod=mod" go build -trimpath -ldflags='-s -w' -o "$1" ./cmd/pyroscope
}

case ${1:-} in
otelcol) wanted=$directory/otelcol-$otelcol ;;
pyroscope) wanted=$directory/pyroscope-$pyroscope ;;
*) die "write otelcol or pyroscope" ;;
esac

mkdir -p "$directory" || die "cannot make $directory"
exec 9>"$directory/lock"
flock 9
if [ ! -x "$wanted" ]; then
	command -v go >/dev/null || die "go is missing: https://go.dev/dl"
	part=$directory/$1.part
	rm -rf "$part"
	mkdir -p "$part"
	echo "get_engines: building $wanted" >&2
	(cd "$part" && "$1_build" "$part/done" 9>&-) >"$part.log" 2>&1 || {
		tail -n 20 "$part.log" >&2
		die "building $1 failed, see $part.log"
	}
	mv "$part/done" "$wanted"
	rm -rf "$part" "$part.log"
fi
echo "$wanted"
