// types.h - the integer names that the kernel and user programs share.
#pragma once

typedef unsigned char  uchar;
typedef unsigned short ushort;
typedef unsigned int   uint;

typedef unsigned char  uint8;
typedef unsigned short uint16;
typedef unsigned int   uint32;
typedef unsigned long  uint64;

typedef unsigned long  size_t;
typedef long           off_t;

typedef uint64         pde_t;
