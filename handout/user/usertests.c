// usertests.c - runs the kernel's tests: each in a process and a directory of its own,
// with a count of the free pages before and after.
//
//   usertests           all tests                usertests NAME...   these only
//   usertests -q        without the slow ones    usertests -c        again and again until one fails
#include "user/ut.h"

static struct test *tables[] = {
  arg_tests, proc_tests, exec_tests, pipe_tests, file_tests,
  race_tests, dir_tests, mem_tests, trap_tests, limit_tests,
};

// The status of a process whose test came to its end. No program that a test runs ends with it.
#define PASSED 42

static int quick;      // -q
static int forever;    // -c

// How many pages a process could have.
static int
freepages(void)
{
  int pages = -1;
  int pid = child();
  if (pid == 0)
    exit(eatmemory());
  equal(wait(&pages), pid, "the child that wait tells of");
  expect(pages > 0, "count of free pages: got %d", pages);
  return pages;
}

// Remove all that is in the current directory. Goes down as deep as descriptors allow.
static void
empty(void)
{
  struct dirent entry;
  char name[DIRSIZ + 1] = "";
  int fd = mustopen(".", O_RDONLY);

  while (read(fd, &entry, sizeof(entry)) == sizeof(entry)) {
    memmove(name, entry.name, DIRSIZ);
    if (entry.inum == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || unlink(name) == 0)
      continue;
    expect(chdir(name) == 0, "could not clear away %s", name);
    empty();
    equal(chdir(".."), 0, "chdir ..");
    equal(unlink(name), 0, "unlink of an emptied directory");
  }
  close(fd);
}

// End the processes that a test left, all younger than its own, and remove its files.
static void
cleanup(long tester)
{
  for (int pid = tester + 1; pid < getpid(); pid++)
    gone(pid);
  if (chdir(ROOM) == 0) {
    empty();
    equal(chdir("/"), 0, "chdir /");
    equal(unlink(ROOM), 0, "unlink " ROOM);
  }
}

// Run the body of a test. Returns 1 if it came to its end.
static int
passes(struct test *t, int *tester)
{
  int status = 0;

  *tester = child();
  if (*tester == 0) {
    equal(mkdir(ROOM), 0, "mkdir " ROOM);
    equal(chdir(ROOM), 0, "chdir " ROOM);
    t->run();
    exit(PASSED);
  }
  equal(wait(&status), *tester, "the child that wait tells of");
  if (status != PASSED && status != 1)
    printf("  the test was to end with status %d, and ended with %d\n", PASSED, status);
  return status == PASSED;
}

// Run a test with all that goes around it. pages: how many were free before, and are after.
static int
runtest(struct test *t, int *pages)
{
  int tester;
  int ok = passes(t, &tester);

  if (outcome(cleanup, tester) != 0)
    ok = 0;
  int before = *pages;
  *pages = freepages();
  if (*pages != before) {
    printf("  lost %d pages: %d were free before, %d after\n", before - *pages, before, *pages);
    ok = 0;
  }
  printf("test %s: %s\n", t->name, ok ? "OK" : "FAILED");
  return ok;
}

// Is this test to be run? With no names, all are, unless -q leaves it out.
static int
chosen(struct test *t, char **names)
{
  if (*names == 0)
    return !(quick && t->slow);
  for (; *names; names++)
    if (strcmp(*names, t->name) == 0)
      return 1;
  return 0;
}

// Run what was asked for, once. Returns 1 if all passed.
static int
runall(char **names)
{
  int ok = 1;
  int pages = freepages();

  for (int i = 0; i < COUNT(tables); i++)
    for (struct test *t = tables[i]; t->run; t++)
      if (chosen(t, names) && !runtest(t, &pages))
        ok = 0;
  printf(ok ? "ALL TESTS PASSED\n" : "SOME TESTS FAILED\n");
  return ok;
}

static void
mustknow(char *name)
{
  for (int i = 0; i < COUNT(tables); i++)
    for (struct test *t = tables[i]; t->run; t++)
      if (strcmp(t->name, name) == 0)
        return;
  fprintf(2, "usertests: no test is called %s (usage: usertests [-q] [-c] [NAME...])\n", name);
  exit(1);
}

int
main(int argc, char *argv[])
{
  char **names = argv + 1;

  for (; *names && (*names)[0] == '-'; names++) {
    if (strcmp(*names, "-q") == 0)
      quick = 1;
    else if (strcmp(*names, "-c") == 0)
      forever = 1;
    else
      mustknow(*names);
  }
  for (char **name = names; *name; name++)
    mustknow(*name);

  equal(outcome(cleanup, getpid()), 0, "clearing away what an earlier run left");
  int ok;
  do
    ok = runall(names);
  while (ok && forever);
  exit(!ok);
}
