/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/losses.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

Test(losses, a_reason_leads_back_to_its_loss)
{
	for (int i = 0; i < LOSS_CNT; i++) {
		enum loss found = LOSS_NONE;

		cr_assert_eq(loss_find(loss_reason(i), &found), 0);
		cr_assert_eq(found, i, "%s is the reason of two losses", loss_reason(i));
	}
}

Test(losses, what_is_no_reason_is_not_found)
{
	enum loss loss = LOSS_TIME;

	cr_assert_eq(loss_find("bad luck", &loss), -ENOENT);
	cr_assert_eq(loss_find("", &loss), -ENOENT);
	cr_assert_eq(loss, LOSS_TIME);
}

Test(losses, reasons_are_words_that_scripts_can_read_and_sentences_are_sentences)
{
	for (int i = 0; i < LOSS_CNT; i++) {
		const char *reason = loss_reason(i), *sentence = loss_sentence(i);

		cr_assert_eq(strspn(reason, "abcdefghijklmnopqrstuvwxyz-"), strlen(reason), "%s", reason);
		cr_assert(isupper((unsigned char)sentence[0]), "%s", sentence);
		cr_assert_eq(sentence[strlen(sentence) - 1], '.', "%s", sentence);
	}
}

Test(losses, effects_are_those_of_the_list)
{
	cr_assert_eq(loss_effect(LOSS_RING_FULL), LOSS_EFFECT_LOST);
	cr_assert_eq(loss_effect(LOSS_CODE_GONE), LOSS_EFFECT_UNKNOWN);
	cr_assert_eq(loss_effect(LOSS_FRAME_POINTER), LOSS_EFFECT_TRUNCATED);
	cr_assert_str_eq(loss_reason(LOSS_PYTHON_DEPTH), "python-depth");
}
