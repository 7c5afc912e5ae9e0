// mprotecttest.c - tests of mprotect: task 11.
#include "user/extlib.h"

static void
readonly(void)
{
  char *p = mapanon(0, 3 * PGSIZE, RW, ANON);

  p[PGSIZE] = 'x';
  check(mprotect(p, 2 * PGSIZE, PROT_READ) == 0, "mprotect");
  check(p[PGSIZE] == 'x' && p[0] == 0, "a page has lost what it held");
  check(storekills(p + PGSIZE), "a page that was stored to can still be");
  check(storekills(p), "a page never touched can be stored to");
  check(!storekills(p + 2 * PGSIZE), "a page outside the range can't be stored to");
  check(mprotect(p, PGSIZE, RW) == 0, "mprotect");
  p[0] = 'y';
  check(p[0] == 'y' && storekills(p + PGSIZE), "RW again");
  munmap(p, 3 * PGSIZE);
}

static void
none(void)
{
  char *p = mapanon(0, 2 * PGSIZE, RW, ANON), c;
  int fds[2];

  p[0] = 'x';
  check(mprotect(p, PGSIZE, PROT_NONE) == 0 && loadkills(p) && storekills(p), "PROT_NONE");
  pipe(fds);
  check(write(fds[1], p, 1) == -1, "write from a PROT_NONE page");
  check(write(fds[1], "z", 1) == 1 && read(fds[0], p, 1) == -1, "read into a PROT_NONE page");
  close(fds[0]);
  close(fds[1]);
  check(mprotect(p, PGSIZE, PROT_READ) == 0, "mprotect");
  c = p[0];
  check(c == 'x', "a page that was PROT_NONE has lost what it held");
  munmap(p, 2 * PGSIZE);
}

// The middle of a mapping: it splits, and merges again.
static void
splits(void)
{
  char *p = mapanon(0, 5 * PGSIZE, RW, ANON);

  for (int i = 0; i < 5; i++)
    p[i * PGSIZE] = i;
  for (int round = 0; round < 200; round++) {
    check(mprotect(p + (1 + round % 3) * PGSIZE, PGSIZE, PROT_READ) == 0, "mprotect of the middle");
    check(mprotect(p, 5 * PGSIZE, RW) == 0, "mprotect of all");
  }
  mprotect(p + 2 * PGSIZE, PGSIZE, PROT_READ);
  check(!storekills(p + PGSIZE) && storekills(p + 2 * PGSIZE) && !storekills(p + 3 * PGSIZE), "not just the middle changed");
  check(munmap(p + PGSIZE, 3 * PGSIZE) == 0, "munmap of all three parts");
  check(p[0] == 0 && p[4 * PGSIZE] == 4 && loadkills(p + 2 * PGSIZE), "munmap across the parts");
  munmap(p, 5 * PGSIZE);
}

static void
arguments(void)
{
  char *p = mapanon(0, 2 * PGSIZE, RW, ANON);

  check(mprotect(p + 1, PGSIZE, PROT_READ) == -1, "an address inside a page is accepted");
  check(mprotect(p, PGSIZE, 8) == -1, "an unknown prot is accepted");
  check(mprotect(p, 3 * PGSIZE, PROT_READ) == -1 && !storekills(p), "a hole at the end: accepted, or something changed");
  check(mprotect(p + 2 * PGSIZE, PGSIZE, PROT_READ) == -1, "a hole is accepted");
  check(mprotect(0, PGSIZE, PROT_READ) == -1, "the program's own pages are accepted");
  check(mprotect(p, -PGSIZE, PROT_READ) == -1, "a negative length is accepted");
  check(mprotect((void *)-PGSIZE, 2 * PGSIZE, PROT_READ) == -1, "a range that ends before its start is accepted");
  check(mprotect(p, 1, PROT_READ) == 0 && storekills(p) && !storekills(p + PGSIZE), "a length of 1 is not one page");
  check(mprotect(p, 0, PROT_NONE) == 0 && *p == 0, "a length of 0 changes something");
  munmap(p, 2 * PGSIZE);
}

// What was stored before the page became read-only is written back; what is private is not.
static void
dirty(void)
{
  newfile(2);
  char *s = mapfile(NAME, 2 * PGSIZE, RW, MAP_SHARED), *q = mapfile(NAME, 2 * PGSIZE, PROT_READ, MAP_PRIVATE);
  s[0] = 'X';
  check(mprotect(s, 2 * PGSIZE, PROT_READ) == 0 && mprotect(q, 2 * PGSIZE, RW) == 0, "mprotect of a file's pages");
  q[PGSIZE] = 'P';
  munmap(q, 2 * PGSIZE);
  munmap(s, 2 * PGSIZE);
  holds(NAME, 0, 'X', "a store before mprotect is not written back");
  holds(NAME, PGSIZE, 'b', "a private store is written back");
}

static void
readonlyfile(void)
{
  newfile(1);
  int fd = open(NAME, O_RDONLY);
  char *s = mmap(0, PGSIZE, PROT_READ, MAP_SHARED, fd, 0), *p = mmap(0, PGSIZE, PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  check(s != BAD && p != BAD, "mmap");
  check(mprotect(s, PGSIZE, RW) == -1 && storekills(s), "a shared mapping of a file open for reading becomes writable");
  check(mprotect(p, PGSIZE, RW) == 0 && !storekills(p), "a private one does not");
  munmap(s, PGSIZE);
  munmap(p, PGSIZE);
}

static void
reads(char *p)
{
  check(*p == 'x', "the child sees something else");
}

static void
forked(void)
{
  char *p = mapanon(0, PGSIZE, RW, ANON);

  *p = 'x';
  check(mprotect(p, PGSIZE, PROT_READ) == 0, "mprotect");
  check(outcome(reads, p) == 0 && storekills(p), "a child of a process that called mprotect");
  check(mprotect(p, PGSIZE, RW) == 0 && !storekills(p) && *p == 'x', "after the children");
  munmap(p, PGSIZE);
}

static struct section all[] = {
  { "mprotect-readonly",  readonly },
  { "mprotect-none",      none },
  { "mprotect-splits",    splits },
  { "mprotect-arguments", arguments },
  { "mprotect-dirty",     dirty },
  { "mprotect-file",      readonlyfile },
  { "mprotect-fork",      forked },
};

int
main(int argc, char *argv[])
{
  sections(argc, argv, all, sizeof(all) / sizeof(all[0]));
}
