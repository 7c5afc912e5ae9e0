// stat.h - what fstat tells about a file.
#pragma once

#define T_DIR     1   // directory
#define T_FILE    2   // file
#define T_DEVICE  3   // device

struct stat {
  int    dev;    // device that the file lies on
  uint   ino;    // inode number
  short  type;   // T_DIR, T_FILE or T_DEVICE
  short  nlink;  // directory entries that name it
  uint64 size;   // bytes
};
