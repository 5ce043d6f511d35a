/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "symbolize/symbol_name.h"

#include <stdbool.h>
#include <string.h>

/*
 * What compilers append to a function that they copied or cut in pieces; each may
 * follow the other. A number follows, but for .cold and .localalias, where it may.
 */
static const struct {
	const char *text;
	bool number_optional;
} clone_suffixes[] = {
	{".cold", true},      {".part", false}, {".isra", false},      {".constprop", false},
	{".lto_priv", false}, {".llvm", false}, {".localalias", true},
};

/* How long a name is without its last suffix; length when it has none. */
static size_t length_without_suffix(const char *symbol, size_t length)
{
	size_t end = length;

	while (end && symbol[end - 1] >= '0' && symbol[end - 1] <= '9')
		end--;
	bool numbered = end < length && end && symbol[end - 1] == '.';
	end = numbered ? end - 1 : length;
	for (size_t i = 0; i < sizeof(clone_suffixes) / sizeof(clone_suffixes[0]); i++) {
		size_t size = strlen(clone_suffixes[i].text);

		if ((numbered || clone_suffixes[i].number_optional) && end > size &&
		    !memcmp(symbol + end - size, clone_suffixes[i].text, size))
			return end - size;
	}
	return length;
}

/* Up to the version, if there is one (`@VERSION`, `@@VERSION`), and to what follows the function's own name. */
size_t symbol_name_length(const char *symbol)
{
	size_t length = symbol[0] ? 1 + strcspn(symbol + 1, "@") : 0, shorter;

	while ((shorter = length_without_suffix(symbol, length)) < length)
		length = shorter;
	return length;
}
