// SPDX-License-Identifier: GPL-2.0
/* Uses a symbol for GPL-compatible modules only; its licence is what cases alter. */
#include <crypto/hash.h>
#include <linux/module.h>

static int __init gpl_user_init(void)
{
	return IS_ERR_OR_NULL(crypto_alloc_shash("no such digest", 0, 0)) ? 0 : -EINVAL;
}

static void __exit gpl_user_exit(void)
{
}

module_init(gpl_user_init);
module_exit(gpl_user_exit);
MODULE_DESCRIPTION("gpl_user");
MODULE_LICENSE("GPL");
