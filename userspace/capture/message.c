/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "capture/message.h"

#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void (*message_sink)(const char *message); /* libbpf's printer takes no context */

static int print_message(enum libbpf_print_level level, const char *format, va_list args)
{
	char message[1024];

	if (!message_sink)
		return 0;
	vsnprintf(message, sizeof(message), format, args);
	message[strcspn(message, "\n")] = 0;
	message_sink(message);
	return 0;
}

void messages_send_to(void (*sink)(const char *message))
{
	message_sink = sink;
	libbpf_set_print(print_message);
}
