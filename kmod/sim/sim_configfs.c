// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/config/bitnpu_sim/<name>/: instances, their geometry and what is to go wrong with
 * them. docs/simulator.md is the reference.
 */
#include <linux/configfs.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include <drm/bitnpu_isa.h>

#include "sim.h"

/**
 * struct sim_item - a directory
 * @group: the directory
 * @fault_group: its subdirectory "fault"
 * @lock: protects the rest
 * @config: geometry, for when it is made live
 * @sim: the instance, NULL when it is not live
 */
struct sim_item {
	struct config_group group;
	struct config_group fault_group;
	struct mutex lock; /* outermost */
	struct sim_config config;
	struct bitnpu_sim *sim;
};

static struct sim_item *to_sim_item(struct config_item *item)
{
	return container_of(to_config_group(item), struct sim_item, group);
}

static struct sim_item *fault_to_sim_item(struct config_item *item)
{
	return container_of(to_config_group(item), struct sim_item, fault_group);
}

static ssize_t store_number(struct sim_item *item, u32 *field, u32 low, u32 high, const char *page,
			    size_t len)
{
	unsigned int value;
	int ret = kstrtouint(page, 0, &value);

	if (ret)
		return ret;
	if (value < low || value > high)
		return -ERANGE;
	mutex_lock(&item->lock);
	ret = item->sim ? -EBUSY : 0;
	if (!ret)
		*field = value;
	mutex_unlock(&item->lock);
	return ret ?: len;
}

#define GEOMETRY_ATTR(name, low, high)								\
static ssize_t sim_##name##_show(struct config_item *item, char *page)			\
{												\
	return sysfs_emit(page, "%u\n", to_sim_item(item)->config.name);			\
}												\
												\
static ssize_t sim_##name##_store(struct config_item *item, const char *page, size_t len)	\
{												\
	struct sim_item *sim = to_sim_item(item);						\
												\
	return store_number(sim, &sim->config.name, low, high, page, len);			\
}												\
												\
CONFIGFS_ATTR(sim_, name)

GEOMETRY_ATTR(cores, 1, BITNPU_MAX_CORES);
GEOMETRY_ATTR(rings, 2, BITNPU_MAX_RINGS);
GEOMETRY_ATTR(ring_log2, BITNPU_MIN_RING_LOG2, BITNPU_MAX_RING_LOG2);
GEOMETRY_ATTR(asid_bits, 1, 16);
GEOMETRY_ATTR(mac_rows, 1, U16_MAX);
GEOMETRY_ATTR(mac_columns, 1, U16_MAX);
GEOMETRY_ATTR(sram_bytes, 1, 1 << 30);
GEOMETRY_ATTR(clock_khz, 1, U32_MAX);
GEOMETRY_ATTR(dma_bytes, 1, U16_MAX);
GEOMETRY_ATTR(dma_latency, 0, U16_MAX);

static ssize_t sim_features_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "0x%llx\n", to_sim_item(item)->config.features);
}

static ssize_t sim_features_store(struct config_item *item, const char *page, size_t len)
{
	struct sim_item *sim = to_sim_item(item);
	u64 value;
	int ret = kstrtou64(page, 0, &value);

	if (ret)
		return ret;
	if (value & ~sim_config_default.features)
		return -ERANGE;
	mutex_lock(&sim->lock);
	ret = sim->sim ? -EBUSY : 0;
	if (!ret)
		sim->config.features = value;
	mutex_unlock(&sim->lock);
	return ret ?: len;
}
CONFIGFS_ATTR(sim_, features);

static int go_live(struct sim_item *item)
{
	struct bitnpu_sim *sim;

	lockdep_assert_held(&item->lock);
	sim = sim_create(&item->config);
	if (IS_ERR(sim))
		return PTR_ERR(sim);
	item->sim = sim;
	return 0;
}

static void go_away(struct sim_item *item)
{
	lockdep_assert_held(&item->lock);
	if (item->sim)
		sim_destroy(item->sim);
	item->sim = NULL;
}

static ssize_t sim_live_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n", READ_ONCE(to_sim_item(item)->sim) ? 1 : 0);
}

static ssize_t sim_live_store(struct config_item *item, const char *page, size_t len)
{
	struct sim_item *sim = to_sim_item(item);
	bool live;
	int ret = kstrtobool(page, &live);

	if (ret)
		return ret;
	mutex_lock(&sim->lock);
	if (!live)
		go_away(sim);
	else if (!sim->sim)
		ret = go_live(sim);
	mutex_unlock(&sim->lock);
	return ret ?: len;
}
CONFIGFS_ATTR(sim_, live);

static ssize_t sim_device_show(struct config_item *item, char *page)
{
	struct sim_item *sim = to_sim_item(item);
	ssize_t ret = -ENODEV;

	mutex_lock(&sim->lock);
	if (sim->sim)
		ret = sysfs_emit(page, "%s\n", dev_name(&sim->sim->child->dev));
	mutex_unlock(&sim->lock);
	return ret;
}
CONFIGFS_ATTR_RO(sim_, device);

static struct configfs_attribute *sim_attrs[] = {
	&sim_attr_cores,
	&sim_attr_rings,
	&sim_attr_ring_log2,
	&sim_attr_asid_bits,
	&sim_attr_mac_rows,
	&sim_attr_mac_columns,
	&sim_attr_sram_bytes,
	&sim_attr_clock_khz,
	&sim_attr_dma_bytes,
	&sim_attr_dma_latency,
	&sim_attr_features,
	&sim_attr_live,
	&sim_attr_device,
	NULL
};

static ssize_t show_fault(struct sim_item *item, enum sim_fault kind, char *page)
{
	ssize_t ret = -ENODEV;

	mutex_lock(&item->lock);
	if (item->sim)
		ret = sysfs_emit(page, "%d\n", atomic_read(&item->sim->fault[kind]));
	mutex_unlock(&item->lock);
	return ret;
}

static ssize_t store_fault(struct sim_item *item, enum sim_fault kind, const char *page, size_t len)
{
	unsigned int value;
	int ret = kstrtouint(page, 0, &value);

	if (ret)
		return ret;
	if (value > INT_MAX)
		return -ERANGE;
	mutex_lock(&item->lock);
	if (item->sim)
		atomic_set(&item->sim->fault[kind], value);
	else
		ret = -ENODEV;
	mutex_unlock(&item->lock);
	return ret ?: len;
}

#define FAULT_ATTR(name, kind)									\
static ssize_t fault_##name##_show(struct config_item *item, char *page)			\
{												\
	return show_fault(fault_to_sim_item(item), kind, page);				\
}												\
												\
static ssize_t fault_##name##_store(struct config_item *item, const char *page, size_t len)	\
{												\
	return store_fault(fault_to_sim_item(item), kind, page, len);				\
}												\
												\
CONFIGFS_ATTR(fault_, name)

FAULT_ATTR(hang, SIM_FAULT_HANG);
FAULT_ATTR(ring_reset, SIM_FAULT_RING_RESET);
FAULT_ATTR(reset, SIM_FAULT_RESET);
FAULT_ATTR(lost_irq, SIM_FAULT_LOST_IRQ);
FAULT_ATTR(lost_doorbell, SIM_FAULT_LOST_DOORBELL);
FAULT_ATTR(bus_read, SIM_FAULT_BUS_READ);
FAULT_ATTR(bus_write, SIM_FAULT_BUS_WRITE);
FAULT_ATTR(bus_fetch, SIM_FAULT_BUS_FETCH);
FAULT_ATTR(bus_record, SIM_FAULT_BUS_RECORD);
FAULT_ATTR(page_fault, SIM_FAULT_PAGE_FAULT);
FAULT_ATTR(record_check, SIM_FAULT_RECORD_CHECK);
FAULT_ATTR(record_sequence, SIM_FAULT_RECORD_SEQUENCE);
FAULT_ATTR(bit_flip, SIM_FAULT_BIT_FLIP);

/* Not a count: the interrupt comes now, with the bits written, and nothing has happened. */
static ssize_t fault_spurious_irq_store(struct config_item *config, const char *page, size_t len)
{
	struct sim_item *item = fault_to_sim_item(config);
	unsigned int bits;
	int ret = kstrtouint(page, 0, &bits);

	if (ret)
		return ret;
	if (bits & ~BITNPU_IRQ_RINGS)
		return -ERANGE;
	mutex_lock(&item->lock);
	if (item->sim)
		sim_irq_set(item->sim, bits);
	else
		ret = -ENODEV;
	mutex_unlock(&item->lock);
	return ret ?: len;
}
CONFIGFS_ATTR_WO(fault_, spurious_irq);

static struct configfs_attribute *fault_attrs[] = {
	&fault_attr_hang,
	&fault_attr_ring_reset,
	&fault_attr_reset,
	&fault_attr_lost_irq,
	&fault_attr_lost_doorbell,
	&fault_attr_bus_read,
	&fault_attr_bus_write,
	&fault_attr_bus_fetch,
	&fault_attr_bus_record,
	&fault_attr_page_fault,
	&fault_attr_record_check,
	&fault_attr_record_sequence,
	&fault_attr_bit_flip,
	&fault_attr_spurious_irq,
	NULL
};

static const struct config_item_type fault_type = {
	.ct_attrs = fault_attrs,
	.ct_owner = THIS_MODULE,
};

static void item_release(struct config_item *config)
{
	struct sim_item *item = to_sim_item(config);

	mutex_lock(&item->lock);
	go_away(item);
	mutex_unlock(&item->lock);
	mutex_destroy(&item->lock);
	kfree(item);
}

static struct configfs_item_operations item_ops = {
	.release = item_release,
};

static const struct config_item_type item_type = {
	.ct_item_ops = &item_ops,
	.ct_attrs = sim_attrs,
	.ct_owner = THIS_MODULE,
};

static struct sim_item *item_create(const char *name)
{
	struct sim_item *item = kzalloc(sizeof(*item), GFP_KERNEL);

	if (!item)
		return NULL;
	mutex_init(&item->lock);
	item->config = sim_config_default;
	config_group_init_type_name(&item->group, name, &item_type);
	config_group_init_type_name(&item->fault_group, "fault", &fault_type);
	configfs_add_default_group(&item->fault_group, &item->group);
	return item;
}

static struct config_group *make_group(struct config_group *group, const char *name)
{
	struct sim_item *item = item_create(name);

	return item ? &item->group : ERR_PTR(-ENOMEM);
}

/* The device goes when its directory does, not when the last open attribute is closed. */
static void drop_item(struct config_group *group, struct config_item *config)
{
	struct sim_item *item = to_sim_item(config);

	mutex_lock(&item->lock);
	go_away(item);
	mutex_unlock(&item->lock);
	config_item_put(config);
}

static struct configfs_group_operations subsystem_ops = {
	.make_group = make_group,
	.drop_item = drop_item,
};

static const struct config_item_type subsystem_type = {
	.ct_group_ops = &subsystem_ops,
	.ct_owner = THIS_MODULE,
};

static struct configfs_subsystem subsystem = {
	.su_group = {
		.cg_item = {
			.ci_namebuf = "bitnpu_sim",
			.ci_type = &subsystem_type,
		},
	},
	.su_mutex = __MUTEX_INITIALIZER(subsystem.su_mutex),
};

static struct sim_item *default_item;

static int make_default(void)
{
	struct sim_item *item = item_create("default");
	int ret;

	if (!item)
		return -ENOMEM;
	ret = configfs_register_group(&subsystem.su_group, &item->group);
	if (ret)
		goto put;
	mutex_lock(&item->lock);
	ret = go_live(item);
	mutex_unlock(&item->lock);
	if (ret)
		goto unregister;
	default_item = item;
	return 0;

unregister:
	configfs_unregister_group(&item->group);
put:
	config_group_put(&item->group);
	return ret;
}

int sim_configfs_init(bool create_default)
{
	int ret;

	config_group_init(&subsystem.su_group);
	ret = configfs_register_subsystem(&subsystem);
	if (ret || !create_default)
		return ret;
	ret = make_default();
	if (ret)
		configfs_unregister_subsystem(&subsystem);
	return ret;
}

void sim_configfs_exit(void)
{
	if (default_item) {
		mutex_lock(&default_item->lock);
		go_away(default_item);
		mutex_unlock(&default_item->lock);
		configfs_unregister_group(&default_item->group);
		config_group_put(&default_item->group);
	}
	configfs_unregister_subsystem(&subsystem);
}
