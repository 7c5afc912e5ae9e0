// image.h - the kernel's disk format, for the programs here, which run on the host.
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>   // uint and ushort, as the kernel's types.h has them

// types.h itself would define names that the host's headers have already.
typedef uint64_t uint64;
#define stat kernel_stat
#include "kernel/stat.h"
#undef stat
#include "kernel/param.h"
#include "kernel/fs.h"

// The log's header block.
struct logheader {
  uint n;
  uint block[LOGBLOCKS];
};

// Numbers in the image are little endian, and the structs in it have no padding.
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "mkfs and fsck run on little-endian machines only"
#endif
_Static_assert(BSIZE % sizeof(struct dinode) == 0, "inodes must fill a block");
_Static_assert(BSIZE % sizeof(struct dirent) == 0, "directory entries must fill a block");
