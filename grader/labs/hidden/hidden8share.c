// hidden8share.c - task 8: who shares a page, and what becomes of it when its owners unmap it one after the other. A process
// uses no mapping of its parent, and unmaps what it has before it ends: fork and exit are other tasks.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"
#include "hid.h"

// ---- strangers: processes that have nothing from each other but the name of the file

static int next, turn;   // pipes: to the other one, and from it

static void
other(void)
{
  char c = '!';

  check(write(next, &c, 1) == 1, "write");
  check(read(turn, &c, 1) == 1, "the other process has ended early");
}

// Both map the file, from another page on, touch its pages, and store in turns. me is 0 or 1.
static void
stranger(int me)
{
  int fd = opened(FILE1, O_RDWR);
  char *p = map("mmap", fd, me * PGSIZE, 3 * PGSIZE, RDWR, MAP_SHARED) - me * PGSIZE;   // where page 0 would be
  char mine = 'a' + me, theirs = 'a' + 1 - me;

  close(fd);
  load(p + PGSIZE);
  other();
  store(p + PGSIZE + me, mine);
  store(p + 2 * PGSIZE + me, mine);
  other();
  check(load(p + PGSIZE + 1 - me) == theirs && load(p + 2 * PGSIZE + 1 - me) == theirs,
        "what a process stored is not seen in another one that mapped the file for itself");
  other();
  store(p + PGSIZE + 10 + me, mine);
  other();
  check(load(p + PGSIZE + 10 + 1 - me) == theirs, "a later store is not seen in another process");
  unmap(p + me * PGSIZE, 3 * PGSIZE);
  exit(0);
}

// Both touch each page for the first time at the same moment, as far as that can be had.
static void
racer(int me)
{
  char *p = mapfile(FILE1, BIG * PGSIZE, RDWR, MAP_SHARED);

  for (int i = 0; i < BIG; i++) {
    char *at = p + i * PGSIZE;
    other();
    load(at);
    store(at + me, 'a' + me);
    other();
    check(load(at + 1 - me) == 'a' + 1 - me, "two processes that touched a page at one time don't share it");
  }
  unmap(p, BIG * PGSIZE);
  exit(0);
}

// Run f in two processes, as number 0 and 1.
static void
both(void (*f)(int))
{
  int there[2], back[2], status;

  check(pipe(there) == 0 && pipe(back) == 0, "pipe");
  for (int me = 0; me < 2; me++)
    if (fork() == 0) {
      next = me ? back[1] : there[1];
      turn = me ? there[0] : back[0];
      close(me ? there[1] : back[1]);
      close(me ? back[0] : there[0]);
      f(me);
    }
  close(there[0]), close(there[1]), close(back[0]), close(back[1]);
  for (int me = 0; me < 2; me++) {
    check(wait(&status) > 0, "wait");
    if (status != 0)
      exit(1);
  }
}

static void
strangers(void)
{
  newfile(1, 4 * PGSIZE);
  both(stranger);

  newfile(41, BIG * PGSIZE);
  both(racer);
  for (int i = 0; i < BIG; i++)
    memmove(want + i * PGSIZE, "ab", 2);
  holds(FILE1, want, BIG * PGSIZE, "what two processes stored in pages touched at one time is not all in the file");
}

// ---- same: several mappings of a page in one process

static void
samepage(void)
{
  newfile(2, 3 * PGSIZE);
  int fd = opened(FILE1, O_RDWR), fd2 = opened(FILE1, O_RDONLY);
  char *p = map("mmap", fd, 0, 3 * PGSIZE, RDWR, MAP_SHARED), *q = map("mmap", fd2, PGSIZE, 2 * PGSIZE, PROT_READ, MAP_SHARED);
  char *priv = map("mmap", fd, 0, 3 * PGSIZE, RDWR, MAP_PRIVATE);

  close(fd);
  close(fd2);
  check(load(q) == want[PGSIZE], "mapping differs from the file");
  store(p + PGSIZE, 's');
  check(load(q) == 's', "a store is not seen in a second, read-only mapping of the page");
  store(p + 2 * PGSIZE, 's');
  check(load(q + PGSIZE) == 's', "a page that was touched later is not the same in a second mapping");
  store(priv + PGSIZE + 5, 'x');
  check(load(q + 5) == want[PGSIZE + 5] && load(p + PGSIZE + 5) == want[PGSIZE + 5], "a private store is seen in shared mappings");
  store(p, 's');
  load(priv);
  store(priv + 1, 'x');
  check(load(p + 1) == want[1], "a private store is seen in a shared mapping");
  unmap(q, 2 * PGSIZE);
  check(load(p + PGSIZE) == 's' && load(p + 2 * PGSIZE) == 's', "a page was lost when a second mapping of it was unmapped");
  unmap(p, 3 * PGSIZE);
  want[0] = want[PGSIZE] = want[2 * PGSIZE] = 's';
  holds(FILE1, want, 3 * PGSIZE, "stores to shared pages are not in the file, or private ones are");
  check(load(priv + PGSIZE + 5) == 'x', "a private page was lost when a shared one was unmapped");
  unmap(priv, 3 * PGSIZE);
}

// ---- owners: three processes have a page; they unmap it in each order, and each has stored

#define OWNERS  3

static void
owner(int me)
{
  char *p = mapfile(FILE1, PGSIZE, RDWR, MAP_SHARED);

  load(p);
  store(p + me, 'A' + me);
  tell();
  hear();
  for (int i = 0; i < OWNERS; i++)
    check(load(p + i) == 'A' + i, "a page was lost when another process that shared it unmapped it");
  unmap(p, PGSIZE);
  exit(0);
}

// Memory that was given back by mistake gets other contents.
static void
churn(void)
{
  int size = 200 * PGSIZE;
  char *p = sbrk(size);

  check(p != SBRK_ERROR, "sbrk");
  memset(p, 0xee, size);
  sbrk(-size);
}

// The owners unmap the page in this order.
static void
ends(char *order)
{
  int ins[OWNERS], outs[OWNERS];
  char c;

  newfile(3, PGSIZE);
  for (int i = 0; i < OWNERS; i++) {
    if (child() == 0)
      owner(i);
    hear();
    ins[i] = in;
    outs[i] = out;
  }
  for (int k = 0; k < OWNERS; k++) {
    int i = order[k] - '0';
    in = ins[i];
    out = outs[i];
    tell();
    join(0, "a process that shares a page did not end well");
    churn();
    int fd = opened(FILE1, O_RDONLY);
    for (int at = 0; at <= i; at++)
      check(read(fd, &c, 1) == 1, "read");
    check(c == 'A' + i, "what a process stored in a shared page is not in the file when it has unmapped the page");
    close(fd);
  }
  for (int i = 0; i < OWNERS; i++)
    want[i] = 'A' + i;
  holds(FILE1, want, PGSIZE, "what three processes stored in a shared page is not all in the file");
}

static void
owners(void)
{
  static char *order[] = { "012", "021", "102", "120", "201", "210" };

  for (int i = 0; i < sizeof(order) / sizeof(order[0]); i++)
    ends(order[i]);
}

// ---- newer: who did not store writes nothing back, though another owner of the page did

static void
newer(void)
{
  newfile(4, PGSIZE);
  if (child() == 0) {
    char *p = mapfile(FILE1, PGSIZE, RDWR, MAP_SHARED);
    check(load(p) == want[0], "child: mapping differs from the file");
    tell();
    hear();
    unmap(p, PGSIZE);
    exit(0);
  }
  hear();
  char *p = mapfile(FILE1, PGSIZE, RDWR, MAP_SHARED);
  load(p);
  store(p + 3, 'o');
  unmap(p, PGSIZE);
  want[3] = 'o';
  holds(FILE1, want, PGSIZE, "a store is not in the file after munmap while another process has the page");
  int fd = opened(FILE1, O_WRONLY);
  memset(want, 'n', 100);
  check(write(fd, want, 100) == 100, "write");
  close(fd);
  tell();
  join(0, "child with a shared page did not end well");
  holds(FILE1, want, PGSIZE, "a process that only read a shared page wrote it back over newer data");
}

// ---- names: pages belong to the file, not to its name, nor to the number of its inode

static int nth;   // file of this test

// A file is unmapped and unlinked, in one order or the other, and a new one made: it may get the same inode.
static void
renewed(void)
{
  newfile(5 + nth, 2 * PGSIZE);
  char *old = mapfile(FILE1, 2 * PGSIZE, RDWR, MAP_SHARED);
  check(load(old + PGSIZE) == want[PGSIZE], "mapping of a new file differs from it");
  store(old, 'o');
  if (nth % 2 == 0)
    unmap(old, 2 * PGSIZE);
  check(unlink(FILE1) == 0, "unlink");

  newfile(20 + nth, 2 * PGSIZE);
  char *p = mapfile(FILE1, 2 * PGSIZE, RDWR, MAP_SHARED);
  same(p, want, 2 * PGSIZE, "a mapping shows pages of another file, which was unlinked");
  store(p + 1, want[1] = 'p');
  if (nth % 2)
    unmap(old, 2 * PGSIZE);
  unmap(p, 2 * PGSIZE);
  holds(FILE1, want, 2 * PGSIZE, "a file has what was stored in another one, which was unlinked");
  check(unlink(FILE1) == 0, "unlink");
}

static void
names(void)
{
  for (nth = 0; nth < 8; nth++)
    alone(renewed, 0, "a child that maps a file, and one made after that was unlinked, did not end well");
}

// ---- lost: shared pages are given back when the last owner has unmapped them, and not before

// All mappings are of one open file: if one were kept open by each, the files would not suffice for the rounds.
static void
sharer(int fd)
{
  char *r = map("mmap", fd, 0, 3 * PGSIZE, RDWR, MAP_SHARED), *s = map("mmap", fd, 0, 3 * PGSIZE, PROT_READ, MAP_SHARED);

  check(load(r) == 'x', "what the parent stored is not seen in its child's own mapping");
  load(r + PGSIZE);
  store(r + PGSIZE, 'r');
  load(s + PGSIZE);
  load(s + 2 * PGSIZE);
  unmap(s, 3 * PGSIZE);
  unmap(r, 3 * PGSIZE);
  exit(0);
}

static void
shareround(void)
{
  int fd = opened(FILE1, O_RDWR);

  if (child() == 0) {
    hear();
    sharer(fd);
  }
  char *p = map("mmap", fd, 0, 3 * PGSIZE, RDWR, MAP_SHARED), *q = map("mmap", fd, 0, 3 * PGSIZE, RDWR, MAP_SHARED);
  store(p, 'x');
  load(q);
  tell();
  join(0, "child with shared pages did not end well");
  unmap(q, 3 * PGSIZE);
  check(load(p) == 'x', "a shared page was lost with its other owners");
  unmap(p, 3 * PGSIZE);
}

// Pages that are there, but can't be mapped, since there is no memory for a table.
static void
notable(void)
{
  int fds[2];

  if (child() == 0) {
    hear();
    char *p = mapfile(FILE1, 30 * PGSIZE, PROT_READ, MAP_SHARED);
    check(pipe(fds) == 0, "pipe");
    takeall();
    for (int i = 0; i < 30; i++)
      write(fds[1], p + i * PGSIZE, 1);
    unmap(p, 30 * PGSIZE);
    exit(0);
  }
  char *p = mapfile(FILE1, 30 * PGSIZE, PROT_READ, MAP_SHARED);
  for (int i = 0; i < 30; i++)
    load(p + i * PGSIZE);
  tell();
  join(0, "child with no memory for its mapping did not end well");
  unmap(p, 30 * PGSIZE);
}

static void
lost(void)
{
  shrink();
  newfile(42, 30 * PGSIZE);
  int pages = freepages();
  notable();
  check(freepages() > pages - 20, "shared pages are lost when there is no memory for a table");

  newfile(40, 3 * PGSIZE);
  alone(shareround, 0, "a process that shares pages with its children did not end well");
  int before = freepages();
  for (int i = 0; i < 30; i++)
    alone(shareround, 0, "a process that shares pages with its children did not end well");
  check(freepages() > before - 20, "shared pages are lost");
}

static struct section all[] = {
  { "strangers",   "sharing between strangers", strangers },
  { "same",        "sharing in one process",    samepage },
  { "owners",      "owners that end",           owners },
  { "newer",       "shared and newer data",     newer },
  { "names",       "sharing and names",         names },
  { "share-frees", "what sharing gives back",   lost },
};

int
main(int argc, char *argv[])
{
  exit(sections(argc, argv, all, sizeof(all) / sizeof(all[0])));
}
