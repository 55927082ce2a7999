// SPDX-License-Identifier: GPL-2.0
/* A network driver for the kernel before the upgrade, and only for that one. */
#include <linux/module.h>
#include <linux/pci.h>

static int legacynic_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	return pci_enable_device(pdev);
}

static void legacynic_remove(struct pci_dev *pdev)
{
	pci_disable_device(pdev);
}

static const struct pci_device_id legacynic_ids[] = {
	{ PCI_DEVICE(0xfff1, 0x0001) },
	{ }
};
MODULE_DEVICE_TABLE(pci, legacynic_ids);

static struct pci_driver legacynic_driver = {
	.name = "legacynic",
	.id_table = legacynic_ids,
	.probe = legacynic_probe,
	.remove = legacynic_remove,
};
module_pci_driver(legacynic_driver);

MODULE_DESCRIPTION("Example network driver, discontinued");
MODULE_LICENSE("GPL");
