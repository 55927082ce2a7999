// SPDX-License-Identifier: GPL-2.0
/* A network driver as far as loading it goes: a PCI driver for ids that no vendor has. Needs quicknic_core. */
#include <linux/module.h>
#include <linux/pci.h>

unsigned int quicknic_ring_size(unsigned int wanted);

static int quicknic_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	dev_info(&pdev->dev, "ring of %u\n", quicknic_ring_size(1000));
	return 0;
}

static const struct pci_device_id quicknic_ids[] = {
	{ PCI_DEVICE(0xfff1, 0x0100) },
	{ PCI_DEVICE(0xfff1, 0x0101) },
	{ }
};
MODULE_DEVICE_TABLE(pci, quicknic_ids);

static struct pci_driver quicknic_driver = {
	.name = "quicknic",
	.id_table = quicknic_ids,
	.probe = quicknic_probe,
};
module_pci_driver(quicknic_driver);

MODULE_IMPORT_NS(QUICKNIC);
MODULE_DESCRIPTION("Example network driver");
MODULE_LICENSE("GPL");
