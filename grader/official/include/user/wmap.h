// wmap.h - the calls of two other systems, made from ours: see wmap.c.
#pragma once
#include "kernel/wmap.h"

#define WMAP_SHARED     0x2
#define WMAP_ANONYMOUS  0x4
#define WMAP_FIXED      0x8

#define FAILED   -1
#define SUCCESS   0

uint64 wmap(uint64 addr, int length, int flags, int fd);
int    wunmap(uint64 addr);
char  *vmap(int nbytes);
