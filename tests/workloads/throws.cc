// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * throws.cc - a C++ program whose stacks are known (chains.h): exceptions that are
 * thrown through 20 levels, each with a destructor that works; virtual calls; and
 * std::sort with a comparator that works.
 *
 *	throws TRUTH FILE
 */
#include <algorithm>
#include <stdexcept>
#include <vector>

#include "chains.h"

#define UNWINDER 24 /* frames of libstdc++, libgcc and libc that throw and catch */
#define SORT	 12
#define LITTLE	 (WORK / 5) /* or little would be seen of the unwinder */

struct Guard {
	unsigned long seed;

	explicit Guard(unsigned long x) : seed(x)
	{
	}
	OWN ~Guard();
};

static volatile unsigned long sink;

#define FUNCTION(self)                                  \
	extern "C" unsigned long self(unsigned long x); \
	extern "C" OWN unsigned long self(unsigned long x)

FUNCTION(destroy)
{
	return spin(x, 4 * LITTLE);
}

Guard::~Guard()
{
	sink = destroy(seed) + 1;
}

/* ---- exceptions */

FUNCTION(t19)
{
	Guard guard(x);

	throw std::runtime_error(spin(x, LITTLE) % 2 ? "odd" : "even");
}

#define GUARDED(self, callee)                \
	FUNCTION(self)                       \
	{                                    \
		Guard guard(x);              \
		x = callee(spin(x, LITTLE)); \
		return spin(x, LITTLE);      \
	}
#define TWENTY(X, p) TEN(X, p##1) X(p##09, p##10) TEN(X, p##0)
TWENTY(GUARDED, t)

FUNCTION(catches)
{
	try {
		return t00(x) + 1;
	} catch (const std::exception &problem) {
		return spin(x + (unsigned char)problem.what()[0], WORK);
	}
}

/* ---- virtual calls */

struct Shape {
	virtual ~Shape()
	{
	}
	virtual unsigned long area(unsigned long x) = 0;
};

FUNCTION(leaf)
{
	return spin(x, 2 * LITTLE);
}

struct Square : Shape {
	OWN unsigned long area(unsigned long x) override
	{
		return leaf(spin(x, LITTLE)) + 1;
	}
};

struct Round : Shape {
	OWN unsigned long area(unsigned long x) override
	{
		return leaf(spin(x, LITTLE)) + 2;
	}
};

FUNCTION(measures)
{
	static Square square;
	static Round around;
	Shape *volatile shapes[] = {&square, &around};

	for (Shape *shape : shapes)
		x = shape->area(x);
	return x;
}

/* ---- std::sort */

extern "C" bool is_less(unsigned long a, unsigned long b);
extern "C" OWN bool is_less(unsigned long a, unsigned long b)
{
	sink = spin(a, LITTLE);
	return a < b;
}

FUNCTION(sorts)
{
	std::vector<unsigned long> items(20);

	for (unsigned long &item : items)
		item = x = spin(x, 1) >> 1;
	std::sort(items.begin(), items.end(), is_less);
	return items[0];
}

/* ---- everything */

FUNCTION(cycle)
{
	x = catches(x + 1);
	x = measures(x + 1);
	x = sorts(x + 1);
	return x + 1;
}

static void truth_write(FILE *truth, const char *file)
{
#define PAIR(caller, callee)	      truth_pair(truth, file, caller, callee, 0, 0);
#define PAIR_OF_NAMES(caller, callee) PAIR(#caller, #callee)
#define UNWINDS(self, callee)	      PAIR(#self, "Guard::~Guard") THROWS(#self)
#define THROWS(self)		      truth_pair(truth, file, self, "-", 0, UNWINDER);
	truth_pair(truth, file, "-", "main", 1, 4);
	PAIR("main", "cycle")
	PAIR("cycle", "catches")
	PAIR("catches", "t00")
	THROWS("catches")
	TWENTY(PAIR_OF_NAMES, t)
	TWENTY(UNWINDS, t)
	UNWINDS(t19, none)
	PAIR("Guard::~Guard", "destroy")
	PAIR("cycle", "measures")
	PAIR("measures", "Square::area")
	PAIR("measures", "Round::area")
	PAIR("Square::area", "leaf")
	PAIR("Round::area", "leaf")
	PAIR("cycle", "sorts")
	truth_pair(truth, file, "sorts", "is_less", 0, SORT);
	truth_pair(truth, file, "sorts", "-", 0, SORT);
}

int main(int argc, char **argv)
{
	FILE *truth = argc == 3 ? fopen(argv[1], "w") : nullptr;

	if (!truth)
		return 2;
	truth_write(truth, argv[2]);
	if (fclose(truth))
		return 1;
	puts("ready");
	fflush(stdout);
	for (unsigned long x = (unsigned long)argc;;)
		x = cycle(x);
}
