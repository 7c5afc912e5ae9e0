// fs.h - the file system as it lies on the disk.
// Blocks: boot | super | log | inodes | free bitmap | data
#pragma once

#define ROOTINO  1      // inode of /
#define BSIZE    1024   // bytes in a block

struct superblock {
  uint magic;        // FSMAGIC
  uint size;         // blocks in the image
  uint nblocks;      // data blocks
  uint ninodes;
  uint nlog;         // log blocks, header included
  uint logstart;     // first block of each part
  uint inodestart;
  uint bmapstart;
};

#define FSMAGIC 0x10203040

#define NDIRECT    12
#define NINDIRECT  (BSIZE / sizeof(uint))
#define MAXFILE    (NDIRECT + NINDIRECT)   // blocks in the largest file

struct dinode {
  short type;                // 0 is free
  short major;               // T_DEVICE only
  short minor;
  short nlink;
  uint  size;                // bytes
  uint  addrs[NDIRECT + 1];  // data blocks; the last is a block of further numbers
};

#define IPB           (BSIZE / sizeof(struct dinode))   // inodes in a block
#define IBLOCK(i, sb) ((i) / IPB + (sb).inodestart)     // block that holds inode i
#define BPB           (BSIZE * 8)                       // bits in a block
#define BBLOCK(b, sb) ((b) / BPB + (sb).bmapstart)      // block that holds the bit of block b

#define DIRSIZ 14

struct dirent {
  ushort inum;                             // 0 is free
  char name[DIRSIZ] __attribute__((nonstring));   // NUL-padded; a name of DIRSIZ bytes has no NUL
};
