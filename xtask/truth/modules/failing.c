// SPDX-License-Identifier: GPL-2.0
/* Finds no hardware, as its own code says: nothing in the file tells. */
#include <linux/module.h>

static int __init failing_init(void)
{
	return -ENODEV;
}

static void __exit failing_exit(void)
{
}

module_init(failing_init);
module_exit(failing_exit);
MODULE_DESCRIPTION("failing");
MODULE_LICENSE("GPL");
