// SPDX-License-Identifier: GPL-2.0
/* A sensor bridge whose image is built in the cluster, kernel by kernel. */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

static const struct file_operations i2cbridge_fops = {
	.owner = THIS_MODULE,
};

static struct miscdevice i2cbridge_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "i2cbridge",
	.fops = &i2cbridge_fops,
};
module_misc_device(i2cbridge_device);

MODULE_DESCRIPTION("Example sensor bridge");
MODULE_LICENSE("GPL");
