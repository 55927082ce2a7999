// SPDX-License-Identifier: GPL-2.0
/* Answers to other names: device tables and an alias of its own. Says which firmware it would ask for. */
#include <linux/module.h>
#include <linux/pci.h>

static const struct pci_device_id aliases_pci[] = {
	{ PCI_DEVICE(0xfff3, 0x0001) },
	{ PCI_DEVICE_CLASS(PCI_CLASS_NETWORK_ETHERNET << 8, ~0) },
	{ }
};
MODULE_DEVICE_TABLE(pci, aliases_pci);

MODULE_ALIAS("another-name");
MODULE_ALIAS("pattern-*-[0-9]");
MODULE_FIRMWARE("aliases/firmware.bin");
MODULE_VERSION("1.2.3");
MODULE_DESCRIPTION("aliases");
MODULE_LICENSE("GPL");
