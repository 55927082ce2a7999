// SPDX-License-Identifier: GPL-2.0
/* A storage driver whose vendor has published an image for the kernel before the upgrade only. */
#include <linux/blkdev.h>
#include <linux/module.h>

static int major;

static int __init coldtier_init(void)
{
	major = register_blkdev(0, "coldtier");
	return major < 0 ? major : 0;
}

static void __exit coldtier_exit(void)
{
	unregister_blkdev(major, "coldtier");
}

module_init(coldtier_init);
module_exit(coldtier_exit);
MODULE_DESCRIPTION("Example archive storage driver");
MODULE_LICENSE("GPL");
