// SPDX-License-Identifier: GPL-2.0
/* Arrays of several types and a text, each of which takes only so much; one array counts what it is given. */
#include <linux/module.h>

static int numbers[2];
module_param_array(numbers, int, NULL, 0444);
static char *words[2];
static unsigned int words_given;
module_param_array(words, charp, &words_given, 0444);
static bool switches[1];
module_param_array_named(only_one, switches, bool, NULL, 0444);
static char text[4];
module_param_string(text, text, sizeof(text), 0444);

MODULE_DESCRIPTION("limited");
MODULE_LICENSE("GPL");
