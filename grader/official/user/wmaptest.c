// wmaptest.c - tests of wmap, wunmap, getwmapinfo and va2pa: task 12.
#include "user/extlib.h"
#include "user/wmap.h"

#define AT    0x60000000UL
#define OWN   (WMAP_SHARED | WMAP_FIXED | WMAP_ANONYMOUS)
#define NONE  ((uint64)FAILED)

static struct wmapinfo info;

// How many mappings there are; info is filled in.
static int
count(void)
{
  check(getwmapinfo(&info) == SUCCESS, "getwmapinfo");
  return info.total_mmaps;
}

static void
arguments(void)
{
  check(wmap(AT, PGSIZE, WMAP_FIXED | WMAP_ANONYMOUS, -1) == NONE, "wmap without WMAP_SHARED");
  check(wmap(AT, PGSIZE, WMAP_SHARED | WMAP_ANONYMOUS, -1) == NONE, "wmap without WMAP_FIXED");
  check(wmap(AT, PGSIZE, 0, -1) == NONE && wmap(AT, PGSIZE, OWN | 0x10, -1) == NONE, "wmap with other flags");
  check(wmap(AT + 1, PGSIZE, OWN, -1) == NONE, "wmap at an address inside a page");
  check(wmap(AT - PGSIZE, PGSIZE, OWN, -1) == NONE, "wmap below 0x60000000");
  check(wmap(0x80000000UL, PGSIZE, OWN, -1) == NONE, "wmap at 0x80000000");
  check(wmap(0x7ffff000UL, 2 * PGSIZE, OWN, -1) == NONE, "wmap across 0x80000000");
  check(wmap(AT, 0, OWN, -1) == NONE && wmap(AT, -5, OWN, -1) == NONE, "wmap of no bytes, or fewer");
  check(wmap(AT, PGSIZE, WMAP_SHARED | WMAP_FIXED, 77) == NONE, "wmap of a file that is not open");
  check(count() == 0, "a wmap that failed has mapped something");
  check(wmap(0x7ffff000UL, PGSIZE, OWN, -1) == 0x7ffff000UL && wunmap(0x7ffff000UL) == SUCCESS, "wmap of the last page");
}

static void
overlaps(void)
{
  check(wmap(AT + 2 * PGSIZE, 2 * PGSIZE, OWN, -1) == AT + 2 * PGSIZE, "wmap");
  check(wmap(AT + 2 * PGSIZE, PGSIZE, OWN, -1) == NONE && wmap(AT + 3 * PGSIZE, PGSIZE, OWN, -1) == NONE &&
        wmap(AT + PGSIZE, 2 * PGSIZE, OWN, -1) == NONE && wmap(AT, 8 * PGSIZE, OWN, -1) == NONE, "wmap over a mapping");
  check(wmap(AT, 2 * PGSIZE, OWN, -1) == AT && wmap(AT + 4 * PGSIZE, PGSIZE, OWN, -1) == AT + 4 * PGSIZE, "wmap beside a mapping");
  check(count() == 3, "three mappings are not three");
  check(wunmap(AT + PGSIZE) == FAILED && wunmap(AT + 5 * PGSIZE) == FAILED && wunmap(AT + 1) == FAILED,
        "wunmap of what is no start of a mapping");
  for (int i = 0; i <= 4; i += 2)
    check(wunmap(AT + i * PGSIZE) == SUCCESS, "wunmap");
  check(count() == 0 && wunmap(AT) == FAILED && loadkills((char *)AT), "wunmap has left something");
}

static void
sixteen(void)
{
  for (int i = 0; i < MAX_WMMAP_INFO; i++)
    check(wmap(AT + 2 * i * PGSIZE, PGSIZE, OWN, -1) != NONE, "there is no room for 16 mappings");
  check(wmap(AT + 100 * PGSIZE, PGSIZE, OWN, -1) == NONE, "a 17th mapping is accepted");
  check(wunmap(AT) == SUCCESS && wmap(AT + 100 * PGSIZE, PGSIZE, OWN, -1) != NONE, "a place that is free is not used");
  check(count() == MAX_WMMAP_INFO && info.addr[0] == AT + 2 * PGSIZE && info.addr[15] == AT + 100 * PGSIZE, "the addresses");
  for (int i = 0; i < MAX_WMMAP_INFO; i++)
    check(wunmap((uint)info.addr[i]) == SUCCESS, "wunmap");
}

static void
counts(void)
{
  char *p = (char *)AT;

  wmap(AT, 5 * PGSIZE, OWN, -1);
  wmap(AT + 8 * PGSIZE, 100, OWN, -1);
  check(count() == 2 && info.addr[0] == AT && info.length[0] == 5 * PGSIZE && info.length[1] == PGSIZE, "what getwmapinfo says");
  check(info.n_loaded_pages[0] == 0 && info.n_loaded_pages[1] == 0, "pages are loaded that nobody touched");
  p[PGSIZE] = p[4 * PGSIZE] = 1;
  check(count() == 2 && info.n_loaded_pages[0] == 2, "two pages that were touched are not two loaded ones");
  check(getwmapinfo((struct wmapinfo *)0x70000000) == -1, "getwmapinfo to a bad address");
  wunmap(AT);
  wunmap(AT + 8 * PGSIZE);
}

static void
files(void)
{
  newfile(2);
  int fd = open(NAME, O_RDWR);
  char *p = (char *)wmap(AT, 2 * PGSIZE, WMAP_SHARED | WMAP_FIXED, fd);
  close(fd);
  check(p == (char *)AT && p[0] == 'a' && p[PGSIZE] == 'b', "wmap of a file");
  p[PGSIZE + 1] = 'X';
  check(wunmap(AT) == SUCCESS, "wunmap");
  holds(NAME, PGSIZE + 1, 'X', "wunmap does not write back");
}

static void
child(char *p)
{
  check(*p == 'p', "the child does not see the parent's page");
  p[PGSIZE] = 'c';
  check(wunmap((uint64)p) == SUCCESS && count() == 0, "the child's wunmap");
}

static void
forked(void)
{
  char *p = (char *)wmap(AT, 2 * PGSIZE, OWN, -1);

  *p = 'p';
  check(outcome(child, p) == 0, "the child fails");
  check(count() == 1 && p[0] == 'p' && p[PGSIZE] == 'c', "the child's wunmap is seen by the parent, or its store is not");
  wunmap(AT);
}

static void
addresses(void)
{
  char *p = (char *)wmap(AT, 2 * PGSIZE, OWN, -1);

  check(va2pa(p) == -1UL, "va2pa of a page never touched");
  p[5] = 1;
  uint64 pa = va2pa(p);
  check(pa != -1UL && pa % PGSIZE == 0 && va2pa(p + 5) == pa + 5, "va2pa of a page");
  check(va2pa(p + PGSIZE) == -1UL && va2pa((void *)-1UL) == -1UL && va2pa((void *)0x123456789000UL) == -1UL, "va2pa of no page");
  wunmap(AT);
}

static struct section all[] = {
  { "wmap-arguments", arguments },
  { "wmap-overlaps",  overlaps },
  { "wmap-sixteen",   sixteen },
  { "wmap-counts",    counts },
  { "wmap-files",     files },
  { "wmap-fork",      forked },
  { "wmap-va2pa",     addresses },
};

int
main(int argc, char *argv[])
{
  sections(argc, argv, all, sizeof(all) / sizeof(all[0]));
}
