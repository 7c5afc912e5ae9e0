// file.h - open files, and inodes in memory.
#pragma once

struct file {
  enum { FD_NONE, FD_PIPE, FD_INODE, FD_DEVICE } type;
  int           ref;        // how many hold it; protected by file.c's lock
  char          readable;
  char          writable;
  struct pipe  *pipe;       // FD_PIPE
  struct inode *ip;         // FD_INODE, FD_DEVICE
  uint          off;        // FD_INODE; protected by ip->lock
  short         major;      // FD_DEVICE
};

#define major(dev)   ((dev) >> 16 & 0xffff)
#define minor(dev)   ((dev) & 0xffff)
#define mkdev(m, n)  ((uint)((m) << 16 | (n)))

struct inode {
  // Protected by the lock of fs.c's table.
  uint             dev;
  uint             inum;
  int              ref;     // how many hold it
  struct inode    *next;    // in its hash chain or in the free list
  uint             parent;  // of a directory that was removed: the inode it was in, if that still has a name

  struct sleeplock lock;    // protects all that follows
  int              valid;   // read from the disk?
  uint             ahead;   // file blocks before this one were read ahead

  // As struct dinode has it.
  short            type;
  short            major;
  short            minor;
  short            nlink;
  uint             size;
  uint             addrs[NDIRECT + 1];
};

// What a device does when it is read and written; addr is a user address if user is set.
struct devsw {
  int (*read)(int user, uint64 addr, int n);
  int (*write)(int user, uint64 addr, int n);
};

extern struct devsw devsw[];

#define CONSOLE 1
#define POWER   2   // a write ends the machine
#define FAIL    3   // a write has an allocation fail, where the kernel was compiled so: see failalloc.c
