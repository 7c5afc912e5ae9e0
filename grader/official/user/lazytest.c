// lazytest.c - tests of vmap, numvp, numpp and getptsize: task 12.
#include "user/extlib.h"
#include "user/wmap.h"

// Each row of the table of error cases, in its order; a process has one region, so a child takes each that succeeds.
static void
onepage(char *unused)
{
  check(vmap(4096) != 0, "vmap(4096)");
  check(vmap(4096) == 0, "vmap(4096) after a first one");
  check(vmap(8192) == 0 && vmap(0) == 0, "another vmap after a first one");
}

static void
twopages(char *unused)
{
  check(vmap(8192) != 0, "vmap(8192)");
}

static void
errors(void)
{
  check(vmap(0) == 0, "vmap(0)");
  check(vmap(-4096) == 0, "vmap(-4096)");
  check(vmap(100) == 0, "vmap(100)");
  check(outcome(onepage, 0) == 0, "one page");
  check(outcome(twopages, 0) == 0, "two pages");
  check(vmap(4097) == 0, "vmap(4097)");
}

static void
counting(char *unused)
{
  int virtual = numvp(), physical = numpp();
  char *p = vmap(8192);

  check(p != 0 && (uint64)p % PGSIZE == 0, "vmap");
  check(numvp() == virtual + 2, "numvp does not count the region");
  check(numpp() == physical, "numpp counts pages that nobody touched");
  *(int *)p = 42;
  check(numpp() == physical + 1, "numpp does not count the page that was touched");
  check(*(int *)p == 42 && p[4096] == 0, "what the region holds");
  check(numpp() == physical + 2 && numvp() == virtual + 2, "the second page");
}

// The heap ends inside a page: the region begins with the next one.
static void
inside(char *unused)
{
  check(sbrk(100) != SBRK_ERROR, "sbrk");
  int virtual = numvp(), physical = numpp();
  char *p = vmap(4096);

  check(p != 0 && (uint64)p % PGSIZE == 0, "vmap does not begin with a page");
  check(numvp() == virtual + 1 && numpp() == physical, "vmap behind a heap that ends inside a page");
  p[4095] = 'x';
  check(p[0] == 0 && numpp() == physical + 1, "a region behind a heap that ends inside a page");
}

static void
counts(void)
{
  check(outcome(counting, 0) == 0, "counts");
  check(outcome(inside, 0) == 0, "a heap that ends inside a page");
  int virtual = numvp(), physical = numpp();
  check(virtual > 2 && physical > 2 && physical <= virtual, "numvp and numpp of a new process");
  sbrk(3 * PGSIZE);
  check(numvp() == virtual + 3 && numpp() == physical + 3, "the heap grown at once");
  sbrk(-3 * PGSIZE);
  check(numvp() == virtual && numpp() == physical, "the heap shrunk");
}

static void
sizing(char *unused)
{
  int before = getptsize();

  char *p = vmap(4 << 20);
  check(p != 0 && getptsize() == before, "vmap makes page tables");
  p[4096] = 1;
  int one = getptsize();
  p[8192] = 1;
  check(one >= before && getptsize() == one, "a page beside another takes a page table");
  p[(4 << 20) - 1] = 1;
  check(getptsize() > one, "a page 4 MB away takes no page table");
}

static void
tables(void)
{
  check(getptsize() >= 5, "a page table has at least 5 pages: the root, and two for each end of the address space");
  check(outcome(sizing, 0) == 0, "sizes");
}

static char *region;

static void
inchild(char *unused)
{
  int physical = numpp();

  check(region[0] == 'x', "the child does not see what the parent stored");
  region[0] = 'y';
  region[4096] = 'z';
  check(numpp() == physical + 1, "the child's pages");
  check(vmap(4096) == 0, "the child has the parent's region, and gets another");
}

static void
forking(char *unused)
{
  region = vmap(8192);
  region[0] = 'x';
  check(outcome(inchild, 0) == 0, "the child fails");
  check(region[0] == 'x' && region[4096] == 0, "the parent sees what the child stored");
}

static void
forked(void)
{
  check(outcome(forking, 0) == 0, "fork");
}

static struct section all[] = {
  { "lazy-errors",    errors },
  { "lazy-counts",    counts },
  { "lazy-getptsize", tables },
  { "lazy-fork",      forked },
};

int
main(int argc, char *argv[])
{
  sections(argc, argv, all, sizeof(all) / sizeof(all[0]));
}
