/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* full_place.h - a place that says all there is to say, on a host whose person added as many labels as can be. */
#ifndef PYPROF_TESTS_FULL_PLACE_H
#define PYPROF_TESTS_FULL_PLACE_H

#include "build_profile.h"
#include "profile/common_labels.h"

/*
 * Makes it the place of the profile's only sample, whose process has all texts too. Labels are label0=x and so on, then host=h1 and
 * boot_id=b1. common is borrowed by the profile, and for the test to deinit.
 */
void build_full_place(struct built_profile *built, struct common_labels *common);

#endif
