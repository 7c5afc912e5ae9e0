// wmap.h - what getwmapinfo tells of a process's mappings.
#pragma once

#define MAX_WMMAP_INFO 16

struct wmapinfo {
  int total_mmaps;                     // how many there are; the arrays have the first 16, in order of address
  int addr[MAX_WMMAP_INFO];            // where each begins
  int length[MAX_WMMAP_INFO];          // bytes, whole pages
  int n_loaded_pages[MAX_WMMAP_INFO];  // those that have a physical page
};
