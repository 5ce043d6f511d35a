#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Re-records tests/golden/*/expected.* after an intended change of a format. Look at
# the difference, and let each format's real reader accept the new files (a browser
# for .svg), before you commit it.
set -eu
cd "$(dirname "$0")/.."
make build/unit
UPDATE_GOLDEN=1 build/unit --filter 'golden/*'
for svg in tests/golden/*/expected.svg; do
	python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$svg"
done
git --no-pager diff --stat -- tests/golden
