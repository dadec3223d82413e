/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers and memory formats of the NPU; docs/hardware.md says what they mean.
 */
#ifndef __BITNPU_REGS_H__
#define __BITNPU_REGS_H__

#include <linux/bits.h>
#include <linux/types.h>

#define BITNPU_REG_WINDOW		0x10000

/* 2.1 Identification and capabilities */
#define BITNPU_ID			0x000
#define   BITNPU_ID_VALUE		0x55504e42
#define BITNPU_HW_VERSION		0x004
#define   BITNPU_VERSION_MAJOR		GENMASK(31, 16)
#define   BITNPU_VERSION_MINOR		GENMASK(15, 0)
#define   BITNPU_HW_MAJOR		1
#define   BITNPU_HW_MINOR		0
#define BITNPU_ISA_VERSION		0x008
#define BITNPU_IMPLEMENTATION		0x00c
#define BITNPU_FEATURES_LO		0x010
#define BITNPU_FEATURES_HI		0x014
#define BITNPU_GEOMETRY			0x018
#define   BITNPU_GEOMETRY_CORES		GENMASK(7, 0)
#define   BITNPU_GEOMETRY_RINGS		GENMASK(15, 8)
#define   BITNPU_GEOMETRY_RING_LOG2	GENMASK(23, 16)
#define   BITNPU_GEOMETRY_ASID_BITS	GENMASK(31, 24)
#define BITNPU_ADDRESS			0x01c
#define   BITNPU_ADDRESS_VA_BITS	GENMASK(7, 0)
#define   BITNPU_ADDRESS_BUS_BITS	GENMASK(15, 8)
#define BITNPU_MAC_ARRAY		0x020
#define   BITNPU_MAC_ARRAY_ROWS		GENMASK(15, 0)
#define   BITNPU_MAC_ARRAY_COLUMNS	GENMASK(31, 16)
#define BITNPU_SRAM_SIZE		0x024
#define BITNPU_CLOCK_KHZ		0x028
#define BITNPU_DMA			0x02c
#define   BITNPU_DMA_BYTES		GENMASK(15, 0)
#define   BITNPU_DMA_LATENCY		GENMASK(31, 16)

#define BITNPU_MAX_CORES		16
#define BITNPU_MAX_RINGS		16
#define BITNPU_MIN_RING_LOG2		4
#define BITNPU_MAX_RING_LOG2		16

/* 2.2 Control */
#define BITNPU_CONTROL			0x040
#define   BITNPU_CONTROL_ENABLE		BIT(0)
#define   BITNPU_CONTROL_RESET		BIT(31)
#define BITNPU_HW_STATUS		0x044
#define   BITNPU_HW_STATUS_READY		BIT(0)
#define   BITNPU_HW_STATUS_BUSY		BIT(1)
#define   BITNPU_HW_STATUS_ERROR		BIT(2)
#define BITNPU_ERROR			0x048
#define   BITNPU_ERROR_KIND		GENMASK(7, 0)
#define   BITNPU_ERROR_RING		GENMASK(15, 8)
#define BITNPU_ERROR_ADDR_LO		0x050
#define BITNPU_ERROR_ADDR_HI		0x054
#define BITNPU_IRQ_STATUS		0x060
#define BITNPU_IRQ_MASK			0x064
#define BITNPU_IRQ_PENDING		0x068
#define   BITNPU_IRQ_RING(r)		BIT(r)
#define   BITNPU_IRQ_RINGS		GENMASK(15, 0)
#define   BITNPU_IRQ_ERROR		BIT(16)
#define BITNPU_TLB_COMMAND		0x080
#define   BITNPU_TLB_OP			GENMASK(7, 0)
#define   BITNPU_TLB_OP_ASID		1
#define   BITNPU_TLB_OP_ALL		2
#define   BITNPU_TLB_ASID		GENMASK(31, 16)
#define BITNPU_TLB_STATUS		0x084
#define   BITNPU_TLB_BUSY		BIT(0)

/* 2.3 Counters: offset of the low half; reading it latches the high half, at + 4 */
#define BITNPU_COUNTER_CYCLES_BUSY	0x100
#define BITNPU_COUNTER_CYCLES_MAC	0x108
#define BITNPU_COUNTER_CYCLES_DMA	0x110
#define BITNPU_COUNTER_CYCLES_STALL	0x118
#define BITNPU_COUNTER_BYTES_READ	0x120
#define BITNPU_COUNTER_BYTES_WRITTEN	0x128
#define BITNPU_COUNTER_MACS		0x130
#define BITNPU_COUNTER_COMMANDS		0x138
#define BITNPU_COUNTER_ENTRIES		0x140
#define BITNPU_COUNTER_TLB_MISSES	0x148
#define BITNPU_SRAM_HIGH_WATER		0x180

/* 2.4 Rings */
#define BITNPU_RING_BLOCK		0x1000
#define BITNPU_RING_BLOCK_SIZE		0x100
#define BITNPU_RING(r, reg)		(BITNPU_RING_BLOCK + (r) * BITNPU_RING_BLOCK_SIZE + (reg))
#define BITNPU_RING_BASE_LO		0x00
#define BITNPU_RING_BASE_HI		0x04
#define BITNPU_RING_RECORDS_LO		0x08
#define BITNPU_RING_RECORDS_HI		0x0c
#define BITNPU_RING_SIZE		0x10
#define BITNPU_RING_CONTROL		0x14
#define   BITNPU_RING_CONTROL_ENABLE	BIT(0)
#define   BITNPU_RING_CONTROL_RESET	BIT(31)
#define BITNPU_RING_STATUS		0x18
#define   BITNPU_RING_STATUS_ENABLED	BIT(0)
#define   BITNPU_RING_STATUS_ACTIVE	BIT(1)
#define   BITNPU_RING_STATUS_ERROR	BIT(2)
#define BITNPU_RING_HEAD		0x20
#define BITNPU_RING_TAIL		0x24
#define BITNPU_RING_PROGRESS		0x28
#define BITNPU_RING_COMMAND		0x2c

/* Section 8: the longest a reset takes */
#define BITNPU_RESET_TIMEOUT_US		100000

/**
 * struct bitnpu_ring_entry - what the host asks for (section 3)
 * @control: BITNPU_ENTRY_*
 * @asid: TLB tag of the address space
 * @sequence: copied to the record
 * @root: bus address of the root page table
 * @list_addr: device address of the command list
 * @list_size: its bytes
 * @reserved: zero
 */
struct bitnpu_ring_entry {
	__le32 control;
	__le32 asid;
	__le64 sequence;
	__le64 root;
	__le64 list_addr;
	__le32 list_size;
	__le32 reserved[7];
};

#define BITNPU_ENTRY_TYPE		GENMASK(7, 0)
#define   BITNPU_ENTRY_NOP		0
#define   BITNPU_ENTRY_RUN		1
#define BITNPU_ENTRY_IRQ		BIT(8)

/**
 * struct bitnpu_record - how an entry ended (section 4)
 * @addr: device address or value at fault
 * @status: &enum bitnpu_status
 * @index: of the command at fault
 * @field: byte offset of the field at fault
 * @fault: &enum bitnpu_hw_fault
 * @cycles: core cycles of this entry
 * @mac_cycles: of these, the MAC array worked
 * @dma_cycles: the DMA worked
 * @stall_cycles: the MAC array waited
 * @bytes_read: through the MMU
 * @bytes_written: through the MMU
 * @macs: M * N * K, summed
 * @commands: completed
 * @sram_high_water: bytes
 * @reserved: zero
 * @sequence: of the entry
 * @reserved2: zero
 * @check: exclusive or of the other words and BITNPU_RECORD_SEED
 */
struct bitnpu_record {
	__le64 addr;
	__le32 status;
	__le32 index;
	__le32 field;
	__le32 fault;
	__le64 cycles;
	__le64 mac_cycles;
	__le64 dma_cycles;
	__le64 stall_cycles;
	__le64 bytes_read;
	__le64 bytes_written;
	__le64 macs;
	__le32 commands;
	__le32 sram_high_water;
	__le64 reserved[3];
	__le64 sequence;
	__le32 reserved2;
	__le32 check;
};

#define BITNPU_RECORD_SEED		0x424e5055

/**
 * bitnpu_record_check() - the check word that belongs to a record
 * @record: every member but @check is used
 *
 * Return: in the record's byte order.
 */
static inline __le32 bitnpu_record_check(const struct bitnpu_record *record)
{
	const __le32 *word = (const __le32 *)record;
	u32 check = BITNPU_RECORD_SEED;
	unsigned int i;

	for (i = 0; i < sizeof(*record) / sizeof(*word) - 1; i++)
		check ^= le32_to_cpu(word[i]);
	return cpu_to_le32(check);
}

/* 5.1 Page tables */
#define BITNPU_PTE_VALID		BIT_ULL(0)
#define BITNPU_PTE_LEAF			BIT_ULL(1)
#define BITNPU_PTE_WRITE		BIT_ULL(2)
#define BITNPU_PTE_ADDR			GENMASK_ULL(51, 12)
#define BITNPU_PTE_LEVELS		3
#define BITNPU_PTE_INDEX_BITS		9
#define BITNPU_PTE_ENTRIES		BIT(BITNPU_PTE_INDEX_BITS)
#define BITNPU_TABLE_SIZE		4096
#define BITNPU_PAGE_SHIFT		12
#define BITNPU_BLOCK_SHIFT		21
#define BITNPU_VA_BITS			39

/**
 * enum bitnpu_hw_fault - memory faults (section 7.1)
 * @BITNPU_HW_FAULT_NONE: no memory fault
 * @BITNPU_HW_FAULT_TRANSLATION: nothing is mapped there
 * @BITNPU_HW_FAULT_PERMISSION: write to a read-only leaf
 * @BITNPU_HW_FAULT_TABLE: malformed page-table entry, or a bus error while walking
 * @BITNPU_HW_FAULT_BUS_READ: the host answered a read with an error
 * @BITNPU_HW_FAULT_BUS_WRITE: the host answered a write with an error
 */
enum bitnpu_hw_fault {
	BITNPU_HW_FAULT_NONE		= 0,
	BITNPU_HW_FAULT_TRANSLATION	= 1,
	BITNPU_HW_FAULT_PERMISSION	= 2,
	BITNPU_HW_FAULT_TABLE		= 3,
	BITNPU_HW_FAULT_BUS_READ	= 4,
	BITNPU_HW_FAULT_BUS_WRITE	= 5,
};

/**
 * enum bitnpu_hw_error - device errors (section 7.2)
 * @BITNPU_HW_ERROR_NONE: no error
 * @BITNPU_HW_ERROR_FETCH: bus error reading a ring entry
 * @BITNPU_HW_ERROR_RECORD: bus error writing a record
 * @BITNPU_HW_ERROR_ENTRY: malformed ring entry
 * @BITNPU_HW_ERROR_OVERRUN: ring indexes or set-up out of range
 * @BITNPU_HW_ERROR_INTERNAL: the NPU's state is doubtful
 */
enum bitnpu_hw_error {
	BITNPU_HW_ERROR_NONE		= 0,
	BITNPU_HW_ERROR_FETCH		= 1,
	BITNPU_HW_ERROR_RECORD		= 2,
	BITNPU_HW_ERROR_ENTRY		= 3,
	BITNPU_HW_ERROR_OVERRUN		= 4,
	BITNPU_HW_ERROR_INTERNAL	= 5,
};

#endif /* __BITNPU_REGS_H__ */
