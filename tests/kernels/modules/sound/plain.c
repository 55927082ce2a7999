// SPDX-License-Identifier: GPL-2.0
/* Needs one symbol, takes nothing, exports nothing. */
#include <linux/module.h>

static int __init plain_init(void)
{
	pr_info("plain: loaded\n");
	return 0;
}

static void __exit plain_exit(void)
{
}

module_init(plain_init);
module_exit(plain_exit);
MODULE_DESCRIPTION("plain");
MODULE_LICENSE("GPL");
