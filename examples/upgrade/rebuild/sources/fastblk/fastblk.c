// SPDX-License-Identifier: GPL-2.0
/* A block driver as far as loading it goes: it takes a major number and two parameters. It drives no hardware. */
#include <linux/blkdev.h>
#include <linux/module.h>

static unsigned int queue_depth = 32;
module_param(queue_depth, uint, 0444);
MODULE_PARM_DESC(queue_depth, "requests in flight per queue");

static bool write_back;
module_param(write_back, bool, 0444);
MODULE_PARM_DESC(write_back, "announce a volatile write cache");

static int major;

static int __init fastblk_init(void)
{
	major = register_blkdev(0, "fastblk");
	if (major < 0)
		return major;
	pr_info("fastblk: major %d, queue depth %u, write cache %s\n", major, queue_depth, write_back ? "on" : "off");
	return 0;
}

static void __exit fastblk_exit(void)
{
	unregister_blkdev(major, "fastblk");
}

module_init(fastblk_init);
module_exit(fastblk_exit);
MODULE_DESCRIPTION("Example block driver");
MODULE_LICENSE("GPL");
