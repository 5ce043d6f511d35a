/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "inspect/number.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLOAT_DIGITS_MAX 17

/* 0.DIGITS times ten to the power of `point`. */
struct decimal {
	char digits[24];
	int point;
};

/* Whether the number of so many digits nearest to value, or one `step` beside it, is read back as value. */
static bool decimal_try(double value, int digits, int step, struct decimal *ret)
{
	char text[40], plain[24];
	unsigned long long mantissa = 0;

	snprintf(text, sizeof(text), "%.*e", digits - 1, value);
	for (const char *c = text; *c != 'e'; c++)
		if (*c >= '0' && *c <= '9')
			mantissa = 10 * mantissa + *c - '0';
	mantissa += step;
	int exponent = atoi(strchr(text, 'e') + 1) - (digits - 1);
	snprintf(text, sizeof(text), "%llue%d", mantissa, exponent);
	if (!mantissa || strtod(text, NULL) != value)
		return false;

	int size = snprintf(plain, sizeof(plain), "%llu", mantissa);
	ret->point = exponent + size;
	while (size > 1 && plain[size - 1] == '0')
		plain[--size] = 0;
	memcpy(ret->digits, plain, sizeof(plain));
	return true;
}

/*
 * The fewest digits that do. Mostly the nearest number of so many; but just below a
 * power of two floats lie denser, and above one its neighbour may do where it does not.
 */
static struct decimal decimal_shortest(double value)
{
	static const int steps[] = {0, 1, -1};
	struct decimal found = {.digits = "0", .point = 1};

	for (int digits = 1; digits <= FLOAT_DIGITS_MAX; digits++)
		for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
			if (decimal_try(value, digits, steps[i], &found))
				return found;
	return found;
}

/* The form is that of CPython's Python/pystrtod.c, format_float_short(), format code 'r'. */
static void decimal_put(struct strbuf *b, const struct decimal *decimal)
{
	const char *digits = decimal->digits;
	int cnt = strlen(digits), point = decimal->point;

	if (point <= -4 || point > 16)
		strbuf_printf(b, "%c%s%se%+03d", digits[0], cnt > 1 ? "." : "", digits + 1, point - 1);
	else if (point <= 0)
		strbuf_printf(b, "0.%.*s%s", -point, "0000", digits);
	else if (point >= cnt)
		strbuf_printf(b, "%s%.*s.0", digits, point - cnt, "0000000000000000");
	else
		strbuf_printf(b, "%.*s.%s", point, digits, digits + point);
}

void python_float_put(struct strbuf *b, double value)
{
	if (isnan(value)) {
		strbuf_put(b, "nan");
		return;
	}
	if (signbit(value))
		strbuf_put_char(b, '-');
	if (isinf(value)) {
		strbuf_put(b, "inf");
		return;
	}
	struct decimal decimal = value == 0 ? (struct decimal){.digits = "0", .point = 1}
					    : decimal_shortest(fabs(value));
	decimal_put(b, &decimal);
}

#define PLACE	     1000000000 /* we write nine decimal digits at a time */
#define PLACE_DIGITS 9
#define PLACES_MAX   (PYTHON_INT_DIGITS_MAX * 32 / 29 + 1)

/* value = value * 2^bits + digit, in places of PLACE, least first. */
static void places_append(u32 *places, size_t *cnt, unsigned int bits, u32 digit)
{
	u64 carry = digit;

	for (size_t i = 0; i < *cnt; i++) {
		carry += (u64)places[i] << bits;
		places[i] = carry % PLACE;
		carry /= PLACE;
	}
	for (; carry && *cnt < PLACES_MAX; carry /= PLACE)
		places[(*cnt)++] = carry % PLACE;
}

static int digits_put(struct strbuf *b, const struct python_objects *objects, const struct object_digits *digits)
{
	u32 places[PLACES_MAX];
	size_t cnt = 0;

	for (u64 i = digits->cnt; i; i--) {
		u32 digit;
		int err = object_digit(objects, digits, i - 1, &digit);
		if (err)
			return err;
		places_append(places, &cnt, objects->object.long_digit_bits, digit);
	}
	if (digits->negative)
		strbuf_put_char(b, '-');
	strbuf_printf(b, "%u", cnt ? places[cnt - 1] : 0);
	while (cnt-- > 1)
		strbuf_printf(b, "%0*u", PLACE_DIGITS, places[cnt - 1]);
	return 0;
}

/* How many decimal digits, by the two first ones of the other base. */
static int digits_describe(struct strbuf *b, const struct python_objects *objects, const struct object_digits *digits)
{
	unsigned int bits = objects->object.long_digit_bits;
	u32 high, low;
	int err = object_digit(objects, digits, digits->cnt - 1, &high);

	if (!err)
		err = object_digit(objects, digits, digits->cnt - 2, &low);
	if (!err && !high)
		err = -EINVAL;
	if (err)
		return err;
	double decimals = log10(ldexp(high, bits) + low) + (double)(digits->cnt - 2) * bits * log10(2);
	strbuf_printf(b, "<int of %.0f digits>", floor(decimals) + 1);
	return 0;
}

int python_int_put(struct strbuf *b, const struct python_objects *objects, u64 address)
{
	struct object_digits digits;
	int err = object_digits(objects, address, &digits);
	s64 value;

	if (err == -EINVAL) {
		err = object_int(objects, address, &value);
		if (!err)
			strbuf_printf(b, "%lld", value);
		return err;
	}
	if (err)
		return err;
	if (digits.cnt > PYTHON_INT_DIGITS_MAX)
		return digits_describe(b, objects, &digits);
	err = digits_put(b, objects, &digits);
	if (!err && objects->object.int_value != ABSENT)
		strbuf_put_char(b, 'L'); /* of 2.7's two kinds this is the one that repr() marks */
	return err;
}
