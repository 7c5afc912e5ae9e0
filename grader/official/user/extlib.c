// extlib.c - what the tests of tasks 9 to 14 share: see extlib.h.
#include "user/extlib.h"
#include "kernel/param.h"

static char *program;

void
check(int ok, char *what)
{
  if (ok)
    return;
  printf("%s failure: %s, pid=%d\n", program, what, getpid());
  exit(1);
}

static void
run(struct section *s)
{
  printf("test %s\n", s->name);
  s->run();
  unlink(NAME);
  printf("test %s: OK\n", s->name);
}

// Run the sections of this name; returns whether there is one.
static int
runnamed(char *name, struct section *s, int n)
{
  for (int i = 0; i < n; i++)
    if (strcmp(s[i].name, name) == 0) {
      run(&s[i]);
      return 1;
    }
  return 0;
}

void
sections(int argc, char *argv[], struct section *s, int n)
{
  program = argv[0];
  for (int i = 1; i < argc; i++)
    if (!runnamed(argv[i], s, n)) {
      printf("%s: no section %s; there are:", program, argv[i]);
      for (int k = 0; k < n; k++)
        printf(" %s", s[k].name);
      printf("\n");
      exit(1);
    }
  for (int i = 0; i < n && argc == 1; i++)
    run(&s[i]);
  printf("%s: all tests succeeded\n", program);
  exit(0);
}

// ---- files and memory

void
newfile(int npages)
{
  static char block[PGSIZE];
  int fd = open(NAME, O_CREATE | O_RDWR | O_TRUNC);

  check(fd >= 0, "open of a new file");
  for (int i = 0; i < npages; i++) {
    memset(block, 'a' + i, PGSIZE);
    check(write(fd, block, PGSIZE) == PGSIZE, "write of a new file");
  }
  close(fd);
}

char *
mapfile(char *name, int len, int prot, int flags)
{
  int fd = open(name, O_RDWR);

  check(fd >= 0, "open");
  char *p = mmap(0, len, prot, flags, fd, 0);
  check(p != BAD, "mmap of a file");
  close(fd);
  return p;
}

char *
mapanon(void *addr, long len, int prot, int flags)
{
  char *p = mmap(addr, len, prot, flags, -1, 0);

  check(p != BAD, "mmap of anonymous memory");
  return p;
}

void
holds(char *name, int at, char c, char *what)
{
  static char buf[PGSIZE];
  int fd = open(name, O_RDONLY), n;

  check(fd >= 0, what);
  for (; at >= 0 && (n = read(fd, buf, sizeof(buf))) > 0; at -= n)
    if (at < n)
      check(buf[at] == c, what);
  check(at < 0, what);
  close(fd);
}

// ---- children

int
outcome(void (*f)(char *), char *p)
{
  int status = 0, pid = fork();

  check(pid >= 0, "fork");
  if (pid == 0) {
    f(p);
    exit(0);
  }
  check(wait(&status) == pid, "wait");
  return status;
}

static void
load(char *p)
{
  *(volatile char *)p;
}

static void
store(char *p)
{
  *(volatile char *)p = 'S';
}

int
loadkills(char *p)
{
  return outcome(load, p) == -1;
}

int
storekills(char *p)
{
  return outcome(store, p) == -1;
}

// By taking them, in pieces first: a page at a time is slow.
int
freepages(void)
{
  char *start = sbrk(0);
  int n = 0;

  for (int piece = 512; piece > 0; piece /= 8)
    while (sbrk(piece * PGSIZE) != SBRK_ERROR)
      n += piece;
  sbrk(start - sbrk(0));
  return n;
}

// How often a process and its children can open the file: the process keeps nothing else open but 0, 1 and 2.
static int
hoard(char *name)
{
  int n = 0, status;

  for (int fd = 3; fd < NOFILE; fd++)
    close(fd);
  while (open(name, O_RDONLY) >= 0)
    n++;
  if (n < NOFILE - 3)
    return n;   // no more in the whole system
  if (fork() == 0)
    exit(hoard(name));
  wait(&status);
  return n + status;
}

int
freefiles(char *name)
{
  int status;

  if (fork() == 0)
    exit(hoard(name));
  wait(&status);
  return status;
}
