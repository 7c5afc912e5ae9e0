// param.h - every fixed size of the system, in one place.
#pragma once

#define NPROC        64                  // processes at one time
#define NCPU         8                   // harts at most
#define NOFILE       16                  // open files of one process
#define NFILE        100                 // open files of the whole system
#define NINODE       50                  // inodes in memory at one time
#define NDEV         10                  // device numbers (major)
#define ROOTDEV      1                   // the device that holds /
#define MAXARG       32                  // arguments of exec
#define MAXOPBLOCKS  10                  // blocks that one file system operation may write
#define LOGBLOCKS    (MAXOPBLOCKS * 3)   // data blocks in the on-disk log
#define NBUF         256                 // blocks in the buffer cache
#define FSSIZE       2000                // blocks in the file system image
#define MAXPATH      128                 // longest path name
#define USERSTACK    1                   // pages of user stack
#define KSTACKPAGES  2                   // pages of kernel stack, for each process
#define BOOTSTACK    4096                // bytes of stack of a hart while it boots and idles
#define NVMA         128                 // mappings of one process
#define SUREPAGES    128                 // pages of a process, and of each mapping, that fork has a copy promised for
