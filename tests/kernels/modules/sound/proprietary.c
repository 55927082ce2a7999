// SPDX-License-Identifier: GPL-2.0
/* Calls itself proprietary, and uses only what anybody may use. */
#include <linux/module.h>

static int __init proprietary_init(void)
{
	pr_info("proprietary: loaded\n");
	return 0;
}

static void __exit proprietary_exit(void)
{
}

module_init(proprietary_init);
module_exit(proprietary_exit);
MODULE_DESCRIPTION("proprietary");
MODULE_LICENSE("Proprietary");
