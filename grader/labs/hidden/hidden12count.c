// hidden12count.c - task 12: what the calls count, page by page, in processes of all kinds.
//
// wmap, wunmap and vmap are a student's library, which is not on this disk: the open tests judge it on the student's own.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "kernel/wmap.h"
#include "user/user.h"
#include "hid.h"

#define BASE     ((char *)LOW)
#define TABLE    (2 << 20)              // bytes that one page of the lowest level maps
#define FRESH    "-fresh"               // what this program is called with when it has just been exec'd

static struct wmapinfo info;

// Fill info, which had something else in it.
static int
ask(void)
{
  memset(&info, 0x5a, sizeof(info));
  check(getwmapinfo(&info) == 0, "getwmapinfo");
  return info.total_mmaps;
}

// Mapping number i is there, of so many pages, so many of them loaded.
static void
mapping(int i, char *at, int pages, int loaded, char *what)
{
  check(info.addr[i] == (uint64)at && info.length[i] == pages * PGSIZE && info.n_loaded_pages[i] == loaded, what);
}

// ---- many mappings

static void
many(void)
{
  check(ask() == 0, "getwmapinfo tells of mappings where there are none");
  for (int n = 1; n <= 20; n++) {   // from the highest address down
    char *p = BASE + 4 * (20 - n) * PGSIZE;
    check(mmap(p, n % 2 * PGSIZE + 1, n % 3 ? RDWR : PROT_READ, ANON, -1, 0) == p, "a free hint is not taken");
    check(ask() == n, "getwmapinfo does not tell how many mappings there are");
    for (int i = 0; i < MAX_WMMAP_INFO; i++)
      if (i < n)
        mapping(i, p + 4 * i * PGSIZE, 1 + (n - i) % 2, 0, "getwmapinfo does not tell what is mapped, in order of address");
      else
        check(info.addr[i] == 0 && info.length[i] == 0 && info.n_loaded_pages[i] == 0, "getwmapinfo fills what is behind the last mapping with something");
  }
  unmap(BASE, 100 * PGSIZE);
  check(ask() == 0, "getwmapinfo tells of mappings that are gone");
}

// Where info can't be put. Nothing else may suffer.
static void
badplaces(void)
{
  char *p = mapanon(2 * PGSIZE, PROT_READ, ANON), *q = mapanon(PGSIZE, RDWR, ANON);

  check(getwmapinfo((struct wmapinfo *)p) == -1, "getwmapinfo stores to a read-only page");
  check(getwmapinfo(0) == -1, "getwmapinfo stores to the program's text");
  check(getwmapinfo((struct wmapinfo *)-1UL) == -1 && getwmapinfo((struct wmapinfo *)MAXVA) == -1, "getwmapinfo accepts an address that is none");
  check(getwmapinfo((struct wmapinfo *)(q + PGSIZE - 8)) == -1, "getwmapinfo accepts an address near the end of memory");
  struct wmapinfo *in = (struct wmapinfo *)(q + 100);
  unmap(q, PGSIZE);
  q = mapanon(PGSIZE, RDWR, ANON);
  check(getwmapinfo(in) == 0 && in->total_mmaps == 2, "getwmapinfo to a page never touched");
  unmap(p, 2 * PGSIZE);
  unmap(q, PGSIZE);
}

static void
list(void)
{
  many();
  badplaces();
}

// ---- loaded pages

static void
loaded(void)
{
  newfile(1, 6 * PGSIZE);
  char *p = mapfile(FILE1, 6 * PGSIZE, RDWR, MAP_SHARED), *q = mapanon(500 * PGSIZE, RDWR, ANON);
  check(ask() == 2 && info.n_loaded_pages[0] == 0 && info.n_loaded_pages[1] == 0, "pages are loaded that nobody touched");
  for (int i = 0; i < 6; i += 2)
    store(p + i * PGSIZE, 'x');
  for (int i = 0; i < 500; i++) {
    if (i % 3 == 1)
      load(q + i * PGSIZE);
    if (i % 3 == 0)
      store(q + i * PGSIZE, 'y');
  }
  ask();
  int before = info.n_loaded_pages[0], some = info.n_loaded_pages[1];
  check(before >= 3 && before <= 6 && some >= 334 && some <= 500, "loaded pages are not those that were touched");
  load(p + PGSIZE);
  load(p + 3 * PGSIZE);
  load(p + 5 * PGSIZE);
  ask();
  check(info.n_loaded_pages[0] == 6 && info.n_loaded_pages[1] == some, "a touch of one mapping is not counted, or counts in another");

  unmap(p + 2 * PGSIZE, PGSIZE);
  check(ask() == 3, "a mapping that was split is not two");
  mapping(0, p, 2, 2, "the first part of a mapping that was split");
  mapping(1, p + 3 * PGSIZE, 3, 3, "the second part of a mapping that was split");
  check(info.n_loaded_pages[2] == some, "munmap of a page of one mapping changed the count of another");
  unmap(p, PGSIZE + 1);
  unmap(p + 5 * PGSIZE, PGSIZE);
  check(ask() == 2, "a part that was unmapped is still told of");
  mapping(0, p + 3 * PGSIZE, 2, 2, "what is left of a mapping");

  if (child() == 0) {
    check(ask() == 2, "child: getwmapinfo does not tell of its parent's mappings");
    for (int i = 0; i < 500; i++)
      check(load(q + i * PGSIZE) == (i % 3 == 0 ? 'y' : 0), "child: a page is not as its parent's");
    load(p + 3 * PGSIZE);
    load(p + 4 * PGSIZE);
    ask();
    check(info.n_loaded_pages[0] == 2 && info.n_loaded_pages[1] == 500, "child: not all pages are loaded, after all were touched");
    unmap(p, 6 * PGSIZE);
    unmap(q + 100 * PGSIZE, 400 * PGSIZE);
    check(ask() == 1 && info.n_loaded_pages[0] == 100, "child: what is left");
    exit(0);
  }
  join(0, "a child that counts did not end well");
  check(ask() == 2 && info.n_loaded_pages[0] == 2 && info.n_loaded_pages[1] == some, "a child's touches, or its munmap, are counted for its parent");
  unmap(p, 6 * PGSIZE);
  unmap(q, 500 * PGSIZE);
}

// ---- numbers: numvp and numpp, of a heap that grows and shrinks, at once and lazily

static int vp, pp;

// There are so many pages more than there were, and so many more of them present.
static void
more(int virtual, int physical, char *what)
{
  check(numvp() == vp + virtual && numpp() == pp + physical, what);
}

static void
fresh(void)
{
  check(numvp() == PGROUNDUP((uint64)sbrk(0)) / PGSIZE, "numvp of a new program is not the number of pages up to the end of its heap");
  check(numpp() == numvp(), "a new program has all its pages, and the guard page is one of them");
  exit(0);
}

static void
runfresh(void)
{
  char *argv[] = { self, FRESH, 0 };

  mapanon(30 * PGSIZE, RDWR, ANON);
  exec(self, argv);
  fail("exec");
}

static void
numbers(void)
{
  alone(runfresh, 0, "a new program that counts its pages did not end well");
  vp = numvp();
  pp = numpp();
  char *p = mapanon(40 * PGSIZE, RDWR, ANON);
  for (int i = 0; i < 40; i++)
    store(p + i * PGSIZE, 'm');
  more(0, 0, "numvp or numpp count mappings");

  char *q = sbrk(2 * PGSIZE), *lazy = sbrklazy(30 * PGSIZE);
  check(q != SBRK_ERROR && lazy != SBRK_ERROR, "sbrk");
  more(32, 2, "numvp or numpp, of a heap that grew by 2 pages, and lazily by 30");
  store(lazy + 10 * PGSIZE, 'l');
  load(lazy + 20 * PGSIZE + 5);
  more(32, 4, "numvp or numpp, after two pages of the heap were touched");
  int fds[2];
  check(pipe(fds) == 0 && write(fds[1], "abc", 3) == 3 && read(fds[0], lazy + 25 * PGSIZE, 3) == 3, "read() into the lazy heap");
  close(fds[0]);
  close(fds[1]);
  more(32, 5, "numvp or numpp, after read() touched a page");

  if (child() == 0) {
    more(32, 5, "child: numvp or numpp are not its parent's");
    store(lazy + 26 * PGSIZE, 'c');
    more(32, 6, "child: numvp or numpp, after a page was touched");
    exit(0);
  }
  join(0, "a child that counts its pages did not end well");
  more(32, 5, "numvp or numpp, after a child touched a page");
  sbrk(-8 * PGSIZE);   // with it goes the page that read() touched
  more(24, 4, "numvp or numpp, after the heap shrank by 8 pages, one of them touched");
  sbrk(-24 * PGSIZE);
  more(0, 0, "numvp or numpp, after the heap shrank to what it was");
  sbrk(100);
  int odd = numvp() - vp;
  check(odd == 0 || odd == 1, "numvp after the heap grew by 100 bytes");
  sbrk(-100);
  unmap(p, 40 * PGSIZE);
  more(0, 0, "numvp or numpp, at the end");
}

// ---- tables: pages of page tables come with the first page that needs them

static void
tables(void)
{
  char *p = mapanon(40 * TABLE, RDWR, ANON);
  char *at = (char *)(((uint64)p + TABLE - 1) / TABLE * TABLE);

  check(getptsize() >= 5, "a page table has 5 pages at least");
  load(at);
  int before = getptsize();
  load(at + PGSIZE);
  load(at + TABLE - PGSIZE);
  check(getptsize() == before, "getptsize counts a page that takes no table");
  for (int i = 1; i <= 10; i++) {
    load(at + 3 * i * TABLE + PGSIZE);
    check(getptsize() == before + i, "getptsize does not count a table that a touch took");
  }
  if (child() == 0) {
    int mine = getptsize();
    load(at + 2 * TABLE);
    check(getptsize() == mine + 1, "child: getptsize does not count a table that a touch took");
    exit(0);
  }
  join(0, "a child that counts tables did not end well");
  check(getptsize() == before + 10, "a table that a child's touch took is counted for its parent");
  unmap(p, 40 * TABLE);

  p = sbrklazy(6 * TABLE);
  check(p != SBRK_ERROR, "sbrk");
  before = getptsize();
  load(p + 2 * TABLE);
  check(getptsize() == before + 1, "getptsize does not count a table of the heap");
  sbrk(-6 * TABLE);
}

// ---- addresses: va2pa

static void
addresses(void)
{
  static char *nowhere[] = { (char *)0x30000000, (char *)LOW - PGSIZE, (char *)HIGH, (char *)MAXVA - PGSIZE, (char *)MAXVA - 2 * PGSIZE,
                             (char *)MAXVA, (char *)(1UL << 63), (char *)-1UL };
  char *s = mapanon(2 * PGSIZE, RDWR, ANONS), *p = mapanon(2 * PGSIZE, RDWR, ANON), *n = mapanon(PGSIZE, PROT_NONE, ANON);
  char *lazy = sbrklazy(2 * PGSIZE), *stack = (char *)PGROUNDDOWN((uint64)&s);

  for (int i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++)
    check(va2pa(nowhere[i]) == -1UL, "va2pa of an address where the process has nothing");
  check(va2pa(stack - PGSIZE) == -1UL && va2pa(stack - 1) == -1UL, "va2pa of the guard page");
  check(va2pa(stack) != -1UL && va2pa((char *)4) != -1UL && va2pa(&vp) != -1UL, "va2pa of stack, text or data");
  check(va2pa(&vp) % PGSIZE == (uint64)&vp % PGSIZE, "va2pa leaves out where in the page an address is");
  check(va2pa(lazy + PGSIZE) == -1UL, "va2pa of the lazy heap, never touched");
  store(lazy + PGSIZE, 'l');
  check(va2pa(lazy + PGSIZE) != -1UL, "va2pa of the lazy heap");
  check(va2pa(n) == -1UL, "va2pa of a page with PROT_NONE");
  check(va2pa(p) == -1UL && va2pa(s) == -1UL, "va2pa of pages never touched");
  store(p + PGSIZE + 7, 'p');
  store(s, 's');
  uint64 mine = va2pa(p + PGSIZE + 7), shared = va2pa(s);
  check(mine != -1UL && shared != -1UL && mine % PGSIZE == 7 && va2pa(p + PGSIZE) == mine - 7, "va2pa of pages that were touched");
  check(mine / PGSIZE != shared / PGSIZE, "va2pa tells the same page for two");
  if (child() == 0) {
    load(s);
    store(p + PGSIZE + 7, 'c');
    check(va2pa(s) == shared, "child: va2pa of a shared page is not its parent's");
    check(va2pa(p + PGSIZE + 7) != mine, "child: va2pa of a page of its own is its parent's");
    exit(0);
  }
  join(0, "a child that asks for addresses did not end well");
  check(va2pa(s) == shared && va2pa(p + PGSIZE + 7) % PGSIZE == 7, "va2pa, after a child has ended");
  unmap(s, 2 * PGSIZE);
  unmap(p, 2 * PGSIZE);
  unmap(n, PGSIZE);
  check(va2pa(s) == -1UL && va2pa(p + PGSIZE) == -1UL, "va2pa of pages that were unmapped");
  sbrk(-2 * PGSIZE);
}

static struct section all[] = {
  { "info-list",     "getwmapinfo of many mappings",  list },
  { "info-loaded",   "pages that are loaded",         loaded },
  { "count-numbers", "numvp and numpp",               numbers },
  { "count-tables",  "getptsize",                     tables },
  { "count-va2pa",   "va2pa",                         addresses },
};

int
main(int argc, char *argv[])
{
  self = argv[0];
  if (argc == 2 && strcmp(argv[1], FRESH) == 0)
    fresh();
  shrink();
  exit(sections(argc, argv, all, sizeof(all) / sizeof(all[0])));
}
