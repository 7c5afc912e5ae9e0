// wmap.c - wmap and wunmap, which map at fixed addresses, and vmap, one lazy region for each process.
#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"
#include "user/wmap.h"

#define LOWEST   0x60000000UL
#define HIGHEST  0x80000000UL
#if LAB_TASK >= 12

// Map length bytes at addr: of the file open at fd, from its start, or of no file if flags has WMAP_ANONYMOUS. flags
// must have WMAP_SHARED and WMAP_FIXED. Returns addr; FAILED if an argument is bad, the range is not free, or there
// are 16 mappings.
uint64
wmap(uint64 addr, int length, int flags, int fd)
{
  int anonymous = flags & WMAP_ANONYMOUS;
  struct wmapinfo info;

  if ((flags & ~WMAP_ANONYMOUS) != (WMAP_SHARED | WMAP_FIXED))
    return FAILED;
  if (addr % PGSIZE || addr < LOWEST || addr >= HIGHEST || length <= 0 || length > HIGHEST - addr)
    return FAILED;
  if (getwmapinfo(&info) < 0 || info.total_mmaps >= MAX_WMMAP_INFO)
    return FAILED;

  // Only a hint: so nothing is replaced.
  void *got = mmap((void *)addr, length, PROT_READ | PROT_WRITE, MAP_SHARED | (anonymous ? MAP_ANONYMOUS : 0),
                   anonymous ? -1 : fd, 0);
  if (got == (void *)addr || got == (void *)-1)
    return (uint64)got;
  munmap(got, length);
  return FAILED;
}

// End the mapping that begins at addr, all of it. Returns SUCCESS; FAILED if none begins there.
int
wunmap(uint64 addr)
{
  struct wmapinfo info;

  if (getwmapinfo(&info) < 0)
    return FAILED;
  for (int i = 0; i < info.total_mmaps && i < MAX_WMMAP_INFO; i++)
    if ((uint)info.addr[i] == addr)
      return munmap((void *)addr, info.length[i]);
  return FAILED;
}

// Make the process's memory nbytes larger, without a physical page before one is touched: this process's one
// region. Returns where it begins; 0 if nbytes is not a positive number of whole pages, or there is a region.
char *
vmap(int nbytes)
{
  static char *region;

  if (nbytes <= 0 || nbytes % PGSIZE || region)
    return 0;
  // The heap may end within a page: the region begins with the next.
  char *end = sbrklazy(0);
  uint64 gap = PGROUNDUP((uint64)end) - (uint64)end;
  if (sbrklazy(gap + nbytes) == SBRK_ERROR)
    return 0;
  return region = end + gap;
}
#else
// TODO(task 12): wmap, wunmap and vmap. See docs/task12.md.
#endif
