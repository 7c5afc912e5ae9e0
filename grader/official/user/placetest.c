// placetest.c - tests of where mappings go: hints, MAP_FIXED, first fit, 128 of them, merging: task 10.
#include "user/extlib.h"

#define NVMA  128
#define ALL   ((long)NVMA * 2 * PGSIZE)

// The lowest free address that fits is taken; what is unmapped is used again.
static void
firstfit(void)
{
  char *p = mapanon(0, 2 * PGSIZE, RW, ANON), *q = mapanon(0, PGSIZE, PROT_READ, ANON),
       *r = mapanon(0, PGSIZE, RW, ANON);

  check(p == BASE && q == p + 2 * PGSIZE && r == q + PGSIZE, "mappings do not follow each other from the lowest address up");
  check(mmap(0, 1L << 30, RW, ANON, -1, 0) == BAD, "a mapping as large as the whole range is put beside others");
  munmap(p, 2 * PGSIZE);
  check(mapanon(0, 3 * PGSIZE, RW, ANON) == r + PGSIZE, "a mapping is put where it does not fit");
  check(mapanon(0, PGSIZE, RW, ANON) == p && mapanon(0, PGSIZE, RW, ANON) == p + PGSIZE, "a hole is not used");
  munmap(BASE, 10 * PGSIZE);
  for (int i = 0; i < 200; i++) {
    check(mapanon(0, 16L << 20, RW, ANON) == BASE, "address space is not used again");
    munmap(BASE, 16L << 20);
  }
  for (int i = 0; i < NVMA; i++)   // two by two they differ
    check(mmap(0, PGSIZE, i % 2 ? PROT_READ : RW, ANON, -1, 0) == BASE + i * PGSIZE, "128 mappings do not lie side by side");
  munmap(BASE, ALL);
}

// A hint that is free is taken, rounded up to a page; another is not, and nothing is replaced.
static void
hints(void)
{
  char *at = BASE + 100 * PGSIZE, *p = mapanon(at, 2 * PGSIZE, RW, ANON);

  check(p == at, "a free hint is not taken");
  *p = 'x';
  check(mapanon(at + PGSIZE, PGSIZE, RW, ANON) == BASE && *p == 'x', "a hint that is not free is taken, or the lowest address is not");
  check(mapanon(at + 2 * PGSIZE - 10, PGSIZE, PROT_READ, ANON) == at + 2 * PGSIZE, "a hint inside a page is not rounded up");
  check(mapanon(at - PGSIZE, 2 * PGSIZE, RW, ANON) == BASE + PGSIZE, "a hint is taken that fits in part");
  char *low = mapanon((void *)PGSIZE, PGSIZE, RW, ANON), *high = mapanon((void *)-PGSIZE, PGSIZE, RW, ANON);
  check(low >= BASE && high >= BASE && low < at && high < at, "a hint outside the range of mappings is taken");
  check(mapanon((void *)0x7ffff000, 2 * PGSIZE, RW, ANON) < at, "a hint is taken that reaches out of the range of mappings");
  munmap(BASE, 200 * PGSIZE);
}

static void
fixed(void)
{
  char *at = BASE + 50 * PGSIZE;

  check(mapanon(at, 2 * PGSIZE, RW, ANON | MAP_FIXED) == at, "MAP_FIXED is not put there");
  at[0] = at[PGSIZE] = 'x';
  check(mapanon(at + PGSIZE, 2 * PGSIZE, RW, ANON | MAP_FIXED) == at + PGSIZE, "MAP_FIXED over a mapping");
  check(at[0] == 'x' && at[PGSIZE] == 0, "MAP_FIXED does not replace just what it covers");
  check(mmap(at + 8, PGSIZE, RW, ANON | MAP_FIXED, -1, 0) == BAD, "MAP_FIXED at an address inside a page is accepted");
  check(mmap((void *)PGSIZE, PGSIZE, RW, ANON | MAP_FIXED, -1, 0) == BAD, "MAP_FIXED over the program is accepted");
  check(mmap((void *)0x80000000UL, PGSIZE, RW, ANON | MAP_FIXED, -1, 0) == BAD, "MAP_FIXED behind the range is accepted");
  check(mmap((void *)0x7ffff000UL, 2 * PGSIZE, RW, ANON | MAP_FIXED, -1, 0) == BAD, "MAP_FIXED across the end is accepted");
  check(mmap(at, PGSIZE, RW, MAP_PRIVATE | MAP_FIXED, 99, 0) == BAD && at[0] == 'x', "a MAP_FIXED that fails has unmapped");
  munmap(BASE, 200 * PGSIZE);
}

// What MAP_FIXED replaces is written back first; the middle of a mapping can be replaced.
static void
replaces(void)
{
  newfile(3);
  char *p = mapfile(NAME, 3 * PGSIZE, RW, MAP_SHARED);
  p[0] = p[PGSIZE] = p[2 * PGSIZE] = 'X';
  check(mapanon(p + PGSIZE, PGSIZE, RW, ANON | MAP_FIXED) == p + PGSIZE && p[PGSIZE] == 0, "MAP_FIXED into the middle");
  holds(NAME, PGSIZE, 'X', "what was replaced was not written back");
  check(p[0] == 'X' && p[2 * PGSIZE] == 'X' && p[2 * PGSIZE + 1] == 'c', "the neighbours of what was replaced");
  munmap(p, 3 * PGSIZE);
  holds(NAME, 2 * PGSIZE, 'X', "the tail was not written back");
}

// 128 mappings that can't merge, and no more; a hole for one more.
static void
many(void)
{
  for (int i = 0; i < NVMA; i++)
    check(mmap(BASE + 2 * i * PGSIZE, PGSIZE, RW, ANON | MAP_FIXED, -1, 0) != BAD, "there is no room for 128 mappings");
  for (int i = 0; i < NVMA; i++)
    BASE[2 * i * PGSIZE] = i;
  check(mmap(BASE + PGSIZE, PGSIZE, PROT_READ, ANON | MAP_FIXED, -1, 0) == BAD, "a 129th mapping is accepted");
  for (int i = 0; i < NVMA; i++)
    check(BASE[2 * i * PGSIZE] == (char)i, "a page of one of 128 mappings is lost");
  check(munmap(BASE + 20 * PGSIZE, PGSIZE) == 0, "munmap");
  check(mmap(0, PGSIZE, PROT_READ, ANON, -1, 0) == BASE + PGSIZE, "a free slot is not used");
  check(munmap(BASE, ALL) == 0 && loadkills(BASE), "munmap of all");
}

// What MAP_FIXED replaces may leave as many pieces as there is room for: in the middle of a mapping two, elsewhere
// the new one takes the place of what goes.
static void
room(void)
{
  for (int i = 0; i < NVMA - 2; i++)
    check(mmap(BASE + 4 * i * PGSIZE, 3 * PGSIZE, RW, ANON | MAP_FIXED, -1, 0) != BAD, "mmap");
  BASE[0] = BASE[2 * PGSIZE] = 'x';
  check(mmap(BASE + PGSIZE, PGSIZE, PROT_READ, ANON | MAP_FIXED, -1, 0) != BAD, "MAP_FIXED in the middle fails though its parts have room");
  check(BASE[0] == 'x' && BASE[PGSIZE] == 0 && BASE[2 * PGSIZE] == 'x', "MAP_FIXED does not replace just what it covers");
  check(munmap(BASE + 4 * PGSIZE, 3 * PGSIZE) == 0, "munmap");
  BASE[9 * PGSIZE] = 'x';
  check(mmap(BASE + 9 * PGSIZE, PGSIZE, PROT_READ, ANON | MAP_FIXED, -1, 0) == BAD, "MAP_FIXED makes more than 128 mappings");
  check(BASE[9 * PGSIZE] == 'x', "a MAP_FIXED that fails has unmapped");
  check(mmap(BASE + 8 * PGSIZE, PGSIZE, PROT_READ, ANON | MAP_FIXED, -1, 0) != BAD, "MAP_FIXED over a head fails though it takes no more room");
  check(BASE[8 * PGSIZE] == 0 && BASE[9 * PGSIZE] == 'x', "MAP_FIXED does not replace just what it covers");
  munmap(BASE, 2 * ALL);
}

// Neighbours that are alike become one: pairs of 128 would not fit otherwise. Those that differ stay apart.
static void
merging(void)
{
  for (int i = 0; i < 4 * NVMA; i++)
    check(mmap(BASE + i * PGSIZE, PGSIZE, RW, ANON | MAP_FIXED, -1, 0) != BAD, "alike neighbours do not merge");
  for (int i = 4 * NVMA - 2; i >= 0; i -= 2)   // every second away, then back: from both sides
    if (i < NVMA)
      check(munmap(BASE + i * PGSIZE, PGSIZE) == 0, "munmap");
  for (int i = 0; i < NVMA; i += 2)
    check(mmap(BASE + i * PGSIZE, PGSIZE, RW, ANON | MAP_FIXED, -1, 0) != BAD, "a mapping that closes a hole does not merge");
  newfile(4);
  int fd = open(NAME, O_RDWR);
  char *at = BASE + 4 * ALL;
  for (int i = 0; i < 4; i++)
    check(mmap(at + i * PGSIZE, PGSIZE, RW, MAP_SHARED | MAP_FIXED, fd, i * PGSIZE) != BAD, "mmap of a page of a file");
  for (int i = 0; i < 4; i++)
    check(at[i * PGSIZE] == 'a' + i, "merged mappings of a file show other pages");
  check(mmap(at + 4 * PGSIZE, PGSIZE, RW, MAP_SHARED | MAP_FIXED, fd, 0) != BAD, "mmap");
  check(at[4 * PGSIZE] == 'a', "a mapping merged though it does not go on where its neighbour ends");
  check(mmap(at + 5 * PGSIZE, PGSIZE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, PGSIZE) != BAD, "mmap");
  check(storekills(at + 5 * PGSIZE) && at[5 * PGSIZE] == 'b', "mappings merged that may not be used alike");
  close(fd);
  munmap(BASE, 8 * ALL);
}

// The heap does not grow into a mapping, nor a mapping lie in the heap.
static void
heap(void)
{
  char *end = sbrk(0), *at = (char *)0x40000000;

  check(mapanon(at, PGSIZE, RW, ANON | MAP_FIXED) == at, "mmap");
  check(sbrklazy(0x3fffffff) == SBRK_ERROR && sbrk(0) == end, "the heap grows into a mapping");
  munmap(at, PGSIZE);
  check(sbrklazy(0x40800000) != SBRK_ERROR, "a heap that reaches into the range of mappings");
  check(mmap(at, PGSIZE, RW, ANON | MAP_FIXED, -1, 0) == BAD, "MAP_FIXED over the heap is accepted");
  check(mapanon(0, PGSIZE, RW, ANON) >= sbrk(0) && mapanon(at, PGSIZE, RW, ANON) >= sbrk(0), "a mapping lies in the heap");
}

static struct section all[] = {
  { "place-first-fit", firstfit },
  { "place-hints",     hints },
  { "place-fixed",     fixed },
  { "place-replaces",  replaces },
  { "place-many",      many },
  { "place-room",      room },
  { "place-merging",   merging },
  { "place-heap",      heap },
};

int
main(int argc, char *argv[])
{
  sections(argc, argv, all, sizeof(all) / sizeof(all[0]));
}
