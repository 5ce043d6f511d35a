/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* message.h - where libbpf's messages go: of the whole program, for its printer knows nobody. */
#ifndef PYPROF_MESSAGE_H
#define PYPROF_MESSAGE_H

/* NULL: nowhere. */
void messages_send_to(void (*sink)(const char *message));

#endif
