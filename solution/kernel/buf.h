// buf.h - a disk block in memory.
#pragma once

struct buf {
  uint             dev;
  uint             blockno;
  int              ref;      // how many hold or pin it; protected by bio.c's lock
  int              valid;    // data is the block's content, or will be when busy is 0
  int              busy;     // the disk is reading or writing data; the driver clears it
  int              awaited;  // someone sleeps until busy is 0; protected by the driver's lock
  int              slot;     // where in the log it was put last
  struct sleeplock lock;     // protects data
  struct buf      *chain;    // next block in the same hash chain
  struct buf      *older;    // neighbours in the list of blocks that nobody holds
  struct buf      *newer;
  struct buf      *after;    // next block of the same disk request
  uchar            data[BSIZE] __attribute__((aligned(16)));
};

#define PREFETCH 32          // blocks that one bprefetch starts at most
