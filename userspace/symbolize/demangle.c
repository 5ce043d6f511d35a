/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "symbolize/demangle.h"

#include <setjmp.h>
#include <string.h>

#include <libiberty/demangle.h>

#include "symbolize/symbol_name.h"

/*
 * libiberty bounds its recursion, but not its work, and a symbol is anybody's text.
 * Three ways to unfold 1 KB into hours were tried and are closed here:
 * - Back references print the same part again and again. So names are written through
 *   a callback, which leaves by longjmp once one is longer than a person would read.
 *   Nothing is leaked but, in a made-up Rust name, one decoded identifier.
 * - Looking for the pack of a pack expansion (`Dp`) prints nothing and visits shared
 *   parts each time. So the parsed tree is measured, unshared, before it is printed.
 * - A conversion operator (`cv`) may be parsed twice, also inside of another.
 */
#define MAX_SYMBOL_LENGTH   1024
#define MAX_READABLE_LENGTH 4096
#define MAX_TREE_SIZE	    8192
#define MAX_CONVERSIONS	    8

struct readable {
	char text[MAX_READABLE_LENGTH];
	size_t size;
	jmp_buf too_long;
};

static void readable_put(const char *text, size_t size, void *opaque)
{
	struct readable *readable = opaque;

	if (!size) /* text may be NULL then */
		return;
	if (size > sizeof(readable->text) - readable->size)
		longjmp(readable->too_long, 1);
	memcpy(readable->text + readable->size, text, size);
	readable->size += size;
}

static bool readable_put_rust(struct readable *readable, const char *symbol)
{
	readable->size = 0;
	if (setjmp(readable->too_long))
		return false;
	return rust_demangle_callback(symbol, DMGL_ANSI, readable_put, readable);
}

static bool readable_put_tree(struct readable *readable, struct demangle_component *tree)
{
	readable->size = 0;
	if (setjmp(readable->too_long))
		return false;
	return cplus_demangle_print_callback(DMGL_ANSI, tree, readable_put, readable);
}

/* The parts of a part; which field of its union holds them depends on the type. */
static void tree_children(const struct demangle_component *tree, const struct demangle_component *ret[2])
{
	ret[0] = ret[1] = NULL;
	switch (tree->type) {
	case DEMANGLE_COMPONENT_NAME:
	case DEMANGLE_COMPONENT_OPERATOR:
	case DEMANGLE_COMPONENT_BUILTIN_TYPE:
	case DEMANGLE_COMPONENT_EXTENDED_BUILTIN_TYPE:
	case DEMANGLE_COMPONENT_SUB_STD:
	case DEMANGLE_COMPONENT_TEMPLATE_PARAM:
	case DEMANGLE_COMPONENT_FUNCTION_PARAM:
	case DEMANGLE_COMPONENT_UNNAMED_TYPE:
	case DEMANGLE_COMPONENT_CHARACTER:
	case DEMANGLE_COMPONENT_NUMBER:
		return;
	case DEMANGLE_COMPONENT_CTOR:
		ret[0] = tree->u.s_ctor.name;
		return;
	case DEMANGLE_COMPONENT_DTOR:
		ret[0] = tree->u.s_dtor.name;
		return;
	case DEMANGLE_COMPONENT_EXTENDED_OPERATOR:
		ret[0] = tree->u.s_extended_operator.name;
		return;
	case DEMANGLE_COMPONENT_FIXED_TYPE:
		ret[0] = tree->u.s_fixed.length;
		return;
	case DEMANGLE_COMPONENT_LAMBDA:
	case DEMANGLE_COMPONENT_DEFAULT_ARG:
		ret[0] = tree->u.s_unary_num.sub;
		return;
	default:
		ret[0] = tree->u.s_binary.left;
		ret[1] = tree->u.s_binary.right;
	}
}

/* Takes the tree's size from left, shared parts as often as they are met; false when that is too little. */
static bool tree_fits(const struct demangle_component *tree, unsigned *left)
{
	const struct demangle_component *children[2];

	if (!tree)
		return true;
	if (!*left)
		return false;
	--*left;
	tree_children(tree, children);
	return tree_fits(children[0], left) && tree_fits(children[1], left);
}

static bool has_many_conversions(const char *symbol)
{
	int cnt = 0;

	for (; (symbol = strstr(symbol, "cv")); symbol += 2)
		cnt++;
	return cnt > MAX_CONVERSIONS;
}

static bool readable_put_cxx(struct readable *readable, const char *symbol)
{
	_cleanup_(free) void *memory = NULL;
	unsigned left = MAX_TREE_SIZE;

	if (has_many_conversions(symbol))
		return false;
	struct demangle_component *tree = cplus_demangle_v3_components(symbol, DMGL_ANSI, &memory);
	return tree && tree_fits(tree, &left) && readable_put_tree(readable, tree);
}

static void put_readable(struct strbuf *b, const char *symbol, size_t length)
{
	char mangled[MAX_SYMBOL_LENGTH + 1];
	struct readable readable;

	/* C names, nearly all there are, need no look. */
	if (length > MAX_SYMBOL_LENGTH || symbol[0] != '_') {
		strbuf_put_size(b, symbol, length);
		return;
	}
	memcpy(mangled, symbol, length);
	mangled[length] = 0;
	/* Rust first: its older names are C++ names with a hash at the end. */
	if ((readable_put_rust(&readable, mangled) || readable_put_cxx(&readable, mangled)) && readable.size)
		strbuf_put_size(b, readable.text, readable.size);
	else
		strbuf_put_size(b, symbol, length);
}

void demangle_put(struct strbuf *b, const char *symbol)
{
	static const char stub[] = "@plt"; /* elf/plt.h: no version */
	size_t length = symbol_name_length(symbol), size = strlen(symbol);

	put_readable(b, symbol, length);
	if (size >= sizeof(stub) && !strcmp(symbol + size - (sizeof(stub) - 1), stub))
		strbuf_put(b, stub);
}
