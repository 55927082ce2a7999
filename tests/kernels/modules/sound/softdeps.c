// SPDX-License-Identifier: GPL-2.0
/* Wants other modules before and after it, and does without them. */
#include <linux/module.h>

MODULE_SOFTDEP("pre: plain no_such_module post: aliases");
MODULE_DESCRIPTION("softdeps");
MODULE_LICENSE("GPL v2");
