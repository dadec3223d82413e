// SPDX-License-Identifier: MIT
/* Lists that must be refused, each in one way, on every device. */
#include <endian.h>
#include <string.h>
#include <unistd.h>

#include "groups.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))
#define FIELD(name)	((uint32_t)offsetof(struct bitnpu_cmd_matmul, name))

/*
 * The command that the rows below spoil: int64 from ternary, m 3, n 20, k 100, group_shift 5, each
 * operand at the beginning of a region of its own.  Regions: x, w, s, y, read-only.
 */
#define X_BYTES		512
#define W_BYTES		1024
#define S_BYTES		256
#define Y_BYTES		640

enum where { VALUE, X, W, S, Y, READ_ONLY };

/**
 * struct spoil - one field made wrong
 * @status: what it must be refused with
 * @field: offset of the field
 * @size: its bytes
 * @where: what @value is relative to: nothing or a region
 * @value: put there
 */
struct spoil {
	uint32_t status, field, size;
	enum where where;
	uint64_t value;
};

static const struct spoil spoils[] = {
	{ BITNPU_STATUS_OPCODE, FIELD(opcode), 1, VALUE, BITNPU_OP_GATE + 1 },
	{ BITNPU_STATUS_OPCODE, FIELD(opcode), 1, VALUE, 0x80 },
	{ BITNPU_STATUS_OPCODE, FIELD(opcode), 1, VALUE, 0xff },
	{ BITNPU_STATUS_RESERVED, FIELD(flags), 1, VALUE, 0x01 },
	{ BITNPU_STATUS_RESERVED, FIELD(flags), 1, VALUE, 0x80 },
	{ BITNPU_STATUS_RESERVED, FIELD(reserved), 1, VALUE, 0x01 },
	{ BITNPU_STATUS_RESERVED, FIELD(reserved) + 1, 1, VALUE, 0x02 },
	{ BITNPU_STATUS_RESERVED, FIELD(reserved) + 2, 1, VALUE, 0x04 },
	{ BITNPU_STATUS_RESERVED, FIELD(reserved) + 3, 1, VALUE, 0x08 },
	{ BITNPU_STATUS_RESERVED, FIELD(reserved) + 4, 1, VALUE, 0x10 },
	{ BITNPU_STATUS_RESERVED, FIELD(reserved) + 5, 1, VALUE, 0x20 },
	{ BITNPU_STATUS_RESERVED, FIELD(reserved) + 6, 1, VALUE, 0x40 },
	{ BITNPU_STATUS_FORMAT, FIELD(weight_format), 1, VALUE, 3 },
	{ BITNPU_STATUS_FORMAT, FIELD(output_format), 1, VALUE, 2 },
	{ BITNPU_STATUS_FORMAT, FIELD(output_format), 1, VALUE, 0xff },
	{ BITNPU_STATUS_FORMAT, FIELD(group_shift), 1, VALUE, 0 },
	{ BITNPU_STATUS_FORMAT, FIELD(group_shift), 1, VALUE, 4 },
	{ BITNPU_STATUS_FORMAT, FIELD(group_shift), 1, VALUE, 17 },
	{ BITNPU_STATUS_DIMENSION, FIELD(m), 4, VALUE, 0 },
	{ BITNPU_STATUS_DIMENSION, FIELD(m), 4, VALUE, BITNPU_MAX_M + 1 },
	{ BITNPU_STATUS_DIMENSION, FIELD(n), 4, VALUE, 0 },
	{ BITNPU_STATUS_DIMENSION, FIELD(n), 4, VALUE, BITNPU_MAX_N + 1 },
	{ BITNPU_STATUS_DIMENSION, FIELD(k), 4, VALUE, 0 },
	{ BITNPU_STATUS_DIMENSION, FIELD(k), 4, VALUE, BITNPU_MAX_K + 1 },
	{ BITNPU_STATUS_DIMENSION, FIELD(k), 4, VALUE, 0xffffffff },
	{ BITNPU_STATUS_ALIGNMENT, FIELD(x_addr), 8, X, 1 },
	{ BITNPU_STATUS_ALIGNMENT, FIELD(w_addr), 8, W, 32 },
	{ BITNPU_STATUS_ALIGNMENT, FIELD(s_addr), 8, S, 16 },
	{ BITNPU_STATUS_ALIGNMENT, FIELD(y_addr), 8, Y, 8 },
	{ BITNPU_STATUS_ALIGNMENT, FIELD(x_stride), 4, VALUE, 100 },
	{ BITNPU_STATUS_ALIGNMENT, FIELD(y_stride), 4, VALUE, 160 },
	{ BITNPU_STATUS_STRIDE, FIELD(x_stride), 4, VALUE, 64 },
	{ BITNPU_STATUS_STRIDE, FIELD(x_stride), 4, VALUE, 0 },
	{ BITNPU_STATUS_STRIDE, FIELD(y_stride), 4, VALUE, 128 },
	{ BITNPU_STATUS_OVERFLOW, FIELD(x_addr), 8, VALUE, ~63ULL },
	{ BITNPU_STATUS_OVERFLOW, FIELD(w_addr), 8, VALUE, ~63ULL },
	{ BITNPU_STATUS_OVERFLOW, FIELD(s_addr), 8, VALUE, ~63ULL },
	{ BITNPU_STATUS_OVERFLOW, FIELD(y_addr), 8, VALUE, ~63ULL },
	{ BITNPU_STATUS_UNMAPPED, FIELD(x_addr), 8, VALUE, 0 },
	{ BITNPU_STATUS_UNMAPPED, FIELD(w_addr), 8, VALUE, 64 },
	{ BITNPU_STATUS_UNMAPPED, FIELD(s_addr), 8, VALUE, 0 },
	{ BITNPU_STATUS_UNMAPPED, FIELD(y_addr), 8, VALUE, 1ULL << 63 },
	{ BITNPU_STATUS_READ_ONLY, FIELD(y_addr), 8, READ_ONLY, 64 },
	{ BITNPU_STATUS_OVERLAP, FIELD(y_addr), 8, X, 320 },
	{ BITNPU_STATUS_OVERLAP, FIELD(y_addr), 8, W, 832 },
	{ BITNPU_STATUS_OVERLAP, FIELD(y_addr), 8, S, 192 },
};

/* The regions of the good command; one page more than needed, for a y that overlaps. */
static void good_image(struct bench *b, struct image *image, struct plain_matmul *plain,
		       struct image_place *place, uint64_t *read_only)
{
	image_shape(plain, BITNPU_W_TERNARY, BITNPU_Y_INT64, 5, 3, 20, 100, &b->random);
	place->x = image_region_add(image, X_BYTES + 4096, 0, &b->random);
	place->w = image_region_add(image, W_BYTES + 4096, 0, &b->random);
	place->s = image_region_add(image, S_BYTES + 4096, 0, &b->random);
	place->y = image_region_add(image, Y_BYTES + 4096, 0, &b->random);
	*read_only = image_region_add(image, 4096, BITNPU_BO_READ_ONLY, &b->random);
	place->x_stride = 128;
	place->y_stride = 192;
	image_operands(image, plain, place);
}

/* The spoiled command comes after a good one, which must not run, and a NOP, which counts. */
static void spoil_image(struct bench *b, struct image *image, const struct spoil *spoil)
{
	struct image_place place = { 0 };
	struct plain_matmul plain;
	uint64_t base[6] = { 0 }, value;
	uint8_t *cmd;

	good_image(b, image, &plain, &place, &base[READ_ONLY]);
	base[X] = place.x;
	base[W] = place.w;
	base[S] = place.s;
	base[Y] = place.y;
	image_matmul(image, &plain, &place);
	image_opcode(image, BITNPU_OP_NOP);
	image_opcode(image, BITNPU_OP_BARRIER);
	image_matmul(image, &plain, &place);
	plain_matmul_free(&plain);
	for (size_t i = 0; i < image->region_count; i++)
		memcpy(image->regions[i].after, image->regions[i].before, image->regions[i].bytes);

	cmd = image->cmds + 3 * BITNPU_CMD_SIZE;
	value = htole64(base[spoil->where] + spoil->value);
	memcpy(cmd + spoil->field, &value, spoil->size);
	image->fault = (struct bitnpu_fault){
		.status = spoil->status,
		.index = 3,
		.field = spoil->field,
		.addr = base[spoil->where] + spoil->value,
	};
}

static const char *check_junk(struct bench *b, uint8_t opcode, uint32_t byte)
{
	struct bitnpu_cmd cmd = { .opcode = opcode };
	struct image image;

	image_init(&image, "opcode %u with a junk byte %u", opcode, byte);
	((uint8_t *)&cmd)[byte] = 1 << byte % 8;
	image_command(&image, &cmd);
	image.fault = (struct bitnpu_fault){
		.status = BITNPU_STATUS_RESERVED,
		.field = byte,
		.addr = 1 << byte % 8,
	};
	return bench_image(b, &image);
}

static const char *check_length(struct bench *b, size_t bytes)
{
	struct image image;

	image_init(&image, "list of %zu bytes", bytes);
	image_opcode(&image, BITNPU_OP_NOP);
	image_opcode(&image, BITNPU_OP_NOP);
	image.bytes = bytes;
	if (bytes == 0 || bytes % BITNPU_CMD_SIZE)
		image.fault = (struct bitnpu_fault){
			.status = BITNPU_STATUS_LENGTH,
			.addr = bytes,
		};
	return bench_image(b, &image);
}

const char *group_refusals(struct bench *b, uint32_t unused)
{
	const char *wrong = NULL;

	for (size_t i = 0; i < COUNT(spoils) && !wrong; i++) {
		struct image image;

		image_init(&image, "field %u refused with %s", spoils[i].field,
			   bitnpu_status_name(spoils[i].status));
		spoil_image(b, &image, &spoils[i]);
		wrong = bench_image(b, &image);
	}
	for (uint32_t byte = 1; byte < BITNPU_CMD_SIZE && !wrong; byte++) {
		wrong = check_junk(b, BITNPU_OP_NOP, byte);
		if (!wrong)
			wrong = check_junk(b, BITNPU_OP_BARRIER, byte);
	}
	for (size_t bytes = 0; bytes <= 2 * BITNPU_CMD_SIZE && !wrong; bytes += 16)
		wrong = check_length(b, bytes);
	return wrong;
}

static int create(struct runner *runner, const uint8_t *cmds, size_t bytes,
		  struct bitnpu_error *err)
{
	struct bitnpu_cmdlist *list = NULL;
	int ret;

	memset(err, 0, sizeof(*err));
	ret = bitnpu_cmdlist_create(runner->ctx, cmds, bytes, &list, err);
	bitnpu_cmdlist_destroy(list);
	return ret;
}

/*
 * The device's address for golden's @addr.  Devices choose addresses themselves: those in a buffer
 * move with it, others go where nothing lies on any device.
 */
static uint64_t device_addr(const struct loaded *device, const struct loaded *golden, uint64_t addr)
{
	const uint64_t page = sysconf(_SC_PAGESIZE);

	for (size_t i = 0; i < golden->image->region_count; i++) {
		const uint64_t offset = addr - bitnpu_bo_address(golden->bos[i]);

		/* Its end counts: it is what lies outside first. */
		if (offset <= (bitnpu_bo_size(golden->bos[i]) + page - 1) / page * page)
			return bitnpu_bo_address(device->bos[i]) + offset;
	}
	return addr && addr < 1ULL << 40 ? addr + (1ULL << 45) : addr;
}

/* Make the device's list the same as golden's, but for where its buffers lie. */
static void follow(struct loaded *device, const struct loaded *golden)
{
	const size_t bytes = golden->image->bytes;

	memcpy(device->cmds, golden->cmds, bytes);
	for (size_t at = 0; at < bytes; at += BITNPU_CMD_SIZE) {
		for (uint32_t field = 0; field < BITNPU_CMD_SIZE; field += sizeof(uint64_t)) {
			uint64_t addr;

			if (!plain_has_address(device->cmds[at], field))
				continue;
			memcpy(&addr, golden->cmds + at + field, sizeof(addr));
			addr = htole64(device_addr(device, golden, le64toh(addr)));
			memcpy(device->cmds + at + field, &addr, sizeof(addr));
		}
	}
}

static void follow_fault(const struct loaded *device, const struct loaded *golden,
			 struct bitnpu_fault *fault)
{
	const uint8_t opcode = golden->cmds[fault->index * BITNPU_CMD_SIZE];

	expect_unsupported(bitnpu_device_get_info(device->runner->dev), device->cmds,
			   device->image->bytes, fault);
	/* There it is a byte of anything. */
	if (fault->status != BITNPU_STATUS_RESERVED && plain_has_address(opcode, fault->field))
		fault->addr = device_addr(device, golden, fault->addr);
}

/* Spoil a few bytes at random; the device must say of it what golden says, to the letter. */
static const char *mutate(struct bench *b, struct loaded *device, struct loaded *golden)
{
	struct bitnpu_error found, expected;
	const size_t bytes = device->image->bytes;
	uint8_t masks[3];
	uint32_t at[3];

	for (int i = 0; i < 3; i++) {
		at[i] = test_random_below(&b->random, bytes);
		masks[i] = test_random_below(&b->random, 3) ? 0 : test_random_u64(&b->random);
		golden->cmds[at[i]] ^= masks[i];
	}
	follow(device, golden);
	create(device->runner, device->cmds, bytes, &found);
	create(golden->runner, golden->cmds, bytes, &expected);
	follow_fault(device, golden, &expected.fault);
	for (int i = 3; i-- > 0;)
		golden->cmds[at[i]] ^= masks[i];
	if (!found.code == !expected.fault.status &&
	    memcmp(&found.fault, &expected.fault, sizeof(found.fault)) == 0)
		return NULL;
	return complain(device->runner, device->image, "\"%s\" where golden says \"%s\"",
			found.message, expected.message);
}

/* Contexts of their own, with the same buffers. */
const char *group_mutations(struct bench *b, uint32_t unused)
{
	struct image_place place = { 0 };
	struct runner runners[2];
	struct loaded loaded[2];
	struct plain_matmul plain;
	struct image image;
	uint64_t read_only;
	const char *wrong;

	runner_open(&runners[0], b->device->name);
	runner_open(&runners[1], "golden");
	image_init(&image, "spoiled list");
	good_image(b, &image, &plain, &place, &read_only);
	image_matmul(&image, &plain, &place);
	image_opcode(&image, BITNPU_OP_BARRIER);
	image_matmul(&image, &plain, &place);
	image_opcode(&image, BITNPU_OP_NOP);
	plain_matmul_free(&plain);
	add_float_commands(b, &image);
	wrong = image_load(&runners[0], &image, &loaded[0]);
	if (image_load(&runners[1], &image, &loaded[1]) && !wrong)
		wrong = "golden refuses the good list";
	for (int i = 0; i < (b->quick ? 1000 : 10000) && !wrong; i++)
		wrong = mutate(b, &loaded[0], &loaded[1]);
	image_unload(&loaded[0]);
	image_unload(&loaded[1]);
	image_free(&image);
	runner_close(&runners[0]);
	runner_close(&runners[1]);
	return wrong;
}
