// hidden6exit.c - task 6: exit, kill and exec end all mappings, whatever is left of them. fork need not copy any, nor munmap
// split any.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"
#include "hid.h"

#define WELL  3   // what an exec'd program ends with if all is well

static int way;   // how a child ends: by exit, kill, fault or exec

enum { EXIT, KILL, FAULT, EXEC, WAYS };

// ---- how to end

// End as way says, or never return from the attempt.
static void
end(char *mapping)
{
  char *argv[] = { self, "-seen", 0 };

  if (way == EXEC) {
    int fds[2];
    check(pipe(fds) == 0 && write(fds[1], &mapping, sizeof(mapping)) == sizeof(mapping), "pipe");
    close(0);
    dup(fds[0]);
    exec(self, argv);
    fail("exec");
  }
  if (way == FAULT)
    load((char *)0x3fff0000);   // neither heap nor mapping
  if (way == KILL) {
    kill(getpid());
    for (;;)
      pause(1);
  }
  exit(WELL);
}

// Run f in a child in each of the ways; f maps, and calls end().
static void
eachway(void (*f)(void), char *what)
{
  for (way = 0; way < WAYS; way++)
    alone(f, way == KILL || way == FAULT ? -1 : WELL, what);
}

// What an exec'd child runs: standard input says where the old program had a mapping. It is not there, and new ones are.
static void
seen(void)
{
  char *p;

  check(read(0, &p, sizeof(p)) == sizeof(p), "exec'd program: read");
  check(!readable(p), "exec'd program sees the old one's mapping");
  int fd = opened(FILE1, O_RDONLY);
  for (int i = 0; i < NMAP; i++)
    check(mmap(0, PGSIZE, PROT_READ, MAP_PRIVATE, fd, 0) != FAILED, "exec'd program can't have many mappings");
  exit(WELL);
}

// ---- parts: what is left of a mapping, all of it dirty

static void
leaveparts(void)
{
  char *p = mapfile(FILE1, 6 * PGSIZE, RDWR, MAP_SHARED);

  for (int i = 0; i < 6; i++)
    p[i * PGSIZE + way] = '0' + i;
  unmap(p, 2 * PGSIZE);
  unmap(p + 5 * PGSIZE, PGSIZE);
  end(p + 2 * PGSIZE);
}

static void
parts(void)
{
  newfile(1, 6 * PGSIZE);
  eachway(leaveparts, "a child with parts of a mapping did not end as it should");
  for (int i = 0; i < 6; i++)
    for (int k = 0; k < WAYS; k++)
      want[i * PGSIZE + k] = '0' + i;
  holds(FILE1, want, 6 * PGSIZE, "what is left of a mapping was not written back right at the end of the process");
}

// ---- many: many mappings, and more dirty pages than fit into the log

// A page is dirty in each mapping, another one of the file each time.
static void
leavefull(void)
{
  char *p = 0;

  for (int i = NMAP - 1; i >= 0; i--) {
    p = mapfile(FILE1, (i + 1) * PGSIZE, RDWR, MAP_SHARED);
    p[i * PGSIZE + 10 + way] = 'f';
  }
  end(p);
}

static void
leavemany(void)
{
  char *p = mapfile(FILE1, BIG * PGSIZE, RDWR, MAP_SHARED);

  for (int i = 0; i < BIG; i++)
    p[i * PGSIZE + i + way] = 'm';
  end(p);
}

static void
many(void)
{
  newfile(2, NMAP * PGSIZE);
  eachway(leavefull, "a child with many dirty mappings did not end as it should");
  for (int i = 0; i < NMAP; i++)
    memset(want + i * PGSIZE + 10, 'f', WAYS);
  holds(FILE1, want, NMAP * PGSIZE, "many dirty mappings were not all written back at the end of the process");

  newfile(3, BIG * PGSIZE);
  eachway(leavemany, "a child with 60 dirty pages did not end as it should");
  for (int i = 0; i < BIG; i++)
    memset(want + i * PGSIZE + i, 'm', WAYS);
  holds(FILE1, want, BIG * PGSIZE, "60 dirty pages were not all written back at the end of the process");
}

// ---- sparse: large mappings of which two pages were touched, or none

static void
leavesparse(void)
{
  char *wide = mapfile(FILE1, 64 << 20, RDWR, MAP_PRIVATE);
  char *never = mapfile(FILE1, 100 << 20, RDWR, MAP_SHARED);

  wide[(BIG - 1) * PGSIZE] = 'w';
  check(load(wide + 1) == want[1], "mapping differs from the file");
  end(never);
}

static void
sparse(void)
{
  newfile(4, BIG * PGSIZE);
  eachway(leavesparse, "a child with large mappings did not end as it should");
  holds(FILE1, want, BIG * PGSIZE, "large mappings, hardly touched, changed the file");
}

// ---- clean: what was only read is not written back over what is newer

static void
leaveclean(void)
{
  char *p = mapfile(FILE1, 2 * PGSIZE, RDWR, MAP_SHARED), *q = mapfile(FILE1, 2 * PGSIZE, RDWR, MAP_PRIVATE);

  check(load(p + PGSIZE) == want[PGSIZE], "mapping differs from the file");
  store(q + PGSIZE, 'q');
  tell();
  hear();
  end(p);
}

static void
clean(void)
{
  newfile(5, 2 * PGSIZE);
  for (way = 0; way < WAYS; way++) {
    if (child() == 0)
      leaveclean();
    hear();
    int fd = opened(FILE1, O_WRONLY);
    fill(want, 6 + way, 2 * PGSIZE);
    check(write(fd, want, PGSIZE) == PGSIZE && write(fd, want + PGSIZE, PGSIZE) == PGSIZE, "write");
    close(fd);
    tell();
    join(way == KILL || way == FAULT ? -1 : WELL, "a child with clean mappings did not end as it should");
    holds(FILE1, want, 2 * PGSIZE, "the end of a process wrote back what it had only read, or had as its own");
  }
}

// ---- beside: another process has the same pages mapped, which may be shared (task 8), and goes on

static void
leavebeside(void)
{
  char *p = mapfile(FILE1, 2 * PGSIZE, RDWR, MAP_SHARED);

  load(p + PGSIZE);
  store(p + way, 'b');
  tell();
  hear();
  end(p);
}

static void
stayer(void)
{
  char *p = mapfile(FILE1, 2 * PGSIZE, RDWR, MAP_SHARED);

  load(p);
  store(p + PGSIZE + way, 's');
  tell();
  hear();
  for (int i = WAYS; i < PGSIZE; i++)
    check(load(p + i) == want[i] && load(p + PGSIZE + i) == want[PGSIZE + i],
          "a mapping has changed with the end of another process that had its pages");
  unmap(p, 2 * PGSIZE);
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

static void
beside(void)
{
  newfile(8, 2 * PGSIZE);
  for (way = 0; way < WAYS; way++) {
    if (child() == 0)
      stayer();
    hear();
    int stayin = in, stayout = out;
    if (child() == 0)
      leavebeside();
    hear();
    tell();
    join(way == KILL || way == FAULT ? -1 : WELL, "a child beside another with the same pages did not end as it should");
    churn();
    in = stayin;
    out = stayout;
    tell();
    join(0, "a child did not end well after another one with the same pages had");
    want[way] = 'b';
    want[PGSIZE + way] = 's';
    holds(FILE1, want, 2 * PGSIZE, "what two processes stored in two pages is not in the file after one ended and one unmapped them");
  }
}

// ---- arguments: exec takes its strings from the old program's mappings, whose pages are here

// What is exec'd then.
static int
arguments(int argc, char *argv[])
{
  check(argc == 4 && strcmp(argv[2], "two") == 0 && strcmp(argv[3], "three") == 0, "exec'd program got other arguments");
  return WELL;
}

static void
frommapping(void)
{
  char *text = mapfile(FILE1, 2 * PGSIZE, PROT_READ, MAP_PRIVATE);
  char *argv[] = { text + 100, text + 200, text + 300, text + PGSIZE - 3, 0 };

  load(text);
  load(text + PGSIZE);
  exec(text + 100, argv);
  fail("exec of a name in a mapping");
}

static void
strings(void)
{
  newfile(20, 2 * PGSIZE);
  strcpy(want + 100, self);
  strcpy(want + 200, "-arguments");
  strcpy(want + 300, "two");
  strcpy(want + PGSIZE - 3, "three");
  save(FILE1, want, 2 * PGSIZE);
  alone(frommapping, WELL, "a child that execs with strings in a mapping did not end well");
}

// ---- lost: files and pages are given back

static void
leaveone(void)
{
  char *p = mapfile(FILE1, 3 * PGSIZE, RDWR, MAP_SHARED), *q = mapfile(FILE1, 3 * PGSIZE, RDWR, MAP_PRIVATE);

  for (int i = 0; i < 6; i++)
    mapfile(FILE1, PGSIZE, PROT_READ, MAP_PRIVATE);
  p[0] = q[PGSIZE] = 'x';
  load(q + 2 * PGSIZE);
  unmap(p + 2 * PGSIZE, PGSIZE);
  end(q);
}

static void
lost(void)
{
  shrink();
  newfile(21, 3 * PGSIZE);
  eachway(leaveone, "a child with mappings did not end as it should");
  int before = freepages();
  for (int i = 0; i < MANY / 8; i++)   // eight files each time: more than can be open
    eachway(leaveone, "a child with mappings did not end as it should, perhaps since earlier ones keep files open");
  check(freepages() > before - 20, "the end of a process loses pages of its mappings");
}

static struct section all[] = {
  { "parts",     "end with parts of mappings", parts },
  { "many",      "end with many mappings",     many },
  { "sparse",    "end with large mappings",    sparse },
  { "clean",     "end with clean mappings",    clean },
  { "beside",    "end beside another owner",   beside },
  { "strings",   "exec from a mapping",        strings },
  { "end-frees", "what an end gives back",     lost },
};

int
main(int argc, char *argv[])
{
  self = argv[0];
  if (argc == 2 && strcmp(argv[1], "-seen") == 0)
    seen();
  if (argc > 1 && strcmp(argv[1], "-arguments") == 0)
    exit(arguments(argc, argv));
  exit(sections(argc, argv, all, sizeof(all) / sizeof(all[0])));
}
