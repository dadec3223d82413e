// SPDX-License-Identifier: MIT
/* The interface's numbers; bitnpu_abi.h has its layouts. */
#include "bitnpu_abi.h"
#include "bitnpu_test.h"
#include "kselftest_harness.h"

/* The numbers of the ioctls contain the sizes: they never change. */
TEST(ioctl_numbers)
{
	EXPECT_EQ(0xc0106440, DRM_IOCTL_BITNPU_QUERY);
	EXPECT_EQ(0xc0186441, DRM_IOCTL_BITNPU_BO_CREATE);
	EXPECT_EQ(0xc0186442, DRM_IOCTL_BITNPU_BO_INFO);
	EXPECT_EQ(0xc0106443, DRM_IOCTL_BITNPU_BO_MMAP_OFFSET);
	EXPECT_EQ(0x40106444, DRM_IOCTL_BITNPU_BO_WAIT);
	EXPECT_EQ(0xc0106445, DRM_IOCTL_BITNPU_QUEUE_CREATE);
	EXPECT_EQ(0x40086446, DRM_IOCTL_BITNPU_QUEUE_DESTROY);
	EXPECT_EQ(0xc0206447, DRM_IOCTL_BITNPU_SUBMIT);
}

TEST_HARNESS_MAIN
