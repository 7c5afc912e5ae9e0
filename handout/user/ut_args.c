// ut_args.c - tests of usertests: system calls that are given bad pointers, descriptors and numbers.
#include "user/ut.h"

// A call that was given address a, with no user memory there, has to fail.
static void
refused(int got, const char *call, uint64 a)
{
  expect(got == -1, "%s with address %p: expected -1, got %d", call, (void *)a, got);
}

static void
read_bad_address(void)
{
  int end[2];
  save("f", 1, 10);
  int fd = mustopen("f", O_RDONLY);
  newpipe(end);
  mustwrite(end[1], "data", 4);

  for (int i = 0; badaddr(i); i++) {
    refused(read(fd, (void *)badaddr(i), 10), "read of a file", badaddr(i));
    refused(read(end[0], (void *)badaddr(i), 4), "read of a pipe", badaddr(i));
  }
  equal(readfull(fd, buf, 20), 10, "bytes of the file, after reads that failed");
  painted(buf, 10, 1, 0, "file");
  equal(read(end[0], buf, 4), 4, "bytes in the pipe, after reads that failed");
}

static void
write_bad_address(void)
{
  int end[2];
  int fd = mustopen("f", O_CREATE | O_RDWR);
  newpipe(end);

  for (int i = 0; badaddr(i); i++) {
    refused(write(fd, (void *)badaddr(i), 3000), "write to a file", badaddr(i));
    refused(write(end[1], (void *)badaddr(i), 8), "write to a pipe", badaddr(i));
    refused(write(1, (void *)badaddr(i), 8), "write to the console", badaddr(i));
  }
  equal(info("f").size, 0, "size of the file, after writes that failed");
  close(end[1]);
  equal(read(end[0], buf, 10), 0, "bytes in the pipe, after writes that failed");
}

static void
path_bad_address(void)
{
  char *argv[] = {"x", 0};
  save("f", 1, 10);

  for (int i = 0; badaddr(i); i++) {
    uint64 a = badaddr(i);
    char *path = (char *)a;
    refused(open(path, O_RDONLY), "open", a);
    refused(open(path, O_CREATE | O_RDWR), "open with O_CREATE", a);
    refused(mkdir(path), "mkdir", a);
    refused(mknod(path, 1, 0), "mknod", a);
    refused(chdir(path), "chdir", a);
    refused(unlink(path), "unlink", a);
    refused(link(path, "new"), "link from", a);
    refused(link("f", path), "link to", a);
    refused(exec(path, argv), "exec", a);
  }
  equal(exists("new"), 0, "existence of a link to nowhere");
  equal(info("f").nlink, 1, "links of a file, after calls that failed");
}

// wait, pipe and fstat bring results. A failure must cost neither the child nor descriptors.
static void
result_bad_address(void)
{
  int fd = mustopen(".", O_RDONLY);
  int pid = child();
  if (pid == 0)
    exit(7);

  for (int i = 0; badaddr(i); i++) {
    uint64 a = badaddr(i);
    refused(fstat(fd, (struct stat *)a), "fstat", a);
    refused(pipe((int *)a), "pipe", a);
    refused(wait((int *)a), "wait", a);
  }
  equal(dup(fd), fd + 1, "next descriptor, after pipes that failed");
  ends(pid, 7);
}

static void
argv_bad_address(void)
{
  for (int i = 0; badaddr(i); i++) {
    uint64 a = badaddr(i);
    char *argv[] = {"echo", "x", (char *)a, 0};
    refused(exec("/echo", (char **)a), "exec with a table of arguments", a);
    refused(exec("/echo", argv), "exec with an argument", a);
  }
  char **table = (char **)(lastpage() + PGSIZE) - 3;
  for (int i = 0; i < 3; i++)
    table[i] = "x";
  refused(exec("/echo", table), "exec with a table that runs off the end of memory", (uint64)table);
}

// The kernel must not write for a process where the process itself may not.
static void
result_in_text(void)
{
  char before[32], *text = (char *)result_in_text;
  uint64 a = (uint64)text;
  int end[2];
  memmove(before, text, sizeof(before));
  save("f", 1, 32);
  int fd = mustopen("f", O_RDONLY);
  newpipe(end);
  mustwrite(end[1], "data", 4);
  int pid = child();
  if (pid == 0)
    exit(0);

  refused(read(fd, text, 32), "read of a file into text", a);
  refused(read(end[0], text, 4), "read of a pipe into text", a);
  refused(fstat(fd, (struct stat *)text), "fstat into text", a);
  refused(pipe((int *)text), "pipe into text", a);
  refused(wait((int *)text), "wait into text", a);
  equal(memcmp(before, text, sizeof(before)), 0, "comparison of text before and after");
  ends(pid, 0);
}

// Strings may lie at the very end of memory, but not run over it.
static void
string_at_end(void)
{
  char *top = lastpage() + PGSIZE;
  save("f", 1, 10);

  strcpy(top - 2, "f");
  mustclose(mustopen(top - 2, O_RDONLY));
  char *argv[] = {top - 2, 0};
  equal(exec(top - 2, argv), -1, "exec of a file that is no program");
  memset(top - 20, 'x', 20);
  refused(open(top - 1, O_CREATE | O_RDWR), "open", (uint64)top - 1);
  refused(mkdir(top - 20), "mkdir", (uint64)top - 20);
  argv[0] = top - 3;
  refused(exec("/echo", argv), "exec with an argument", (uint64)top - 3);
}

// A buffer of which only the first part is memory.
static void
buffer_over_end(void)
{
  char *last = lastpage() + PGSIZE - 6;
  int end[2];
  save("f", 1, 100);
  int fd = mustopen("f", O_RDWR);
  newpipe(end);
  mustwrite(end[1], "some data", 9);
  int pid = child();
  if (pid == 0)
    exit(3);

  refused(read(fd, last, 50), "read of a file", (uint64)last);
  refused(write(fd, last, 50), "write to a file", (uint64)last);
  refused(fstat(fd, (struct stat *)last), "fstat", (uint64)last);
  refused(pipe((int *)last), "pipe", (uint64)last);
  refused(wait((int *)(last + 4)), "wait", (uint64)last + 4);
  equal(info("f").size, 100, "size of the file");
  ends(pid, 3);
}

// MAXPATH counts the NUL at the end.
static void
path_length(void)
{
  char path[MAXPATH + 1];
  memset(path, '/', sizeof(path));
  for (int i = 0; i < MAXPATH - 2; i += 2)
    path[i] = '.';
  strcpy(path + MAXPATH - 2, "f");
  mustclose(mustopen(path, O_CREATE | O_RDWR));
  mustclose(mustopen("f", O_RDONLY));

  strcpy(path + MAXPATH - 2, "fg");
  equal(open(path, O_CREATE | O_RDWR), -1, "open of a path of MAXPATH characters");
  equal(mkdir(path), -1, "mkdir of a path of MAXPATH characters");
  equal(exists("fg"), 0, "existence of a file whose path is too long");
}

static void
bad_descriptor(void)
{
  int closed = mustopen("f", O_CREATE | O_RDWR);
  mustclose(closed);
  int fds[] = {closed, NOFILE - 1, NOFILE, NOFILE + 1, 1000, -1, -NOFILE, 0x7fffffff, -0x7fffffff - 1};

  for (int i = 0; i < COUNT(fds); i++) {
    struct stat st;
    int fd = fds[i];
    expect(read(fd, buf, 1) == -1, "read of descriptor %d: expected -1", fd);
    expect(write(fd, "x", 1) == -1, "write to descriptor %d: expected -1", fd);
    expect(fstat(fd, &st) == -1, "fstat of descriptor %d: expected -1", fd);
    expect(dup(fd) == -1, "dup of descriptor %d: expected -1", fd);
    expect(close(fd) == -1, "close of descriptor %d: expected -1", fd);
  }
}

static void
wrong_direction(void)
{
  int end[2];
  newpipe(end);
  save("f", 1, 10);
  int in = mustopen("f", O_RDONLY);
  int out = mustopen("f", O_WRONLY);

  equal(read(out, buf, 5), -1, "read of a write-only file");
  equal(write(in, "x", 1), -1, "write to a read-only file");
  equal(read(end[1], buf, 1), -1, "read of a pipe's write end");
  equal(write(end[0], "x", 1), -1, "write to a pipe's read end");
  saved("f", 1, 10);
}

static void
odd_count(void)
{
  int end[2];
  save("f", 1, 10);
  int fd = mustopen("f", O_RDWR);
  newpipe(end);
  mustwrite(end[1], "x", 1);

  equal(read(fd, buf, -1), -1, "read of -1 bytes of a file");
  equal(write(fd, buf, -1), -1, "write of -1 bytes to a file");
  equal(read(end[0], buf, -1), -1, "read of -1 bytes of a pipe");
  equal(write(end[1], buf, -1), -1, "write of -1 bytes to a pipe");
  equal(write(1, buf, -0x7fffffff - 1), -1, "write of -2^31 bytes to the console");
  equal(read(fd, buf, 0), 0, "read of 0 bytes of a file");
  equal(write(fd, buf, 0), 0, "write of 0 bytes to a file");
  equal(write(end[1], buf, 0), 0, "write of 0 bytes to a pipe");
  equal(readfull(fd, buf, 20), 10, "bytes of the file");
  painted(buf, 10, 1, 0, "file");
}

// A system call with a number of our choice.
static int
call(long number)
{
  register long a7 asm("a7") = number;
  register long a0 asm("a0") = 0;
  asm volatile("ecall" : "+r"(a0) : "r"(a7) : "memory");
  return a0;
}

static void
unknown_call(void)
{
  static const long numbers[] = {0, -1, 999, 0x7fffffff, -0x7fffffff - 1};
  for (int i = 0; i < COUNT(numbers); i++)
    equal(call(numbers[i]), -1, "system call with an unknown number");
}

struct test arg_tests[] = {
  QUICK(read_bad_address),
  QUICK(write_bad_address),
  QUICK(path_bad_address),
  QUICK(result_bad_address),
  QUICK(argv_bad_address),
  QUICK(result_in_text),
  QUICK(string_at_end),
  QUICK(buffer_over_end),
  QUICK(path_length),
  QUICK(bad_descriptor),
  QUICK(wrong_direction),
  QUICK(odd_count),
  QUICK(unknown_call),
  END_OF_TESTS
};
