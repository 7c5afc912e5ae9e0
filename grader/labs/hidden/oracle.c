// oracle.c - leaves traces of tasks 1 to 8 for the grader, which looks at them from outside: page tables at marks, and files on the disk.
//
// What must be there is told by grader/oracle.py, section by section; numbers and names are the same in both.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"
#include "hid.h"
#include "trace.h"

// Marks.
enum { UNTOUCHED = 1, TOUCHED, READSHARED, READPRIVATE, PARTLY, GONE, PARENT, CHILD, OWNER, STRANGER };

// Files.
enum { LAZY = 1, READ, TAKEN, PART, PRIVATE, MANYDIRTY, ENDED, NAMELESS = ENDED + 8, COPIED, INHERITED, SHARED };

char *names[] = {
  [LAZY] = "o.lazy", [READ] = "o.read", [TAKEN] = "o.taken", [PART] = "o.part", [PRIVATE] = "o.private", [MANYDIRTY] = "o.many",
  [ENDED] = "o.exit", "o.exit.p", "o.kill", "o.kill.p", "o.exec", "o.exec.p", "o.fault", "o.fault.p",
  [NAMELESS] = "o.nameless", [COPIED] = "o.copied", [INHERITED] = "o.inherited", [SHARED] = "o.shared",
};

// Mappings of task 4, which ends before there is a munmap. Later sections have them taken away.
static struct { char *p; int pages; } left[4];
static int nleft;

static void
leave(char *p, int pages)
{
  left[nleft].p = p;
  left[nleft++].pages = pages;
}

static void
takeleft(void)
{
  while (nleft > 0) {
    nleft--;
    unmap(left[nleft].p, left[nleft].pages * PGSIZE);
  }
}

// ---- task 4

static void
lazy(void)
{
  make(LAZY, 4 * PGSIZE);
  char *p = mapped(LAZY, 4, RDWR, MAP_PRIVATE);
  marked(UNTOUCHED, p, 4);
  for (int i = 0; i < 4; i++)
    load(p + i * PGSIZE);
  marked(TOUCHED, p, 4);
  leave(p, 4);
}

static void
readonly(void)
{
  make(READ, 2 * PGSIZE);
  char *p = mapped(READ, 2, PROT_READ, MAP_SHARED);
  char *q = mapped(READ, 2, PROT_READ, MAP_PRIVATE);
  for (int i = 0; i < 2; i++) {
    load(p + i * PGSIZE);
    load(q + i * PGSIZE);
  }
  marked(READSHARED, p, 2);
  marked(READPRIVATE, q, 2);
  leave(p, 2);
  leave(q, 2);
}

// ---- task 5

static void
taken(void)
{
  takeleft();
  make(TAKEN, 6 * PGSIZE);
  char *p = mapped(TAKEN, 6, RDWR, MAP_SHARED);
  for (int i = 0; i < 6; i++)
    storeword(p, TAKEN, i, FIRST);
  unmap(p + PGSIZE, 2 * PGSIZE);
  marked(PARTLY, p, 6);
  unmap(p, PGSIZE);
  unmap(p + 3 * PGSIZE, 3 * PGSIZE);
  marked(GONE, p, 6);
}

// The file ends in the fifth page; what is stored behind its end is nobody's.
static void
parts(void)
{
  takeleft();
  make(PART, 4 * PGSIZE + 1000);
  char *p = mapped(PART, 5, RDWR, MAP_SHARED);
  for (int i = 0; i < 5; i++) {
    storeword(p, PART, i, FIRST);
    storeword(p, PART, i, WORDS - 1);
  }
  unmap(p, PGSIZE);
  unmap(p + 4 * PGSIZE, PGSIZE);
  unmap(p + 2 * PGSIZE, PGSIZE);
  unmap(p + PGSIZE, PGSIZE);
  unmap(p + 3 * PGSIZE, PGSIZE);

  make(PRIVATE, 3 * PGSIZE);
  p = mapped(PRIVATE, 3, RDWR, MAP_PRIVATE);
  for (int i = 0; i < 3; i++)
    storeword(p, PRIVATE, i, FIRST);
  unmap(p, 3 * PGSIZE);
}

static void
many(void)
{
  takeleft();
  make(MANYDIRTY, BIG * PGSIZE);
  char *p = mapped(MANYDIRTY, BIG, RDWR, MAP_SHARED);
  for (int i = 0; i < BIG; i++)
    storeword(p, MANYDIRTY, i, FIRST);
  unmap(p, BIG * PGSIZE);
}

// ---- task 6

enum { EXIT, KILL, EXEC, FAULT, WAYS };

static char *myname;   // how this program was called
static int way;

// End in one way, with two mappings that were stored to, and a page between that was never touched.
static void
end(void)
{
  char *argv[] = { myname, "-gone", 0 };
  int file = ENDED + 2 * way;
  char *p = mapped(file, 4, RDWR, MAP_SHARED);
  char *q = mapped(file + 1, 2, RDWR, MAP_PRIVATE);

  for (int i = 0; i < 4; i++)
    if (i != 2)
      storeword(p, file, i, FIRST);
  storeword(q, file + 1, 1, FIRST);
  if (way == EXEC)
    exec(myname, argv);
  if (way == FAULT)
    load((char *)0x3fff0000);   // neither heap nor mapping
  if (way == KILL) {
    kill(getpid());
    for (;;)
      pause(1);
  }
  check(way == EXIT, "a child did not end");
}

static void
ends(void)
{
  takeleft();
  for (way = 0; way < WAYS; way++) {
    make(ENDED + 2 * way, 4 * PGSIZE);
    make(ENDED + 2 * way + 1, 2 * PGSIZE);
    alone(end, way == KILL || way == FAULT ? -1 : 0, "a child with mappings did not end as it should");
  }
}

// The file has no name any more, and is gone with the process that has mapped it.
static void
leavenameless(void)
{
  make(NAMELESS, 20 * PGSIZE);
  char *p = mapped(NAMELESS, 20, RDWR, MAP_SHARED);
  unlink(names[NAMELESS]);
  for (int i = 0; i < 20; i++)
    storeword(p, NAMELESS, i, FIRST);
}

static void
nameless(void)
{
  takeleft();
  alone(leavenameless, 0, "a child with a mapped file without a name did not end as it should");
}

// ---- task 7. Everything is unmapped before a process ends, and no page that was stored to lies behind one that was not touched.

static void
copies(void)
{
  takeleft();
  make(COPIED, 3 * PGSIZE);
  char *p = mapped(COPIED, 3, RDWR, MAP_PRIVATE);
  storeword(p, COPIED, 0, FIRST);
  storeword(p, COPIED, 1, FIRST);
  if (child() == 0) {
    storeword(p, COPIED, 0, SECOND);
    load(p + PGSIZE);
    marked(CHILD, p, 3);
    tell();
    hear();
    unmap(p, 3 * PGSIZE);
    exit(0);
  }
  hear();
  marked(PARENT, p, 3);
  tell();
  join(0, "a child with private pages did not end as it should");
  unmap(p, 3 * PGSIZE);
}

static void
inherited(void)
{
  takeleft();
  make(INHERITED, 4 * PGSIZE);
  char *p = mapped(INHERITED, 4, RDWR, MAP_SHARED);
  storeword(p, INHERITED, 0, FIRST);
  if (child() == 0) {
    load(p);
    storeword(p, INHERITED, 1, FIRST);
    unmap(p, 4 * PGSIZE);
    exit(0);
  }
  join(0, "a child with inherited pages did not end as it should");
  load(p + PGSIZE);
  storeword(p, INHERITED, 2, FIRST);
  unmap(p, 4 * PGSIZE);
}

// ---- task 8. The child maps the file itself; nothing is inherited, which is task 7's.

static void
stranger(void)
{
  char *p = mapped(SHARED, 2, RDWR, MAP_SHARED);

  load(p + PGSIZE);
  storeword(p, SHARED, 0, SECOND);
  marked(STRANGER, p, 2);
  tell();
  hear();
  storeword(p, SHARED, 1, SECOND);
  unmap(p, 2 * PGSIZE);
  exit(0);
}

static void
shared(void)
{
  takeleft();
  make(SHARED, 2 * PGSIZE);
  if (child() == 0)
    stranger();
  char *p = mapped(SHARED, 2, RDWR, MAP_SHARED);
  loadword(p, 0, SECOND);   // whoever comes first to page 0 does not come to its start
  storeword(p, SHARED, 0, FIRST);
  storeword(p, SHARED, 1, FIRST);
  hear();
  marked(OWNER, p, 2);
  check(loadword(p, 0, SECOND) == stored(SHARED, 0, SECOND), "what another process stores is not seen");
  tell();
  join(0, "a child with shared pages did not end as it should");
  unmap(p, 2 * PGSIZE);
}

static struct section all[] = {
  { "page-lazy",      "page tables before and after a touch",     lazy },
  { "page-readonly",  "page tables of what can't be written",     readonly },
  { "page-taken",     "page tables after munmap",                 taken },
  { "disk-parts",     "files on the disk after munmap",           parts },
  { "disk-many",      "a file on the disk of many dirty pages",   many },
  { "disk-ends",      "files on the disk after ends",             ends },
  { "disk-nameless",  "what ends leave on the disk",              nameless },
  { "page-copies",    "page tables after fork",                   copies },
  { "disk-inherited", "files on the disk of parent and child",    inherited },
  { "page-shared",    "page tables of strangers",                 shared },
};

int
main(int argc, char *argv[])
{
  myname = argv[0];
  if (argc == 2 && strcmp(argv[1], "-gone") == 0)
    exit(0);
  exit(sections(argc, argv, all, sizeof(all) / sizeof(all[0])));
}
