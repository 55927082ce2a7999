// SPDX-License-Identifier: GPL-2.0
/* A temperature sensor. Nothing is wrong with it; its image lacks what depmod writes. */
#include <linux/module.h>
#include <linux/platform_device.h>

static struct platform_driver thermprobe_driver = {
	.driver = { .name = "thermprobe" },
};
module_platform_driver(thermprobe_driver);

MODULE_ALIAS("platform:thermprobe");
MODULE_DESCRIPTION("Example temperature sensor");
MODULE_LICENSE("GPL");
