// ut_exec.c - tests of usertests: exec, its arguments, and files that are no good programs.
#include "user/ut.h"
#include "kernel/elf.h"

// Run a program with its output in a file; it has to end with status 0.
static void
output(const char *file, char **argv)
{
  int pid = child();
  if (pid == 0) {
    close(1);
    mustopen(file, O_CREATE | O_TRUNC | O_WRONLY);
    exec(argv[0], argv);
    exit(99);
  }
  ends(pid, 0);
}

// The file says exactly this.
static void
says(const char *file, const char *text)
{
  int n = strlen(text);
  int fd = mustopen(file, O_RDONLY);
  equal(readfull(fd, buf, n + 1), n, "bytes of output");
  expect(memcmp(buf, text, n) == 0, "output is not what was expected, which is: %s", text);
  mustclose(fd);
}

static void
exec_arguments(void)
{
  char *some[] = {"/echo", "one", "", "t w o", "3", 0};
  output("out", some);
  says("out", "one  t w o 3\n");

  char *argv[MAXARG + 1] = {"/echo"}, text[2 * MAXARG] = "";
  for (int i = 1; i < MAXARG - 1; i++) {
    argv[i] = "y";
    strcpy(text + strlen(text), i < MAXARG - 2 ? "y " : "y\n");
  }
  output("out", argv);
  says("out", text);
  argv[MAXARG - 1] = "y";
  equal(exec("/echo", argv), -1, "exec with MAXARG arguments");
  says("out", text);
}

// All arguments have to fit on the new stack.
static void
exec_long_arguments(void)
{
  char *word = sbrk(3 * PGSIZE);
  char *argv[] = {"/echo", word, 0, 0, 0, 0};
  static const int toolong[] = {USERSTACK * PGSIZE, USERSTACK * PGSIZE - 1, 2 * PGSIZE, 3 * PGSIZE - 1};

  memset(word, 'w', 3 * PGSIZE);
  for (int i = 0; i < COUNT(toolong); i++) {
    word[toolong[i]] = 0;
    equal(exec("/echo", argv), -1, "exec with an argument that is too long");
    word[toolong[i]] = 'w';
  }
  word[PGSIZE / 4] = 0;
  for (int i = 2; i < 5; i++)
    argv[i] = word;
  equal(exec("/echo", argv), -1, "exec with arguments that are too long together");

  word[PGSIZE / 2] = 0;
  memset(word, 'w', PGSIZE / 2);
  argv[2] = 0;
  output("out", argv);
  word[PGSIZE / 2] = '\n';
  word[PGSIZE / 2 + 1] = 0;
  says("out", word);
}

// What is no program: exec fails, and the caller goes on as it was.
static void
exec_no_program(void)
{
  char *argv[] = {"x", 0};
  char *names[] = {"missing", ".", "empty", "short", "long", "short/x", "/console", ""};
  char *heap = lastpage();
  paint(heap, PGSIZE, 1, 0);
  save("empty", 0, 0);
  save("short", 1, 3);
  save("long", 2, 5000);

  for (int i = 0; i < COUNT(names); i++) {
    int result = exec(names[i], argv);
    expect(result == -1, "exec of \"%s\": expected -1, got %d", names[i], result);
  }
  painted(heap, PGSIZE, 1, 0, "heap");
}

// A copy of echo in the file m, of which the headers are in memory and can be spoiled.
static union {
  struct elfhdr elf;
  char bytes[512];
} head;
static struct proghdr *segment;   // the first that is loaded

static void
copyprogram(void)
{
  int from = mustopen("/echo", O_RDONLY);
  int to = mustopen("m", O_CREATE | O_WRONLY);
  equal(read(from, head.bytes, sizeof(head)), sizeof(head), "bytes of a program's head");
  mustwrite(to, head.bytes, sizeof(head));
  for (int n; (n = read(from, buf, BUFSIZE)) > 0;)
    mustwrite(to, buf, n);
  close(from);
  close(to);

  expect(head.elf.phoff + head.elf.phnum * sizeof(struct proghdr) <= sizeof(head), "headers are too long for the test");
  segment = (struct proghdr *)(head.bytes + head.elf.phoff);
  while (segment->type != ELF_PROG_LOAD)
    segment++;
}

// Put a wrong value into a field of the headers; exec of the file has to fail.
static void
spoil(void *field, int size, uint64 wrong, const char *what)
{
  char *argv[] = {"m", 0};
  char right[8];
  memmove(right, field, size);
  memmove(field, &wrong, size);

  int fd = mustopen("m", O_WRONLY);
  mustwrite(fd, head.bytes, sizeof(head));
  mustclose(fd);
  int result = exec("m", argv);
  expect(result == -1, "exec with %s: expected -1, got %d", what, result);
  memmove(field, right, size);
}

static void
exec_spoiled(void)
{
  copyprogram();
  spoil(&head.elf.magic, 4, 0x464c457e, "another magic number");
  spoil(&head.elf.phoff, 8, 0x7fffff00, "headers beyond the end of the file");
  spoil(&head.elf.phoff, 8, -64UL, "headers at a negative offset");
  spoil(&head.elf.phnum, 2, 65535, "more headers than the file has room for");
  spoil(&segment->memsz, 8, segment->filesz - 1, "more bytes in the file than in memory");
  spoil(&segment->memsz, 8, -1UL, "a size that wraps around");
  spoil(&segment->memsz, 8, 1UL << 37, "more memory than there is");
  spoil(&segment->vaddr, 8, segment->vaddr + 8, "an address that is not a page's");
  segment->memsz += 2 * PGSIZE;
  spoil(&segment->vaddr, 8, -(uint64)PGSIZE, "an address that wraps around");
  segment->memsz -= 2 * PGSIZE;
  spoil(&segment->vaddr, 8, MAXVA, "an address past the highest");
  spoil(&segment->vaddr, 8, TRAPFRAME, "the kernel's address");
  spoil(&segment->off, 8, 0x7ffff000, "a segment beyond the end of the file");
  spoil(&segment->off, 8, 1UL << 32, "a segment at an offset of 4 GB");
}

static void
execcopy(long unused)
{
  char *argv[] = {"m", 0};
  exec("m", argv);
}

// The program starts, and dies at its first instruction.
static void
exec_bad_entry(void)
{
  static const uint64 entries[] = {KERNBASE, MAXVA, TRAPFRAME, 0x100000, -2UL};
  copyprogram();
  for (int i = 0; i < COUNT(entries); i++) {
    head.elf.entry = entries[i];
    int fd = mustopen("m", O_WRONLY);
    mustwrite(fd, head.bytes, sizeof(head));
    mustclose(fd);
    dies(execcopy, 0, "exec of a program that starts nowhere");
  }
}

// Descriptors, with their offsets, and the directory stay.
static void
exec_keeps_files(void)
{
  char *argv[] = {"/cat", 0}, *named[] = {"/cat", "in", 0};
  equal(mkdir("d"), 0, "mkdir");
  equal(chdir("d"), 0, "chdir");
  int fd = mustopen("in", O_CREATE | O_RDWR);
  mustwrite(fd, "0123456789", 10);
  mustclose(fd);

  fd = mustopen("in", O_RDONLY);
  equal(read(fd, buf, 4), 4, "read");
  close(0);
  equal(dup(fd), 0, "dup");
  mustclose(fd);
  output("out", argv);
  says("out", "456789");
  output("out", named);
  says("out", "0123456789");
}

// The old memory goes, whatever its size.
static void
exec_frees_memory(void)
{
  char *argv[] = {"/echo", "small", 0};
  for (int i = 0; i < 4; i++) {
    int pid = child();
    if (pid == 0) {
      char *heap = sbrk(20 << 20);
      expect(heap != SBRK_ERROR, "sbrk of 20 MB failed");
      sbrklazy(20 << 20);
      heap[30 << 20] = 1;
      output("out", argv);
      close(1);
      mustopen("out", O_TRUNC | O_WRONLY);
      exec(argv[0], argv);
      exit(99);
    }
    ends(pid, 0);
    says("out", "small\n");
  }
}

static void
execs(long who)
{
  char *argv[] = {"/echo", numbered("process", who), 0};
  char *file = numbered("out", who);
  for (int i = 0; i < 10; i++)
    output(file, argv);
  char line[16];
  strcpy(line, argv[1]);
  strcpy(line + strlen(line), "\n");
  says(file, line);
}

static void
exec_together(void)
{
  crowd(6, execs);
}

struct test exec_tests[] = {
  QUICK(exec_arguments),
  QUICK(exec_long_arguments),
  QUICK(exec_no_program),
  QUICK(exec_spoiled),
  QUICK(exec_bad_entry),
  QUICK(exec_keeps_files),
  QUICK(exec_frees_memory),
  QUICK(exec_together),
  END_OF_TESTS
};
