// anontest.c - tests of MAP_ANONYMOUS, private and shared: task 9.
#include "user/extlib.h"

// Pages begin with zeroes, come with the first touch, and are the process's own.
static void
private(void)
{
  char *p = mapanon(0, 3 * PGSIZE, RW, ANON);

  for (int i = 0; i < 3 * PGSIZE; i++)
    check(p[i] == 0, "a page does not begin with zeroes");
  p[5] = 'x';
  p[2 * PGSIZE] = 'y';
  check(p[5] == 'x' && p[4] == 0 && p[PGSIZE] == 0 && p[2 * PGSIZE] == 'y', "a store is lost, or seen elsewhere");
  check(munmap(p, PGSIZE) == 0 && loadkills(p) && p[2 * PGSIZE] == 'y', "munmap of the head");
  check(munmap(p + PGSIZE, 2 * PGSIZE) == 0 && loadkills(p + 2 * PGSIZE), "munmap of the rest");
  char *q = mapanon(0, 3 * PGSIZE, RW, ANON);
  check(q[5] == 0 && q[2 * PGSIZE] == 0, "a new mapping shows what an old one held");
  munmap(q, 3 * PGSIZE);
}

static void
arguments(void)
{
  newfile(1);
  int fd = open(NAME, O_RDWR);
  check(mmap(0, PGSIZE, RW, ANON, fd, 0) == BAD, "MAP_ANONYMOUS with a file is accepted");
  close(fd);
  char *p = mapanon(0, 1, RW, ANON);
  check(munmap(p, 1) == 0, "munmap of anonymous memory of 1 byte");
  check(mmap(0, PGSIZE, RW, ANON, fd, 0) == BAD, "MAP_ANONYMOUS with a closed descriptor is accepted");
  check(mmap(0, PGSIZE, RW, MAP_PRIVATE, -1, 0) == BAD, "no file and no MAP_ANONYMOUS is accepted");
  check(mmap(0, PGSIZE, RW, MAP_ANONYMOUS, -1, 0) == BAD, "neither MAP_SHARED nor MAP_PRIVATE is accepted");
  check(mmap(0, PGSIZE, RW, ANON | MAP_SHARED, -1, 0) == BAD, "MAP_SHARED and MAP_PRIVATE is accepted");
  check(mmap(0, 0, RW, ANON, -1, 0) == BAD, "length 0 is accepted");
  check(mmap(0, PGSIZE, RW, ANON, -1, 100) == BAD, "an offset of 100 is accepted");
  check(mmap(0, -PGSIZE, RW, ANON, -1, 0) == BAD, "a negative length is accepted");
}

static void
prot(void)
{
  char *r = mapanon(0, PGSIZE, PROT_READ, ANON), *n = mapanon(0, PGSIZE, PROT_NONE, ANONS);

  check(*r == 0 && storekills(r), "PROT_READ");
  check(loadkills(n) && storekills(n), "PROT_NONE");
  munmap(r, PGSIZE);
  munmap(n, PGSIZE);
}

// The kernel's own use of pages that were never touched.
static void
kernel(void)
{
  char *p = mapanon(0, 2 * PGSIZE, RW, ANON), *q = mapanon(0, 2 * PGSIZE, RW, ANONS);

  newfile(2);
  int fd = open(NAME, O_RDWR);
  check(read(fd, p + 100, PGSIZE) == PGSIZE && p[100] == 'a' && p[PGSIZE + 99] == 'a' && p[99] == 0,
        "read into a private page never touched");
  check(read(fd, q, PGSIZE) == PGSIZE && q[0] == 'b', "read into a shared page never touched");
  check(write(fd, q + PGSIZE, 10) == 10, "write from a page never touched");
  close(fd);
  holds(NAME, 2 * PGSIZE + 9, 0, "write from a page never touched writes something else than zeroes");
  munmap(p, 2 * PGSIZE);
  munmap(q, 2 * PGSIZE);
}

static void
childstores(char *p)
{
  check(p[0] == 'p', "the child does not see what the parent stored");
  p[0] = 'c';
  p[PGSIZE] = 'c';
}

static void
forkprivate(void)
{
  char *p = mapanon(0, 2 * PGSIZE, RW, ANON);

  p[0] = 'p';
  check(outcome(childstores, p) == 0, "the child fails");
  check(p[0] == 'p' && p[PGSIZE] == 0, "the parent sees what the child stored");
  munmap(p, 2 * PGSIZE);
}

// A grandchild's page outlives its process, as long as somebody has the memory mapped.
static void
grandchild(char *p)
{
  check(p[0] == 'c', "the grandchild does not see what the child stored");
  p[2 * PGSIZE] = 'g';
}

static void
forkshared(void)
{
  char *p = mapanon(0, 3 * PGSIZE, RW, ANONS);

  p[0] = 'p';
  check(outcome(childstores, p) == 0, "the child fails");
  check(p[0] == 'c', "what the child stored in a page that was touched before is not seen");
  check(p[PGSIZE] == 'c', "what the child stored in a page that it touched first is not seen");
  check(outcome(grandchild, p) == 0 && p[2 * PGSIZE] == 'g', "a page that only an ended process touched is lost");
  char *q = mapanon(0, PGSIZE, RW, ANONS);
  check(*q == 0, "two shared mappings are the same memory");
  munmap(p, 3 * PGSIZE);
  munmap(q, PGSIZE);
}

// Pages of a large memory that lie far apart.
#define FAR   (4096 * PGSIZE)
#define WIDE  (64L * FAR)

static void
farpages(char *p)
{
  for (char *at = p; at < p + WIDE; at += FAR) {
    check(at == p ? *at == 'p' : *at == 0, "pages that lie far apart are the same, or not shared");
    *at += (at - p) / FAR + 1;
  }
}

static void
far(void)
{
  char *p = mapanon(0, WIDE, RW, ANONS);

  *p = 'p';
  check(outcome(farpages, p) == 0, "the child fails");
  for (int i = 1; i < WIDE / FAR; i++)
    check(p[(long)i * FAR] == i + 1 && p[(long)i * FAR + PGSIZE] == 0, "pages that lie far apart are the same, or lost");
  munmap(p, WIDE);
}

// Two processes touch the same pages at the same time: both stores are seen.
#define RACED 500

static void
raced(char *p, int mine, int other)
{
  volatile char *ready = p;

  ready[mine] = 1;
  while (!ready[other])
    ;
  for (int i = 1; i < RACED; i++)
    p[i * PGSIZE + mine] = 1;
}

static void
race(void)
{
  char *p = mapanon(0, RACED * PGSIZE, RW, ANONS);
  int status, pid = fork();

  check(pid >= 0, "fork");
  if (pid == 0) {
    raced(p, 1, 0);
    exit(0);
  }
  raced(p, 0, 1);
  check(wait(&status) == pid && status == 0, "the child fails");
  for (int i = 0; i < RACED; i++)
    check(p[i * PGSIZE] == 1 && p[i * PGSIZE + 1] == 1, "of two processes that touched a page first at one time, one lost its store");
  munmap(p, RACED * PGSIZE);
}

static void
shared(void)
{
  forkshared();
  far();
  for (int i = 0; i < 5; i++)
    race();
}

static void
round(char *unused)
{
  char *p = mapanon(0, 20 * PGSIZE, RW, ANON), *q = mapanon(0, 20 * PGSIZE, RW, ANONS);

  for (int i = 0; i < 20; i++)
    p[i * PGSIZE] = q[i * PGSIZE] = i;
  munmap(p, 7 * PGSIZE);
  munmap(q + 2 * PGSIZE, 3 * PGSIZE);
  storekills(q);
}

// How many shared memories a process can have at one time.
static int
asmanyasfit(void)
{
  int n = 0;

  while (mmap(0, PGSIZE, RW, ANONS, -1, 0) != BAD)
    n++;
  munmap(BASE, n * PGSIZE);
  return n;
}

static void
frees(void)
{
  outcome(round, 0);
  int before = freepages();
  for (int i = 0; i < 10; i++)
    outcome(round, 0);
  check(freepages() == before, "pages are lost");
  newfile(1);
  for (int i = 0; i < 150; i++) {
    char *p = mapanon(0, PGSIZE, RW, ANONS);
    *p = 1;
    munmap(p, PGSIZE);
  }
  check(mapfile(NAME, PGSIZE, RW, MAP_SHARED) != BAD, "shared memory that was unmapped still counts as open");
  munmap(BASE, PGSIZE);
  int most = asmanyasfit();
  check(most >= 16 && asmanyasfit() == most, "shared memory can't be mapped as often as before");
}

static struct section all[] = {
  { "anonymous-private",   private },
  { "anonymous-arguments", arguments },
  { "anonymous-prot",      prot },
  { "anonymous-kernel",    kernel },
  { "anonymous-fork",      forkprivate },
  { "anonymous-shared",    shared },
  { "anonymous-frees",     frees },
};

int
main(int argc, char *argv[])
{
  sections(argc, argv, all, sizeof(all) / sizeof(all[0]));
}
