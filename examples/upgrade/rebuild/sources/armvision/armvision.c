// SPDX-License-Identifier: GPL-2.0
/* A camera driver, compiled and packed on a 64-bit ARM machine. */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

static const struct file_operations armvision_fops = {
	.owner = THIS_MODULE,
};

static struct miscdevice armvision_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "armvision",
	.fops = &armvision_fops,
};
module_misc_device(armvision_device);

MODULE_DESCRIPTION("Example camera driver");
MODULE_LICENSE("GPL");
