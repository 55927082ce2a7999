// SPDX-License-Identifier: GPL-2.0
/* A measurement driver that must be signed, in an image that was pushed before it was. */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

static const struct file_operations attestor_fops = {
	.owner = THIS_MODULE,
};

static struct miscdevice attestor_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "attestor",
	.fops = &attestor_fops,
};
module_misc_device(attestor_device);

MODULE_DESCRIPTION("Example measurement driver");
MODULE_LICENSE("GPL");
