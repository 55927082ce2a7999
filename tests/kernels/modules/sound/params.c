// SPDX-License-Identifier: GPL-2.0
/* A parameter of every type that the kernel knows, an array, a string of limited length and one with its own parser. */
#include <linux/module.h>

static unsigned char p_byte;
module_param(p_byte, byte, 0444);
static short p_short;
module_param(p_short, short, 0444);
static unsigned short p_ushort;
module_param(p_ushort, ushort, 0444);
static int p_int;
module_param(p_int, int, 0444);
MODULE_PARM_DESC(p_int, "a number: with = and : in its description");
static unsigned int p_uint;
module_param(p_uint, uint, 0444);
static long p_long;
module_param(p_long, long, 0444);
static unsigned long p_ulong;
module_param(p_ulong, ulong, 0444);
static unsigned long long p_ullong;
module_param(p_ullong, ullong, 0444);
static unsigned int p_hexint;
module_param(p_hexint, hexint, 0444);
static char *p_charp;
module_param(p_charp, charp, 0444);
static bool p_bool;
module_param(p_bool, bool, 0444);
static bool p_invbool;
module_param(p_invbool, invbool, 0444);
static bool p_bool_enable_only;
module_param(p_bool_enable_only, bool_enable_only, 0444);
static int p_array[4];
static int p_array_used;
module_param_array(p_array, int, &p_array_used, 0444);
static char p_string[8];
module_param_string(p_string, p_string, sizeof(p_string), 0444);

static int p_even;

static int set_even(const char *value, const struct kernel_param *param)
{
	int err = param_set_int(value, param);

	return err ? err : p_even % 2 ? -EINVAL : 0;
}

static const struct kernel_param_ops even_ops = {
	.set = set_even,
	.get = param_get_int,
};
module_param_cb(p_even, &even_ops, &p_even, 0444);

MODULE_DESCRIPTION("params");
MODULE_LICENSE("GPL");
