/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* assets.S - files that a picture carries within itself, as C strings. Paths are as the build sees them. */
	.section .rodata

	.globl flamegraph_css
flamegraph_css:
	.incbin "userspace/format/flamegraph.css"
	.byte 0

	.globl flamegraph_js
flamegraph_js:
	.incbin "userspace/format/flamegraph.js"
	.byte 0

	.section .note.GNU-stack, "", %progbits
