// hidden3mmap.c - task 3: which arguments mmap takes, and where it puts mappings. Nothing is touched.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"
#include "hid.h"

// Each in a child, since there may be no munmap yet.

// A new mapping, which lies where mappings may.
static char *
placed(char *what, int fd, uint64 len, int flags)
{
  char *p = map(what, fd, 0, len, PROT_READ, flags);

  check((uint64)p % PGSIZE == 0, "mmap returns an address that is not page-aligned");
  check((uint64)p >= LOW && (uint64)p + len <= HIGH, "mmap returns an address where no mapping may be");
  return p;
}

static int
overlap(char *p, uint64 plen, char *q, uint64 qlen)
{
  return p < q + PGROUNDUP(qlen) && q < p + PGROUNDUP(plen);
}

// ---- range: all addresses can be used, and no others

static void
wholerange(void)
{
  int fd = opened(FILE1, O_RDONLY);

  refused("mmap accepts more than there are addresses", fd, 0, HIGH - LOW + 1, PROT_READ, MAP_PRIVATE);
  placed("mmap of all addresses at once", fd, HIGH - LOW, MAP_PRIVATE);
  for (int i = 0; i < MANY; i++) {
    int another = open(FILE1, O_RDONLY);
    check(another >= 0, "mmaps for which there is no room keep files open");
    refused("mmap finds an address where all are taken", another, 0, 1, PROT_READ, MAP_PRIVATE);
    close(another);
  }
}

static void
halves(void)
{
  uint64 half = (HIGH - LOW) / 2;
  int fd = opened(FILE1, O_RDONLY);
  char *p = placed("mmap of half of the addresses", fd, half, MAP_PRIVATE);

  refused("mmap accepts more than there is room for", fd, 0, half + PGSIZE, PROT_READ, MAP_PRIVATE);
  char *q = placed("mmap of the other half of the addresses", fd, half, MAP_SHARED);
  check(!overlap(p, half, q, half), "two large mappings overlap");
  refused("mmap finds an address where all are taken", fd, 0, PGSIZE, PROT_READ, MAP_PRIVATE);
}

static void
lengths(void)
{
  char *p[NMAP];
  int fd = opened(FILE1, O_RDONLY);

  for (int i = 0; i < NMAP; i++) {
    p[i] = placed("mmap of an odd length", fd, 1 + i * 1021, MAP_SHARED);
    for (int k = 0; k < i; k++)
      check(!overlap(p[i], 1 + i * 1021, p[k], 1 + k * 1021), "mappings of odd lengths overlap");
  }
}

static void
range(void)
{
  newfile(1, 100);
  alone(wholerange, 0, "a child that maps all addresses did not end well");
  alone(halves, 0, "a child that maps two halves did not end well");
  alone(lengths, 0, "a child that maps odd lengths did not end well");
}

// ---- arguments: what is refused takes no slot of the table

static void
badcalls(int fd, int wronly, int pipefd)
{
  refused("mmap accepts prot 8", fd, 0, PGSIZE, 8, MAP_PRIVATE);
  refused("mmap accepts a negative prot", fd, 0, PGSIZE, PROT_READ | 1 << 31, MAP_PRIVATE);
  refused("mmap accepts flags 4 | MAP_PRIVATE", fd, 0, PGSIZE, PROT_READ, 4 | MAP_PRIVATE);
  refused("mmap accepts negative flags", fd, 0, PGSIZE, PROT_READ, 1 << 31 | MAP_SHARED);
  refused("mmap accepts flags 0", fd, 0, PGSIZE, PROT_READ, 0);
  refused("mmap accepts PROT_NONE of a write-only file", wronly, 0, PGSIZE, PROT_NONE, MAP_PRIVATE);
  refused("mmap accepts PROT_EXEC of a write-only file", wronly, 0, PGSIZE, PROT_EXEC, MAP_PRIVATE);
  refused("mmap accepts the writing end of a pipe", pipefd, 0, PGSIZE, RDWR, MAP_SHARED);
  refused("mmap accepts length 2^63", fd, 0, 1UL << 63, PROT_READ, MAP_PRIVATE);
  refused("mmap accepts length 2^64 - 4096", fd, 0, -(uint64)PGSIZE, PROT_READ, MAP_PRIVATE);
  refused("mmap accepts offset -2^63", fd, 1L << 63, PGSIZE, PROT_READ, MAP_PRIVATE);
  refused("mmap accepts offset 2^32 + 1", fd, (1L << 32) + 1, PGSIZE, PROT_READ, MAP_PRIVATE);
}

static void
badfds(void)
{
  refused("mmap accepts a negative fd", -1, 0, PGSIZE, PROT_READ, MAP_PRIVATE);
  for (int fd = 14; fd < 40; fd++)
    refused("mmap accepts an fd that is not open", fd, 0, PGSIZE, PROT_READ, MAP_PRIVATE);
  refused("mmap accepts an fd of many bits", 0x7fff0003, 0, PGSIZE, PROT_READ, MAP_PRIVATE);
}

static void
badoften(void)
{
  int fds[2], fd = opened(FILE1, O_RDONLY), wronly = opened(FILE1, O_WRONLY);

  check(pipe(fds) == 0, "pipe");
  for (int i = 0; i < 20; i++)
    badcalls(fd, wronly, fds[1]);
  badfds();
  for (int i = 0; i < NMAP; i++)
    map("many mappings after refused ones", fd, 0, PGSIZE, PROT_READ, MAP_PRIVATE);
}

static void
goodcalls(void)
{
  int fd = opened(FILE1, O_RDONLY), rdwr = dup(opened(FILE1, O_RDWR));

  map("mmap, PROT_NONE", fd, 0, PGSIZE, PROT_NONE, MAP_PRIVATE);
  map("mmap, PROT_READ | PROT_EXEC", fd, 0, PGSIZE, PROT_READ | PROT_EXEC, MAP_SHARED);
  map("mmap of a read-only file, PROT_WRITE, MAP_PRIVATE", fd, 0, PGSIZE, PROT_WRITE, MAP_PRIVATE);
  map("mmap of a dup'ed fd", rdwr, 0, PGSIZE, RDWR, MAP_SHARED);
  map("mmap behind the end of the file", rdwr, 5 * PGSIZE, PGSIZE, RDWR, MAP_SHARED);
}

// An address is a hint: it may be refused, but not lead to where something is already.
static void
hints(void)
{
  int fd = opened(FILE1, O_RDONLY);
  char *p = map("mmap", fd, 0, 2 * PGSIZE, PROT_READ, MAP_PRIVATE), *end = sbrk(0);
  char *at[] = { 0, (char *)PGSIZE, end - PGSIZE, p, p + PGSIZE, (char *)HIGH, (char *)(MAXVA - PGSIZE), p + 100 };

  for (int i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
    char *q = mmap(at[i], PGSIZE, PROT_READ, MAP_PRIVATE, fd, 0);
    if (q == FAILED)
      continue;
    check((uint64)q % PGSIZE == 0 && q >= (char *)LOW && q < (char *)HIGH, "mmap with an address maps where no mapping may be");
    check(!overlap(p, 2 * PGSIZE, q, PGSIZE), "mmap with an address maps where a mapping is");
  }
}

static void
arguments(void)
{
  newfile(2, 100);
  alone(badoften, 0, "a child with calls to be refused did not end well");
  alone(goodcalls, 0, "a child with calls to be accepted did not end well");
  alone(hints, 0, "a child that gives addresses to mmap did not end well");
  holds(FILE1, want, 100, "mmap has changed the file");
}

// ---- heap: it does not grow into a mapping, nor is a mapping put into it

static void
growheap(void)
{
  int fd = opened(FILE1, O_RDONLY);

  sbrk(100);
  char *p = map("mmap", fd, 0, PGSIZE, PROT_READ, MAP_PRIVATE);
  for (int i = 0; i < 8; i++)
    sbrklazy(0x10000000);
  check(sbrk(0) <= p, "the heap grows over a mapping");
  for (int i = 0; i < 8; i++)
    sbrklazy(PGSIZE);
  check(sbrk(0) <= p, "the heap grows over a mapping, page by page");
}

static void
largeheap(void)
{
  int fd = opened(FILE1, O_RDONLY);

  for (int i = 0; i < 5; i++)
    sbrklazy(0x10000000);
  sbrklazy(100);
  char *p = mmap(0, PGSIZE, PROT_READ, MAP_PRIVATE, fd, 0);
  check(p == FAILED || p >= sbrk(0), "mmap chooses an address inside the heap");
  check(p == FAILED || (uint64)p % PGSIZE == 0, "mmap above an odd heap returns an address that is not page-aligned");
}

static void
heap(void)
{
  newfile(3, PGSIZE);
  alone(growheap, 0, "a child that grows its heap did not end well");
  alone(largeheap, 0, "a child with a large heap did not end well");
}

static struct section all[] = {
  { "range",     "range of mappings",  range },
  { "arguments", "arguments of mmap",  arguments },
  { "heap",      "heap and mappings",  heap },
};

int
main(int argc, char *argv[])
{
  exit(sections(argc, argv, all, sizeof(all) / sizeof(all[0])));
}
