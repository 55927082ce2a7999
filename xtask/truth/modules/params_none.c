// SPDX-License-Identifier: GPL-2.0
/* Takes no parameter, needs no symbol, does nothing. */
#include <linux/module.h>

MODULE_DESCRIPTION("params_none");
MODULE_LICENSE("GPL");
