// SPDX-License-Identifier: GPL-2.0
/* Parameters of which modinfo says nothing, since only module_param_* writes that; and words on one that is not there. */
#include <linux/module.h>

static int number;
module_param_cb(number, &param_ops_int, &number, 0444);

static bool on_off;
module_param_cb(on_off, &param_ops_bool, &on_off, 0444);

static unsigned char bytes[2];
static struct kparam_array bytes_array = {
	.max = ARRAY_SIZE(bytes),
	.elemsize = sizeof(bytes[0]),
	.ops = &param_ops_byte,
	.elem = bytes,
};
module_param_cb(bytes, &param_array_ops, &bytes_array, 0444);

static int set_nothing(const char *value, const struct kernel_param *param)
{
	return 0;
}

static const struct kernel_param_ops own_ops = { .set = set_nothing };
static char own[2];
static struct kparam_array own_array = {
	.max = ARRAY_SIZE(own),
	.elemsize = sizeof(own[0]),
	.ops = &own_ops,
	.elem = own,
};
module_param_cb(own, &param_array_ops, &own_array, 0444);

MODULE_PARM_DESC(described_only, "is not there");
MODULE_DESCRIPTION("untold");
MODULE_LICENSE("GPL");
