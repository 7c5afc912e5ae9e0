// wmap.c - wmap, wunmap and vmap as docs/task12.md has them, over a submission's kernel: its own user/wmap.c is judged on its own disk.
#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"
#include "user/wmap.h"

#define FIRST  0x60000000L
#define BEHIND 0x80000000L

static char *region;   // vmap's

uint64
wmap(uint64 addr, int length, int flags, int fd)
{
  struct wmapinfo now;
  int sort = MAP_SHARED, file = fd;

  if (flags & WMAP_ANONYMOUS) {
    sort |= MAP_ANONYMOUS;
    file = -1;
  }
  if ((flags | WMAP_ANONYMOUS) != (WMAP_SHARED | WMAP_FIXED | WMAP_ANONYMOUS) || addr % PGSIZE || length <= 0 ||
      addr < FIRST || addr >= BEHIND || addr + length > BEHIND || getwmapinfo(&now) != 0 || now.total_mmaps >= MAX_WMMAP_INFO)
    return FAILED;
  uint64 at = (uint64)mmap((char *)addr, length, PROT_READ | PROT_WRITE, sort, file, 0);
  if (at != addr && at != FAILED)
    munmap((char *)at, length);   // the range was not free
  return at == addr ? addr : FAILED;
}

int
wunmap(uint64 addr)
{
  struct wmapinfo now;
  int i = 0;

  if (getwmapinfo(&now) != 0)
    return FAILED;
  while (i < now.total_mmaps && i < MAX_WMMAP_INFO && now.addr[i] != addr)
    i++;
  return i < now.total_mmaps && i < MAX_WMMAP_INFO ? munmap((char *)addr, now.length[i]) : FAILED;
}

char *
vmap(int nbytes)
{
  char *end = sbrk(0), *start = (char *)PGROUNDUP((uint64)end);

  if (region || nbytes < PGSIZE || nbytes % PGSIZE || sbrklazy(start - end + nbytes) == SBRK_ERROR)
    return 0;
  return region = start;
}
